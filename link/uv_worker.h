/*
 * A thread that runs tasks one after the other, and tells the loop when each is done. dray's own
 * threads: nothing runs on libuv's shared pool. Posting is thread safe; the queue is not
 * bounded here, because every user bounds what it has under way (segments by bytes, questions by
 * number) before it posts.
 */
#pragma once

#include "common/base/err.h"

#include <uv.h>

struct uv_worker;

/* Embedded in what the task is about; owned by the poster, who may free it in `done` (or at the end
 * of `run` when there is no `done`). */
struct uv_task {
	void (*run)(struct uv_task *t);	 /* on the worker's thread */
	void (*done)(struct uv_task *t); /* on the loop's thread; NULL: not wanted */
	struct uv_task *next;
};

/* `name` is the thread's (at most 15 characters). */
int uv_worker_start(
	uv_loop_t *loop, const char *name, struct uv_worker **ret, struct err *err) MUST_CHECK;

/* Any thread. Tasks posted after uv_worker_stop are a bug. */
void uv_worker_post(struct uv_worker *w, struct uv_task *t);

/* Loop's thread: runs what is queued, joins the thread, delivers the last `done`s, closes. `closed`
 * (may be NULL) fires from the loop afterwards; the worker is then gone. */
void uv_worker_stop(struct uv_worker *w, void (*closed)(void *ctx), void *ctx);
