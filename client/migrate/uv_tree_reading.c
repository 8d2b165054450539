/*
 * Owns the scan and its thread. Happy path: the thread scans -> batches wait in the queue, for room
 * in the window -> taken as loans, whose end gives the room back -> the thread ends -> the last
 * loan comes back -> all is freed: chunks that nobody read yet are read through the scan. Failure
 * mode: left early, which stops the thread.
 */
#include "client/migrate/uv_tree_reading.h"

#include "common/base/queue.h"
#include "link/uv_wake.h"
#include "link/uv_worker.h"

#include <stdlib.h>
#include <string.h>

struct tree_reading {
	struct uv_task task; /* first */
	struct tree_reading_ops ops;
	void *ctx;
	struct tree_scan *scan;
	struct window *window;
	struct queue *queue;
	struct uv_wake *wake;
	struct uv_worker *worker;
	atomic_bool stop;
	size_t loans;
	bool left, ended; /* ended: the thread has */
	int result;
	struct err err;
	struct tree_result told;
};

struct loan {
	struct batch view; /* first: its release finds the rest */
	struct batch *batch;
	struct tree_reading *reading;
};

/* --- the end --- */

static void drop_batch(void *item)
{
	batch_free(item);
}

static void maybe_free(struct tree_reading *r)
{
	if (!r->left || !r->ended || r->loans > 0)
		return;
	uv_wake_close(r->wake);
	queue_close(r->queue);
	queue_free(r->queue, drop_batch);
	tree_scan_free(r->scan);
	window_free(r->window);
	free(r);
}

static void loan_back(struct batch *view)
{
	struct loan *l = CONTAINER_OF(view, struct loan, view);
	struct tree_reading *r = l->reading;

	window_give(r->window, batch_weight(l->batch));
	batch_free(l->batch);
	free(l);
	r->loans--;
	maybe_free(r);
}

void tree_reading_leave(struct tree_reading *r)
{
	if (!r)
		return;
	r->left = true;
	atomic_store(&r->stop, true);
	window_close(r->window);
	queue_close(r->queue);
	maybe_free(r);
}

/* --- the thread --- */

static int on_batch(void *ctx, struct batch *b, struct err *err)
{
	struct tree_reading *r = ctx;

	if (window_take(r->window, batch_weight(b)) && queue_push(r->queue, b, 1))
		return 0;
	batch_free(b);
	return err_set(err, ERR_INTERRUPTED, "the reading was stopped");
}

static void run(struct uv_task *task)
{
	struct tree_reading *r = (struct tree_reading *)task;

	r->result = tree_scan_split(r->scan, on_batch, r, &r->told.digest, &r->told.size, &r->err);
	r->told.report = *tree_scan_report(r->scan);
}

static void on_stopped(void *ctx)
{
	struct tree_reading *r = ctx;

	r->ended = true;
	if (!r->left)
		r->ops.over(r->ctx, &r->told, r->result == 0 ? NULL : &r->err);
	maybe_free(r);
}

static void done(struct uv_task *task)
{
	struct tree_reading *r = (struct tree_reading *)task;

	uv_worker_stop(r->worker, on_stopped, r);
}

static void on_wake(void *ctx)
{
	struct tree_reading *r = ctx;

	if (!r->left)
		r->ops.batches(r->ctx);
}

/* --- taking --- */

int tree_reading_take(struct tree_reading *r, struct batch **ret, struct err *err)
{
	struct batch *b = queue_try_pop(r->queue);
	struct loan *l = b ? malloc(sizeof(*l)) : NULL;

	*ret = NULL;
	if (!b)
		return 0;
	if (!l) {
		window_give(r->window, batch_weight(b));
		batch_free(b);
		return err_nomem(err);
	}
	l->view = *b;
	l->view.release = loan_back;
	l->batch = b;
	l->reading = r;
	r->loans++;
	*ret = &l->view;
	return 0;
}

/* --- the start --- */

static int start(struct tree_reading *r, uv_loop_t *loop, const struct tree_scan_config *config,
	struct err *err)
{
	r->window = window_new(WINDOW_BYTES);
	r->queue = queue_new(SIZE_MAX);
	if (!r->window || !r->queue)
		return err_nomem(err);
	if (tree_scan_open(config, &r->scan, err) != 0 ||
		uv_wake_new(loop, on_wake, r, &r->wake, err) != 0)
		return -1;
	queue_set_wake(r->queue, NULL, uv_wake_send, r->wake);
	return uv_worker_start(loop, "dray-tree", &r->worker, err);
}

int tree_reading_start(uv_loop_t *loop, const char *root, const char *cache, bool reread,
	const struct tree_reading_ops *ops, void *ctx, struct tree_reading **ret, struct err *err)
{
	struct tree_reading *r = calloc(1, sizeof(*r));
	struct tree_scan_config config = { .root = root, .cache = cache, .reread = reread };

	if (!r)
		return err_nomem(err);
	r->task = (struct uv_task){ .run = run, .done = done };
	r->ops = *ops;
	r->ctx = ctx;
	config.stop = &r->stop;
	if (start(r, loop, &config, err) != 0) {
		uv_wake_close(r->wake);
		if (r->queue)
			queue_free(r->queue, NULL);
		tree_scan_free(r->scan);
		if (r->window)
			window_free(r->window);
		free(r);
		return -1;
	}
	uv_worker_post(r->worker, &r->task);
	*ret = r;
	return 0;
}
