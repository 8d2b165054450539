/* What uv_lanes.c (the whole, segments) and uv_lanes_open.c (the further connections) share. */
#pragma once

#include "client/push/lane_plan.h"
#include "client/push/uv_lanes.h"
#include "link/uv_reach.h"
#include "protocol/limits.h"

#define LANES_LOOK_MS 100u
#define LANES_BBR "bbr"

struct lane {
	struct lanes *owner;
	struct uv_reach *reach; /* NULL: not open */
	bool ready;		/* takes segments */
	bool greeted;
	uint64_t ready_at;
};

struct lanes {
	uv_loop_t *loop;
	struct uv_conn *main;
	const struct address *address;
	const struct lanes_options *options;
	struct session_config *session; /* of every lane but for its number */
	struct lanes_ops ops;
	void *ctx;
	uv_timer_t timer;
	struct uv_rate *rate;
	const char *congestion; /* asked for on every lane; NULL: none */
	struct lane_plan plan;
	struct lane lanes[LANES_MAX]; /* 0 is not used */
	unsigned tries;		      /* to open one */
	unsigned next;		      /* whose turn it is */
	struct flight flight;
	uint64_t bytes_out; /* of lanes that are gone */
	uint64_t blocked_ms, blocked_since;
	unsigned open; /* handles and connections; the lanes are freed at 0 */
	bool started, finishing, closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* What the kernel is told of a connection before it carries anything. */
void lanes_set_up(struct lanes *l, struct uv_conn *conn);

/* Opens as many lanes as are wanted and not open. */
void lanes_open_wanted(struct lanes *l);

/* Lanes that carry now, lane 0 included. */
unsigned lanes_carrying(const struct lanes *l);

/* The timer: looks at the link, and opens lanes or gives some up. */
void lanes_look(uv_timer_t *timer);

/* A handle or connection is gone. The lanes may be, too. */
void lanes_one_less(struct lanes *l);
