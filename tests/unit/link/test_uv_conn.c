/* Two ends of a connection on one loop, over a real socket: greeting and goodbye, a reader that
 * pauses, a peer that vanishes, an address where nobody is. Every test ends with an empty loop. */
#include "link/uv_reach.h"
#include "link/uv_refuse.h"
#include "link/uv_worker.h"
#include "protocol/limits.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct end {
	struct uv_conn *conn; /* NULL before it is open and after it is closed */
	bool ready, closed;
	struct err why; /* ERR_NONE: closed well */
	size_t segments;
	size_t room_calls;
};

struct world {
	uv_loop_t loop;
	uv_tcp_t listener;
	struct address address;
	struct key_pair client_key, server_key;
	struct uv_reach *reach;
	struct end client, server;
	bool greet;	 /* the server sends WELCOME when it is ready */
	unsigned refuse; /* so many connections first */
	struct err err;
};

static void make_key(struct key_pair *k)
{
	crypto_box_keypair(k->public_key, k->secret_key);
}

static bool find(void *ctx, const uint8_t public_key[KEY_LEN], const uint8_t token_id[16],
	struct session_peer *ret)
{
	struct world *w = ctx;

	if (token_id || memcmp(public_key, w->client_key.public_key, KEY_LEN) != 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "client");
	return true;
}

static void send_to(struct uv_conn *c, const struct message *m)
{
	struct err err;

	assert_ok(uv_conn_send(c, m, &err), &err);
}

/* --- the server's end --- */

static void server_ready(void *ctx)
{
	struct world *w = ctx;
	struct message m = { .type = MSG_WELCOME };

	w->server.ready = true;
	if (w->greet)
		send_to(w->server.conn, &m);
}

static int server_message(void *ctx, const struct message *m, struct err *err)
{
	struct world *w = ctx;

	(void)err;
	w->server.segments += m->type == MSG_SEGMENT;
	return 0;
}

static void end_closed(struct end *e, const struct err *err)
{
	assert_false(e->closed);
	e->closed = true;
	e->conn = NULL;
	if (err)
		e->why = *err;
}

static void server_closed(void *ctx, const struct err *err)
{
	struct world *w = ctx;

	end_closed(&w->server, err);
}

static void on_connection(uv_stream_t *listener, int status)
{
	static const struct uv_conn_ops ops = {
		.ready = server_ready, .message = server_message, .closed = server_closed
	};
	struct world *w = listener->data;
	struct session_config config = { .own = &w->server_key, .find = find, .find_ctx = w };
	struct sockaddr_storage peer;

	assert_int_equal(status, 0);
	if (w->refuse > 0) {
		w->refuse--;
		uv_refuse(listener);
		return;
	}
	assert_ok(uv_conn_accept(listener, &config, &ops, w, &w->server.conn, &peer, &w->err),
		&w->err);
	uv_close((uv_handle_t *)&w->listener, NULL);
}

/* --- the client's end --- */

static int client_message(void *ctx, const struct message *m, struct err *err)
{
	struct world *w = ctx;

	(void)err;
	assert_int_equal(m->type, MSG_WELCOME);
	w->client.ready = true;
	w->client.conn = uv_reach_conn(w->reach);
	return 0;
}

static void client_room(void *ctx)
{
	struct world *w = ctx;

	w->client.room_calls++;
}

static void client_closed(void *ctx, const struct err *err)
{
	struct world *w = ctx;

	w->reach = NULL;
	end_closed(&w->client, err);
}

static void dial(struct world *w)
{
	static const struct uv_conn_ops ops = {
		.message = client_message, .room = client_room, .closed = client_closed
	};
	struct session_config config = { .initiator = true, .own = &w->client_key };

	memcpy(config.peer_public_key, w->server_key.public_key, KEY_LEN);
	assert_ok(uv_reach_start(&w->loop, &w->address, &config, &ops, w, &w->reach, &w->err),
		&w->err);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sockaddr_in any;
	int len = sizeof(any);

	assert_true(sodium_init() >= 0);
	make_key(&w->client_key);
	make_key(&w->server_key);
	w->greet = true;
	uv_loop_init(&w->loop);
	uv_tcp_init(&w->loop, &w->listener);
	w->listener.data = w;
	uv_ip4_addr("127.0.0.1", 0, &any);
	uv_tcp_bind(&w->listener, (struct sockaddr *)&any, 0);
	assert_int_equal(uv_listen((uv_stream_t *)&w->listener, 8, on_connection), 0);
	uv_tcp_getsockname(&w->listener, (struct sockaddr *)&any, &len);
	snprintf(w->address.host, sizeof(w->address.host), "127.0.0.1");
	w->address.port = ntohs(any.sin_port);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

/* Turns the loop until it holds, for five seconds at most. */
#define run_until(w, condition)                                                                    \
	do {                                                                                       \
		uint64_t deadline = uv_hrtime() + UINT64_C(5000000000);                            \
		while (!(condition) && uv_hrtime() < deadline)                                     \
			uv_run(&(w)->loop, UV_RUN_NOWAIT);                                         \
		assert_true(condition);                                                            \
	} while (0)

static void meet(struct world *w)
{
	dial(w);
	run_until(w, w->client.ready && w->server.ready);
}

/* --- the tests --- */

static void a_goodbye_is_answered_and_both_ends_close_well(void **state)
{
	struct world *w = *state;

	meet(w);
	uv_conn_finish(w->client.conn);
	run_until(w, w->client.closed && w->server.closed);
	assert_int_equal(w->client.why.code, ERR_NONE);
	assert_int_equal(w->server.why.code, ERR_NONE);
}

static void a_peer_that_vanishes_is_an_error(void **state)
{
	struct world *w = *state;

	meet(w);
	uv_conn_close(w->server.conn, NULL);
	run_until(w, w->client.closed);
	assert_int_equal(w->client.why.code, ERR_UNREACHABLE);
}

static void a_reader_that_pauses_slows_its_peer_and_loses_nothing(void **state)
{
	struct world *w = *state;
	static uint8_t record[SEGMENT_RAW_MAX];
	struct message m = { .type = MSG_SEGMENT };
	size_t sent = 0;

	meet(w);
	uv_conn_pause(w->server.conn);
	m.segment.record = (wire_bytes){ .p = record, .n = sizeof(record) };
	for (int turns = 0; turns < 2000; turns++) {
		if (uv_conn_room(w->client.conn) > sizeof(record) + 64) {
			send_to(w->client.conn, &m);
			sent++;
		}
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(w->server.segments, 0);
	assert_in_range(sent, 3, 40); /* what the sessions and the kernel hold */
	uv_conn_resume(w->server.conn);
	run_until(w, w->server.segments == sent);
	assert_true(w->client.room_calls > 0);
	uv_conn_finish(w->client.conn);
	run_until(w, w->client.closed && w->server.closed);
	assert_int_equal(w->server.why.code, ERR_NONE);
}

static void the_first_reason_to_close_is_the_one_that_is_told(void **state)
{
	struct world *w = *state;
	struct err first, second;

	meet(w);
	err_set(&first, ERR_LIMIT, "first");
	err_set(&second, ERR_FAILED, "second");
	uv_conn_close(w->client.conn, &first);
	uv_conn_close(w->client.conn, &second);
	run_until(w, w->client.closed && w->server.closed);
	assert_int_equal(w->client.why.code, ERR_LIMIT);
}

static void another_key_than_the_receivers_gets_no_session(void **state)
{
	struct world *w = *state;
	struct key_pair right = w->server_key;

	make_key(&w->server_key); /* the one that the client will ask for */
	dial(w);
	w->server_key = right;
	run_until(w, w->client.closed);
	assert_false(w->client.ready);
	assert_int_not_equal(w->client.why.code, ERR_NONE);
}

static void an_unknown_client_is_refused(void **state)
{
	struct world *w = *state;
	struct key_pair known = w->client_key;

	make_key(&w->client_key);
	dial(w);
	run_until(w, w->server.conn != NULL);
	w->client_key = known;
	run_until(w, w->client.closed && w->server.closed);
	assert_int_equal(w->client.why.code, ERR_REFUSED);
	assert_false(w->server.ready);
}

static void an_address_where_nobody_listens_is_unreachable(void **state)
{
	struct world *w = *state;

	uv_close((uv_handle_t *)&w->listener, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	dial(w);
	run_until(w, w->client.closed);
	assert_int_equal(w->client.why.code, ERR_UNREACHABLE);
}

static void a_connection_that_is_turned_away_keeps_no_other_out(void **state)
{
	struct world *w = *state;

	w->refuse = 2;
	for (int i = 0; i < 2; i++) {
		w->client = (struct end){ 0 };
		dial(w);
		run_until(w, w->client.closed);
		assert_int_equal(w->client.why.code, ERR_UNREACHABLE);
	}
	w->client = (struct end){ 0 };
	meet(w);
	uv_conn_finish(w->client.conn);
	run_until(w, w->client.closed && w->server.closed);
}

static void a_dial_can_be_given_up(void **state)
{
	struct world *w = *state;
	struct err why;

	err_set(&why, ERR_INTERRUPTED, "enough");
	dial(w);
	uv_reach_close(w->reach, &why);
	run_until(w, w->client.closed);
	assert_int_equal(w->client.why.code, ERR_INTERRUPTED);
	uv_close((uv_handle_t *)&w->listener, NULL);
}

/* --- workers --- */

struct step {
	struct uv_task task;
	int number, *ran, *done;
};

static void run_step(struct uv_task *t)
{
	struct step *s = CONTAINER_OF(t, struct step, task);

	assert_int_equal(*s->ran, s->number);
	(*s->ran)++;
}

static void step_done(struct uv_task *t)
{
	struct step *s = CONTAINER_OF(t, struct step, task);

	assert_int_equal(*s->done, s->number);
	(*s->done)++;
}

static void a_worker_runs_its_tasks_in_order_and_all_before_it_stops(void **state)
{
	struct world *w = *state;
	struct step steps[100];
	struct uv_worker *worker;
	int ran = 0, done = 0;

	uv_close((uv_handle_t *)&w->listener, NULL);
	assert_ok(uv_worker_start(&w->loop, "test", &worker, &w->err), &w->err);
	for (int i = 0; i < 100; i++) {
		steps[i] = (struct step){ .number = i, .ran = &ran, .done = &done };
		steps[i].task = (struct uv_task){ .run = run_step, .done = step_done };
		uv_worker_post(worker, &steps[i].task);
	}
	uv_worker_stop(worker, NULL, NULL);
	assert_int_equal(ran, 100);
	assert_int_equal(done, 100);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(a_goodbye_is_answered_and_both_ends_close_well),
	CASE(a_peer_that_vanishes_is_an_error),
	CASE(a_reader_that_pauses_slows_its_peer_and_loses_nothing),
	CASE(the_first_reason_to_close_is_the_one_that_is_told),
	CASE(another_key_than_the_receivers_gets_no_session), CASE(an_unknown_client_is_refused),
	CASE(an_address_where_nobody_listens_is_unreachable),
	CASE(a_connection_that_is_turned_away_keeps_no_other_out), CASE(a_dial_can_be_given_up),
	CASE(a_worker_runs_its_tasks_in_order_and_all_before_it_stops))
