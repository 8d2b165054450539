/* What uv_conn.c (life of a connection) and uv_conn_open.c (how it begins) share. */
#pragma once

#include "link/uv_conn.h"

#define READ_CHUNK (256u << 10)
#define OUT_CHUNK (256u << 10)

struct uv_conn {
	uv_tcp_t tcp;
	uv_timer_t timer;
	uv_write_t write;
	struct session *session;
	struct session_config config;
	struct uv_conn_ops ops;
	void *ctx;
	struct err why;
	uint8_t *in;	       /* READ_CHUNK bytes */
	uint8_t *out;	       /* OUT_CHUNK bytes, in the kernel's hands while `writing` */
	size_t in_at, in_left; /* what the session has not taken yet */
	unsigned handles;      /* open ones; free at 0 */
	uint64_t goodbye_at;   /* 0: not finishing */
	bool connected, reading, writing, paused, told_ready, closing;
	bool leaving;  /* when all is written, nothing is waited for */
	bool deaf;     /* the peer takes no more bytes */
	bool resuming; /* messages that waited are delivered from the timer, never inside resume */
	bool room_grew, in_room;
	struct uv_rate *rate; /* NULL: no limit */
	struct uv_rate_waiter waiter;
	char where[300]; /* "host:port", for messages */
};

/* Writes what is there, starts or stops reading, arms the timer: after everything that changed. */
void uv_conn_pump(struct uv_conn *c);
