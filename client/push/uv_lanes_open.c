/*
 * The further connections of a session: how each comes and goes, and how many there are. Failure
 * modes: one that cannot be opened, is not greeted or dies is tried once more, and its segments are
 * for another one to carry.
 */
#include "client/push/uv_lanes_impl.h"

#include "common/base/log.h"

#include <string.h>

#define LANE_TRIES 2u		    /* for each lane that is wanted */
#define GREETING_MS 5000u	    /* for which a lane may carry without having been greeted */
#define KERNEL_BACKLOG (128u << 10) /* unsent bytes in the kernel, on a long link */

/* --- one lane --- */

static unsigned number_of(const struct lane *lane)
{
	return (unsigned)(lane - lane->owner->lanes);
}

void lanes_set_up(struct lanes *l, struct uv_conn *conn)
{
	struct err err;

	if (l->rate)
		uv_conn_limit(conn, l->rate);
	if (l->congestion && tcp_path_congestion(uv_conn_fd(conn), l->congestion, &err) != 0)
		log_debug("%s: %s", l->congestion, err.text);
	if (l->plan.rtt_us >= LANE_PLAN_FAR_US)
		tcp_path_keep_short(uv_conn_fd(conn), KERNEL_BACKLOG);
}

/* The target has proved its key; that it takes the lane is said later. */
static void on_ready(void *ctx)
{
	struct lane *lane = ctx;

	if (lane->owner->closing || lane->owner->finishing)
		return;
	lane->ready = true;
	lane->ready_at = uv_now(lane->owner->loop);
	lanes_set_up(lane->owner, uv_reach_conn(lane->reach));
	lane->owner->ops.room(lane->owner->ctx);
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct lane *lane = ctx;

	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "the target", err);
	if (m->type != MSG_WELCOME)
		return err_set(err, ERR_PROTOCOL, "%s on a lane", message_name(m->type));
	lane->greeted = true;
	return 0;
}

static void on_room(void *ctx)
{
	struct lane *lane = ctx;

	if (!lane->owner->closing)
		lane->owner->ops.room(lane->owner->ctx);
}

static void on_closed(void *ctx, const struct err *err)
{
	struct lane *lane = ctx;
	struct lanes *l = lane->owner;
	struct uv_conn *conn = uv_reach_conn(lane->reach);

	if (conn)
		l->bytes_out += session_bytes_out(uv_conn_session(conn));
	if (err && !l->finishing && !l->closing)
		log_debug("lane %u: %s", number_of(lane), err->text);
	lane->reach = NULL;
	lane->ready = lane->greeted = false;
	flight_lane_died(&l->flight, (uint16_t)number_of(lane));
	if (!l->closing)
		l->ops.room(l->ctx);
	lanes_one_less(l);
}

static void open_lane(struct lanes *l, unsigned number)
{
	static const struct uv_conn_ops ops = {
		.ready = on_ready, .message = on_message, .room = on_room, .closed = on_closed
	};
	struct lane *lane = &l->lanes[number];
	struct err err;

	l->tries++;
	l->session->lane.number = (uint16_t)number;
	if (uv_reach_start(l->loop, l->address, l->session, &ops, lane, &lane->reach, &err) == 0)
		l->open++;
	else
		log_debug("lane %u: %s", number, err.text);
}

/* --- how many --- */

unsigned lanes_carrying(const struct lanes *l)
{
	unsigned n = 1;

	for (unsigned i = 1; i < LANES_MAX; i++)
		n += l->lanes[i].ready;
	return n;
}

void lanes_open_wanted(struct lanes *l)
{
	unsigned n = 1;

	for (unsigned i = 1; i < LANES_MAX; i++)
		n += l->lanes[i].reach != NULL;
	for (unsigned i = 1; i < LANES_MAX && n < l->plan.wanted; i++) {
		if (l->lanes[i].reach || l->tries >= LANE_TRIES * (l->plan.wanted - 1))
			continue;
		open_lane(l, i);
		n++;
	}
}

static void add_path(struct lane_sample *s, const struct uv_conn *conn)
{
	struct tcp_path path;

	if (!tcp_path_look(uv_conn_fd(conn), &path))
		return;
	s->acked_bytes += path.acked_bytes;
	s->retransmitted += path.retransmitted;
}

/* What went over a lane that nobody answers on is to go over another one soon. */
static void drop_ungreeted(struct lanes *l)
{
	struct err err;

	err_set(&err, ERR_UNREACHABLE, "not greeted in %u s", GREETING_MS / 1000);
	for (unsigned i = 1; i < LANES_MAX; i++) {
		struct lane *lane = &l->lanes[i];

		if (lane->ready && !lane->greeted &&
			uv_now(l->loop) - lane->ready_at >= GREETING_MS)
			uv_reach_close(lane->reach, &err);
	}
}

void lanes_look(uv_timer_t *timer)
{
	struct lanes *l = timer->data;
	struct lane_sample s = { .now_ms = uv_now(l->loop),
		.blocked_ms = lanes_blocked_ms(l),
		.open = lanes_carrying(l),
		.own_congestion = l->congestion && strcmp(l->congestion, LANES_BBR) == 0 };
	unsigned wanted = l->plan.wanted;

	drop_ungreeted(l);
	add_path(&s, l->main);
	for (unsigned i = 1; i < LANES_MAX; i++) {
		if (l->lanes[i].ready)
			add_path(&s, uv_reach_conn(l->lanes[i].reach));
	}
	lane_plan_look(&l->plan, &s);
	if (l->plan.wanted > wanted)
		log_debug("%u lanes instead of %u", l->plan.wanted, wanted);
	lanes_open_wanted(l);
}
