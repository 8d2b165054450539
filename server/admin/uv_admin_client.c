/*
 * One client of the admin socket. Happy path: connection -> request -> turns of the command (its
 * steps on the store's thread, one at a time, each only when the replies of the one before were
 * taken) -> "done" -> closed. Failure modes: somebody else's process, one client too many, a
 * request that is none, too long or too slow: told and closed; a client that takes nothing, or goes
 * away: its command is given up, which the store's thread has to hear of before the client is
 * freed.
 */
#include "server/admin/uv_admin_impl.h"

#include "common/base/log.h"
#include "common/base/secret_file.h"
#include "link/uv_refuse.h"

#include <stdlib.h>
#include <string.h>

static void advance(struct admin_client *cl);

/* --- the end --- */

static void maybe_free(struct admin_client *cl)
{
	struct uv_admin *a = cl->admin;

	if (cl->open > 0 || cl->call)
		return;
	*cl->link = cl->next;
	if (cl->next)
		cl->next->link = cl->link;
	a->n_clients--;
	secret_file_wipe(&cl->out);
	buf_done(&cl->in);
	free(cl);
	admin_maybe_closed(a);
}

static void on_closed(uv_handle_t *handle)
{
	struct admin_client *cl = handle->data;

	cl->open--;
	maybe_free(cl);
}

/* Its command gets no further than it must to let go of what it holds. While the store's thread has
 * it, or a write is under way (which the closing ends), that has to wait. */
static void give_up(struct admin_client *cl)
{
	if (!cl->call || cl->stepping || cl->writing)
		return;
	admin_give_up(cl->call);
	advance(cl);
}

static void close_client(struct admin_client *cl)
{
	if (cl->closing)
		return;
	cl->closing = true;
	uv_close((uv_handle_t *)&cl->pipe, on_closed);
	uv_close((uv_handle_t *)&cl->timer, on_closed);
	give_up(cl);
}

static void on_late(uv_timer_t *timer)
{
	struct admin_client *cl = timer->data;

	log_info("an admin command of user %u is given up: it %s", cl->uid,
		cl->asked ? "takes no replies" : "sent no request");
	close_client(cl);
}

/* --- writing --- */

static void on_written(uv_write_t *write, int status)
{
	struct admin_client *cl = write->data;

	cl->writing = false;
	secret_file_wipe(&cl->out);
	if (cl->closing) {
		give_up(cl);
		return;
	}
	if (status < 0 || cl->last) {
		close_client(cl);
		return;
	}
	uv_timer_stop(&cl->timer);
	advance(cl);
}

/* Sends what is in `from`, which is empty afterwards. */
static void send_all(struct admin_client *cl, struct buf *from)
{
	uv_buf_t bytes;

	cl->out = *from;
	buf_init(from, from->max);
	bytes = uv_buf_init((char *)buf_bytes(&cl->out), (unsigned)buf_len(&cl->out));
	cl->write.data = cl;
	cl->writing = true;
	uv_timer_start(&cl->timer, on_late, cl->admin->stall_ms, 0);
	if (uv_write(&cl->write, (uv_stream_t *)&cl->pipe, &bytes, 1, on_written) == 0)
		return;
	cl->writing = false;
	secret_file_wipe(&cl->out);
	close_client(cl);
}

/* The only reply: why there is no more. */
static void refuse(struct admin_client *cl, const struct err *why)
{
	struct buf b;

	buf_init(&b, ADMIN_REPLY_MAX);
	admin_put_done(&b, why);
	cl->asked = cl->last = true;
	uv_read_stop((uv_stream_t *)&cl->pipe);
	if (buf_ok(&b))
		send_all(cl, &b);
	else
		close_client(cl);
	buf_done(&b);
}

/* --- the command --- */

static struct admin_client *client_of(struct depot_call *step)
{
	return CONTAINER_OF(step, struct admin_client, step);
}

static int run_step(struct depot_call *step, struct store *s, struct err *err)
{
	(void)err;
	admin_step(client_of(step)->call, s);
	return 0;
}

static void on_stepped(struct depot_call *step)
{
	struct admin_client *cl = client_of(step);

	cl->stepping = false;
	if (step->result != 0)
		admin_not_open(cl->call, &step->err);
	if (cl->closing)
		give_up(cl);
	else
		advance(cl);
}

/* False: there is no memory to do it, which the call was told. */
static bool post_step(struct admin_client *cl, const char *name)
{
	struct depot_domain *domain = depot_domain(cl->admin->server->depot, name);
	struct err err;

	if (!domain) {
		err_nomem(&err);
		admin_not_open(cl->call, &err);
		return false;
	}
	cl->step = (struct depot_call){ .run = run_step, .done = on_stepped };
	cl->stepping = true;
	depot_post(domain, &cl->step);
	return true;
}

/* Somebody else's command that must be over before this one begins. */
static bool has_to_wait(const struct admin_client *cl)
{
	if (cl->begun || !admin_is_alone(cl->call))
		return false;
	for (const struct admin_client *other = cl->admin->clients; other; other = other->next) {
		if (other->begun && other->call && admin_is_alone(other->call))
			return true;
	}
	return false;
}

/* Those that waited; a closing client's call is over soon anyway. */
static void wake_waiting(struct uv_admin *a)
{
	for (struct admin_client *cl = a->clients, *next; cl; cl = next) {
		next = cl->next;
		if (cl->call && !cl->begun && !cl->closing && !cl->writing && !has_to_wait(cl)) {
			advance(cl);
			return;
		}
	}
}

static void end_call(struct admin_client *cl)
{
	bool alone = admin_is_alone(cl->call);

	if (admin_changes(cl->call))
		log_debug("user %u's command: %s", cl->uid,
			err_code_name(admin_result(cl->call)->code));
	admin_free(cl->call);
	cl->call = NULL;
	if (alone && !cl->admin->closing)
		wake_waiting(cl->admin);
}

/* The last replies outlive the call. */
static void end_with(struct admin_client *cl)
{
	struct buf *replies = admin_replies(cl->call), last = *replies;

	buf_init(replies, ADMIN_REPLY_MAX);
	cl->last = true;
	end_call(cl);
	if (!cl->closing) {
		send_all(cl, &last);
		return;
	}
	secret_file_wipe(&last);
	maybe_free(cl);
}

/* Replies first, then the next turn: what is under way for a client is one step and its replies. */
static void advance(struct admin_client *cl)
{
	const char *domain;

	do {
		if (!cl->call || cl->stepping || cl->writing)
			return;
		if (buf_len(admin_replies(cl->call)) > 0 && !cl->closing) {
			send_all(cl, admin_replies(cl->call));
			return;
		}
		if (!cl->closing && has_to_wait(cl))
			return;
		cl->begun = true;
		domain = admin_turn(cl->call);
		if (!domain) {
			end_with(cl);
			return;
		}
	} while (!post_step(cl, domain));
}

/* --- the request --- */

static void begin(struct admin_client *cl, json_t *request)
{
	const char *command = NULL;
	json_t *parameters = NULL;
	struct err err;

	if (json_unpack(request, "{s:s, s?o !}", "command", &command, "parameters", &parameters) !=
		0) {
		err_set(&err, ERR_USAGE, "this is no request to drayd");
		refuse(cl, &err);
		return;
	}
	/* They were opened after the socket was made. */
	cl->admin->env.keyring = cl->admin->server->keyring;
	cl->admin->env.limits = depot_limits(cl->admin->server->depot);
	if (admin_begin(&cl->admin->env, command, parameters, &cl->call, &err) != 0) {
		refuse(cl, &err);
		return;
	}
	if (admin_changes(cl->call))
		log_info("%s, asked for by user %u", command, cl->uid);
	if (has_to_wait(cl))
		admin_put_line(admin_replies(cl->call), "note",
			"another one is under way; this one begins when it is over");
	advance(cl);
}

static void take_request(struct admin_client *cl, size_t n)
{
	json_t *request = json_loadb(
		(const char *)buf_bytes(&cl->in), n, JSON_REJECT_DUPLICATES, NULL);

	cl->asked = true;
	uv_timer_stop(&cl->timer);
	begin(cl, request);
	json_decref(request);
}

static void on_bytes(struct admin_client *cl, const uint8_t *bytes, size_t n)
{
	const uint8_t *newline = memchr(bytes, '\n', n);
	size_t line = newline ? (size_t)(newline - bytes) : n;
	struct err err;

	buf_append(&cl->in, bytes, line);
	if (!buf_ok(&cl->in)) {
		err_set(&err, ERR_LIMIT, "the request is longer than %u bytes", ADMIN_REQUEST_MAX);
		refuse(cl, &err);
	} else if (newline && line + 1 < n) {
		err_set(&err, ERR_PROTOCOL, "one request, and nothing behind it");
		refuse(cl, &err);
	} else if (newline) {
		take_request(cl, buf_len(&cl->in));
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct admin_client *cl = stream->data;

	/* After its request a client has nothing more to say: it waits, or goes away. */
	if (n < 0 || (n > 0 && cl->asked))
		close_client(cl);
	else if (n > 0)
		on_bytes(cl, (const uint8_t *)room->base, (size_t)n);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct admin_client *cl = handle->data;

	(void)suggested;
	*ret = uv_buf_init((char *)cl->admin->chunk, sizeof(cl->admin->chunk));
}

/* --- connections --- */

static struct admin_client *new_client(struct uv_admin *a)
{
	struct admin_client *cl = calloc(1, sizeof(*cl));

	if (!cl)
		return NULL;
	cl->admin = a;
	buf_init(&cl->in, ADMIN_REQUEST_MAX);
	buf_init(&cl->out, ADMIN_REPLY_MAX);
	uv_pipe_init(a->server->loop, &cl->pipe, 0);
	uv_timer_init(a->server->loop, &cl->timer);
	cl->pipe.data = cl->timer.data = cl;
	cl->open = 2;
	cl->next = a->clients;
	cl->link = &a->clients;
	if (cl->next)
		cl->next->link = &cl->next;
	a->clients = cl;
	a->n_clients++;
	return cl;
}

/* Only the first ones are heard, and only whoever might read the state's files anyway. */
static bool is_welcome(struct admin_client *cl, struct err *err)
{
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&cl->pipe, &fd) != 0 || !admin_socket_may(fd, &cl->uid)) {
		log_warn("an admin command of user %u was refused", cl->uid);
		err_set(err, ERR_REFUSED, "only root and the user that serves may do that");
		return false;
	}
	if (cl->admin->n_clients > ADMIN_CLIENTS_MAX) {
		err_set(err, ERR_AGAIN, "%u admin commands are under way already; try again",
			ADMIN_CLIENTS_MAX);
		return false;
	}
	return true;
}

void admin_client_accept(struct uv_admin *a)
{
	struct admin_client *cl = new_client(a);
	struct err err;

	if (!cl) {
		log_warn("cannot take an admin command: out of memory");
		uv_refuse((uv_stream_t *)&a->listener);
		return;
	}
	if (uv_accept((uv_stream_t *)&a->listener, (uv_stream_t *)&cl->pipe) != 0) {
		close_client(cl);
		return;
	}
	uv_timer_start(&cl->timer, on_late, a->request_ms, 0);
	if (!is_welcome(cl, &err))
		refuse(cl, &err);
	else if (uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read) != 0)
		close_client(cl);
}

/* --- stopping --- */

/* It is not the command's fault that it does not end. */
static void tell_stopping(struct admin_client *cl)
{
	CLEANUP(buf_done) struct buf b;
	struct err err;
	uv_buf_t bytes;

	if (cl->writing || cl->closing)
		return;
	err_set(&err, ERR_AGAIN, "drayd serve is stopping; run the command again");
	buf_init(&b, ADMIN_REPLY_MAX);
	admin_put_done(&b, &err);
	bytes = uv_buf_init((char *)buf_bytes(&b), (unsigned)buf_len(&b));
	(void)uv_try_write((uv_stream_t *)&cl->pipe, &bytes, 1);
}

void admin_client_stop(struct admin_client *cl)
{
	tell_stopping(cl);
	close_client(cl);
}
