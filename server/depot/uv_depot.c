#include "server/depot/depot_impl.h"

#include "common/base/file.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One thread waiting for one call. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool finished;
};

static void depot_free(struct depot *d)
{
	struct depot_domain *domain, *next;

	for (domain = d->domains; domain; domain = next) {
		next = domain->next;
		store_close(domain->store);
		free(domain->dir);
		free(domain);
	}
	raw_cache_free(d->raw);
	free(d->dir);
	free(d);
}

int depot_start(
	uv_loop_t *loop, const char *state_dir, uint64_t cache, struct depot **ret, struct err *err)
{
	struct depot *d = calloc(1, sizeof(*d));

	if (!d)
		return err_nomem(err);
	d->dir = file_join(state_dir, "domains");
	d->raw = raw_cache_new();
	if (!d->dir || !d->raw)
		err_nomem(err);
	if (!d->dir || !d->raw || file_make_dir(d->dir, 0700, err) != 0 ||
		depot_cache_start(d, cache, err) != 0 ||
		uv_worker_start(loop, "dray-store", &d->worker, err) != 0) {
		depot_free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

const struct store_limits *depot_limits(const struct depot *d)
{
	return &d->limits;
}

static void on_stopped(void *ctx)
{
	struct depot *d = ctx;

	if (d->closed)
		d->closed(d->closed_ctx);
	depot_free(d);
}

static void maybe_stop(struct depot *d)
{
	if (d->stopping && d->holders == 0)
		uv_worker_stop(d->worker, on_stopped, d);
}

void depot_stop(struct depot *d, void (*closed)(void *ctx), void *ctx)
{
	d->closed = closed;
	d->closed_ctx = ctx;
	d->stopping = true;
	maybe_stop(d);
}

void depot_hold(struct depot_domain *domain)
{
	domain->depot->holders++;
}

void depot_let_go(struct depot_domain *domain)
{
	domain->depot->holders--;
	maybe_stop(domain->depot);
}

struct depot_domain *depot_domain(struct depot *d, const char *name)
{
	struct depot_domain *domain;
	size_t n = strlen(name);

	for (domain = d->domains; domain; domain = domain->next) {
		if (strcmp(domain->name, name) == 0)
			return domain;
	}
	domain = calloc(1, sizeof(*domain) + n + 1);
	if (!domain)
		return NULL;
	memcpy(domain->name, name, n);
	domain->depot = d;
	domain->dir = file_join(d->dir, name);
	if (!domain->dir) {
		free(domain);
		return NULL;
	}
	domain->next = d->domains;
	d->domains = domain;
	return domain;
}

struct raw_cache *depot_raw_cache(const struct depot_domain *domain)
{
	return domain->depot->raw;
}

const char *depot_domain_dir(const struct depot_domain *domain)
{
	return domain->dir;
}

static struct depot_call *call_of(struct uv_task *t)
{
	return CONTAINER_OF(t, struct depot_call, task);
}

static void run_call(struct uv_task *t)
{
	struct depot_call *c = call_of(t);
	struct depot_domain *domain = c->domain;
	struct waiter *w = c->waiter;

	c->result = depot_cache_open(domain, &c->err);
	if (c->result == 0) {
		c->result = c->run(c, domain->store, &c->err);
		depot_cache_fit(domain);
	}
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->finished = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static void call_done(struct uv_task *t)
{
	struct depot_call *c = call_of(t);

	c->done(c);
}

void depot_post(struct depot_domain *domain, struct depot_call *c)
{
	c->domain = domain;
	c->err = (struct err){ 0 };
	c->task = (struct uv_task){ .run = run_call, .done = c->done ? call_done : NULL };
	uv_worker_post(domain->depot->worker, &c->task);
}

int depot_call_wait(struct depot_domain *domain, struct depot_call *c, struct err *err)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

	c->done = NULL;
	c->waiter = &w;
	depot_post(domain, c);
	pthread_mutex_lock(&w.lock);
	while (!w.finished)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	c->waiter = NULL;
	if (c->result != 0)
		*err = c->err;
	return c->result;
}
