/*
 * Owns the further connections and the segments that are on their way. Happy path: the lanes that a
 * long link wants are dialled while lane 0 shakes hands, and take segments right behind their own
 * handshakes; the plan is shown what the kernel says and asks for more lanes, or does not. Failure
 * modes: a lane that cannot be opened or dies is tried once more and then done without, and what it
 * had goes over another one. Only lane 0's end, which is its owner's business, ends the session.
 */
#include "client/push/uv_lanes_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG_ALONE (1u << 20)   /* bytes that wait in the process, for a lane that is alone… */
#define BACKLOG_SHARED (64u << 10) /* …and one of several */
#define BBR_FROM_US 10000u	   /* round trip from which bbr is asked for */

/* --- the end --- */

void lanes_one_less(struct lanes *l)
{
	if (--l->open > 0)
		return;
	uv_rate_close(l->rate);
	flight_done(&l->flight);
	l->closed(l->closed_ctx);
	sodium_free(l->session);
	free(l);
}

static void on_timer_closed(uv_handle_t *handle)
{
	lanes_one_less(handle->data);
}

void lanes_close(struct lanes *l, void (*closed)(void *ctx), void *ctx)
{
	l->closing = true;
	l->closed = closed;
	l->closed_ctx = ctx;
	for (unsigned i = 1; i < LANES_MAX; i++) {
		if (l->lanes[i].reach)
			uv_reach_close(l->lanes[i].reach, NULL);
	}
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

void lanes_finish(struct lanes *l)
{
	l->finishing = true;
	uv_timer_stop(&l->timer);
	for (unsigned i = 1; i < LANES_MAX; i++) {
		if (l->lanes[i].ready)
			uv_conn_leave(uv_reach_conn(l->lanes[i].reach));
		else if (l->lanes[i].reach)
			uv_reach_close(l->lanes[i].reach, NULL);
	}
}

/* --- segments --- */

static bool is_free(const struct uv_conn *conn, size_t backlog_max)
{
	return uv_conn_room(conn) > SEGMENT_MESSAGE_MAX && uv_conn_backlog(conn) <= backlog_max;
}

/* A lane that takes a segment now; LANES_MAX: none. Questions go over lane 0: it comes last. */
static unsigned free_lane(struct lanes *l)
{
	unsigned others = 0;

	for (unsigned k = 0; k < LANES_MAX - 1; k++) {
		unsigned i = 1 + (l->next + k) % (LANES_MAX - 1);

		if (!l->lanes[i].ready)
			continue;
		others++;
		if (is_free(uv_reach_conn(l->lanes[i].reach), BACKLOG_SHARED)) {
			l->next = i; /* the one behind it is next */
			return i;
		}
	}
	return is_free(l->main, others ? 0 : BACKLOG_ALONE) ? 0 : LANES_MAX;
}

static int send_over(
	struct lanes *l, unsigned lane, uint64_t number, const struct buf *record, struct err *err)
{
	struct message m = { .type = MSG_SEGMENT, .segment = { .number = number } };

	m.segment.record = (wire_bytes){ .p = buf_bytes(record), .n = (uint32_t)buf_len(record) };
	return uv_conn_send(lane ? uv_reach_conn(l->lanes[lane].reach) : l->main, &m, err);
}

void lanes_send_lost(struct lanes *l)
{
	struct flight_segment *s;
	struct err err;
	unsigned lane;

	while ((s = flight_first_lost(&l->flight)) && (lane = free_lane(l)) != LANES_MAX) {
		flight_sent_again(&l->flight, s, (uint16_t)lane);
		if (send_over(l, lane, s->number, &s->packed->record, &err) != 0)
			return; /* that lane is closing, too, and loses it again */
	}
}

bool lanes_takes(struct lanes *l, size_t len)
{
	bool takes;

	lanes_send_lost(l);
	takes = l->flight.lost == 0 && flight_takes(&l->flight, len) && free_lane(l) != LANES_MAX;
	if (takes && l->blocked_since) {
		l->blocked_ms += uv_now(l->loop) - l->blocked_since;
		l->blocked_since = 0;
	} else if (!takes && !l->blocked_since) {
		l->blocked_since = uv_now(l->loop);
	}
	return takes;
}

static void begin(struct lanes *l)
{
	l->started = true;
	lanes_open_wanted(l);
	uv_timer_start(&l->timer, lanes_look, LANES_LOOK_MS, LANES_LOOK_MS);
}

int lanes_send(struct lanes *l, struct packed *packed, struct err *err)
{
	unsigned lane = free_lane(l);
	size_t len = buf_len(&packed->record);
	int r;

	if (!l->started)
		begin(l);
	r = send_over(l, lane, l->flight.number + 1, &packed->record, err);
	/* With lane 0 the session ends: what went over it is not kept. */
	if (lane == 0) {
		packed_free(packed);
		packed = NULL;
	}
	if (r != 0 && lane == 0)
		return -1;
	if (flight_add(&l->flight, len, (uint16_t)lane, packed, err) != 0)
		return -1;
	if (r != 0)
		flight_lane_died(&l->flight, (uint16_t)lane);
	return 0;
}

int lanes_acked(struct lanes *l, uint64_t number, bool *ret_moved, struct err *err)
{
	size_t before = l->flight.bytes;

	if (flight_acked(&l->flight, number, err) != 0)
		return -1;
	*ret_moved = l->flight.bytes < before;
	return 0;
}

/* --- asking --- */

uint64_t lanes_last(const struct lanes *l)
{
	return l->flight.number;
}

bool lanes_far(const struct lanes *l)
{
	return l->plan.rtt_us >= LANE_PLAN_FAR_US;
}

size_t lanes_segment_size(const struct lanes *l)
{
	return lane_plan_segment(&l->plan, lanes_carrying(l));
}

uint64_t lanes_blocked_ms(const struct lanes *l)
{
	return l->blocked_ms + (l->blocked_since ? uv_now(l->loop) - l->blocked_since : 0);
}

uint64_t lanes_bytes_out(const struct lanes *l)
{
	uint64_t n = l->bytes_out;

	for (unsigned i = 1; i < LANES_MAX; i++) {
		if (l->lanes[i].reach && uv_reach_conn(l->lanes[i].reach))
			n += session_bytes_out(uv_conn_session(uv_reach_conn(l->lanes[i].reach)));
	}
	return n;
}

/* --- the beginning --- */

/* What the user asked for must be had; what is only better than nothing need not. */
static int choose_congestion(struct lanes *l, struct err *err)
{
	const char *asked = l->options->congestion;
	struct err none;

	if (asked && strcmp(asked, LANES_CONGESTION_SYSTEM) == 0)
		return 0;
	if (!asked && l->plan.rtt_us < BBR_FROM_US)
		return 0;
	l->congestion = asked ? asked : LANES_BBR;
	if (tcp_path_congestion(uv_conn_fd(l->main), l->congestion, asked ? err : &none) == 0)
		return 0;
	l->congestion = NULL;
	if (!asked)
		return 0;
	err->code = ERR_USAGE;
	return err_wrap(err, "--congestion %s", asked);
}

int lanes_open(const struct lanes_config *config, const struct lanes_ops *ops, void *ctx,
	struct lanes **ret, struct err *err)
{
	struct lanes *l = calloc(1, sizeof(*l));
	struct tcp_path path;

	if (l)
		l->session = sodium_malloc(sizeof(*l->session));
	if (!l || !l->session) {
		free(l);
		return err_nomem(err);
	}
	l->loop = config->loop;
	l->main = config->conn;
	l->address = config->address;
	l->options = config->options;
	*l->session = *config->session;
	l->session->lane_later = true;
	l->ops = *ops;
	l->ctx = ctx;
	flight_init(&l->flight);
	for (unsigned i = 0; i < LANES_MAX; i++)
		l->lanes[i].owner = l;
	(void)tcp_path_look(uv_conn_fd(l->main), &path);
	lane_plan_start(&l->plan, l->options->lanes, LANES_MAX, path.rtt_us);
	if (choose_congestion(l, err) != 0 ||
		(l->options->limit_rate &&
			uv_rate_new(l->loop, l->options->limit_rate, &l->rate, err) != 0)) {
		sodium_free(l->session);
		free(l);
		return -1;
	}
	lanes_set_up(l, l->main);
	uv_timer_init(l->loop, &l->timer);
	l->timer.data = l;
	l->open = 1;
	if (l->plan.wanted > 1)
		lanes_open_wanted(l);
	*ret = l;
	return 0;
}

void lanes_join(struct lanes *l)
{
	struct session *s = uv_conn_session(l->main);
	struct lane_key *key = &l->session->lane;

	memcpy(key->session, session_id(s), LANE_ID_LEN);
	memcpy(key->secret, session_lane_secret(s), LANE_SECRET_LEN);
	l->session->lane_later = false;
	for (unsigned i = 1; i < LANES_MAX; i++) {
		key->number = (uint16_t)i;
		if (l->lanes[i].reach)
			uv_reach_join(l->lanes[i].reach, key);
	}
}

void lanes_welcome(struct lanes *l, const struct msg_welcome *welcome)
{
	lane_plan_limit(&l->plan, (unsigned)min_size(welcome->max_lanes, LANES_MAX));
}
