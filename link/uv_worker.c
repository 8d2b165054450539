/*
 * Owns one thread and two lists: tasks to run, and tasks that are done and wait for the loop. Happy
 * path: post, run, done. There is no failure mode but the thread that cannot be started.
 */
#include "link/uv_worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct task_list {
	struct uv_task *first, **last;
};

struct uv_worker {
	uv_async_t wake; /* the loop looks at `finished` */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct task_list waiting, finished;
	bool stopping;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void list_init(struct task_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_add(struct task_list *l, struct uv_task *t)
{
	t->next = NULL;
	*l->last = t;
	l->last = &t->next;
}

static struct uv_task *list_take(struct task_list *l)
{
	struct uv_task *t = l->first;

	if (!t)
		return NULL;
	l->first = t->next;
	if (!l->first)
		l->last = &l->first;
	return t;
}

static void *work(void *arg)
{
	struct uv_worker *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct uv_task *t = list_take(&w->waiting);
		bool tell;

		if (!t && w->stopping)
			break;
		if (!t) {
			pthread_cond_wait(&w->work, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		tell = t->done != NULL; /* after run, a task without `done` may be gone */
		t->run(t);
		pthread_mutex_lock(&w->lock);
		if (tell) {
			list_add(&w->finished, t);
			uv_async_send(&w->wake);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void on_wake(uv_async_t *wake)
{
	struct uv_worker *w = wake->data;
	struct task_list batch;
	struct uv_task *t;

	list_init(&batch);
	pthread_mutex_lock(&w->lock);
	while ((t = list_take(&w->finished)))
		list_add(&batch, t);
	pthread_mutex_unlock(&w->lock);
	while ((t = list_take(&batch)))
		t->done(t);
}

int uv_worker_start(uv_loop_t *loop, const char *name, struct uv_worker **ret, struct err *err)
{
	struct uv_worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_nomem(err);
	list_init(&w->waiting);
	list_init(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	r = uv_async_init(loop, &w->wake, on_wake);
	if (r != 0) {
		free(w);
		return err_set(err, ERR_FAILED, "cannot start a worker: %s", uv_strerror(r));
	}
	w->wake.data = w;
	r = pthread_create(&w->thread, NULL, work, w);
	assert(r == 0); /* the handle is open already; a process without threads cannot go on */
	pthread_setname_np(w->thread, name);
	*ret = w;
	return 0;
}

void uv_worker_post(struct uv_worker *w, struct uv_task *t)
{
	pthread_mutex_lock(&w->lock);
	assert(!w->stopping);
	list_add(&w->waiting, t);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

static void on_closed(uv_handle_t *handle)
{
	struct uv_worker *w = handle->data;

	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	if (w->closed)
		w->closed(w->closed_ctx);
	free(w);
}

void uv_worker_stop(struct uv_worker *w, void (*closed)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&w->lock);
	assert(!w->stopping);
	w->stopping = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	on_wake(&w->wake);
	w->closed = closed;
	w->closed_ctx = ctx;
	uv_close((uv_handle_t *)&w->wake, on_closed);
}
