/*
 * Owns the segments of a session between the wire and the disk. Happy path: segment -> verify
 * (worker) -> put (store's thread) -> stored -> sync of a group -> durable. What is told is the
 * number up to which all are there: over several lanes they come out of order. Failure modes: a
 * record that is damaged or lies about a chunk, a store that is full or broken: `failed` once, and
 * what follows is dropped.
 */
#include "server/depot/uv_intake.h"

#include "protocol/number_set.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct intake {
	uv_timer_t group_timer;
	struct depot_domain *domain;
	struct uv_worker *verifier;
	struct intake_ops ops;
	void *ctx;
	struct segment_opener *opener; /* the verifier's thread only, like `scratch` */
	uint8_t *scratch;
	atomic_size_t
		opened; /* raw bytes of segments that are kept for the cache, not stored yet */
	size_t pending; /* record bytes taken and not stored */
	struct number_set stored;
	size_t unsynced; /* bytes stored since the last sync began */
	bool syncing;	 /* a sync is under way */
	bool failed, closed, timer_closed;
	unsigned under_way; /* tasks and calls that will come back */
};

struct arrival {
	struct uv_task verify;
	struct depot_call put;
	struct intake *intake;
	uint64_t number;
	struct segment segment;
	struct raw_segment *raw; /* NULL: too much is kept already */
	int result;
	struct err err;
	const struct uv_pin *pins[INTAKE_PINS_MAX];
	size_t n_pins, n;
	uint8_t record[];
};

struct sync_call {
	struct depot_call call;
	struct intake *intake;
	uint64_t number;
};

static void maybe_free(struct intake *i)
{
	if (!i->closed || !i->timer_closed || i->under_way > 0)
		return;
	segment_opener_free(i->opener);
	free(i->scratch);
	free(i);
}

static void fail(struct intake *i, const struct err *err)
{
	if (i->failed)
		return;
	i->failed = true;
	if (!i->closed)
		i->ops.failed(i->ctx, err);
}

static void arrival_free(struct arrival *a)
{
	a->intake->under_way--;
	a->intake->pending -= a->n;
	if (a->raw)
		a->intake->opened -= a->raw->len;
	raw_segment_unref(a->raw);
	segment_done(&a->segment);
	free(a);
}

/* --- groups --- */

static int run_sync(struct depot_call *c, struct store *store, struct err *err)
{
	(void)c;
	return store_sync(store, err);
}

static void start_group(struct intake *i);

static void sync_done(struct depot_call *c)
{
	struct sync_call *s = (struct sync_call *)c;
	struct intake *i = s->intake;

	i->syncing = false;
	i->under_way--;
	if (c->result != 0)
		fail(i, &c->err);
	else if (!i->closed && !i->failed)
		i->ops.durable(i->ctx, s->number);
	free(s);
	if (!i->closed && !i->failed && i->unsynced > 0)
		start_group(i);
	maybe_free(i);
}

static void sync_now(struct intake *i)
{
	struct sync_call *s;
	struct err err;

	uv_timer_stop(&i->group_timer);
	if (i->syncing)
		return;
	s = calloc(1, sizeof(*s));
	if (!s) {
		err_nomem(&err);
		fail(i, &err);
		return;
	}
	s->call = (struct depot_call){ .run = run_sync, .done = sync_done };
	s->intake = i;
	s->number = i->stored.base;
	i->unsynced = 0;
	i->syncing = true;
	i->under_way++;
	depot_post(i->domain, &s->call);
}

static void on_group_timer(uv_timer_t *timer)
{
	sync_now(timer->data);
}

static void start_group(struct intake *i)
{
	if (i->unsynced >= INTAKE_GROUP_BYTES)
		sync_now(i);
	else if (!i->syncing && !uv_is_active((uv_handle_t *)&i->group_timer))
		uv_timer_start(&i->group_timer, on_group_timer, INTAKE_GROUP_MS, 0);
}

/* --- segments --- */

static int run_put(struct depot_call *c, struct store *store, struct err *err)
{
	struct arrival *a = CONTAINER_OF(c, struct arrival, put);

	struct store_pin *first = a->n_pins > 0 ? uv_pin_of(a->pins[0]) : NULL;

	if (store_put(store, &a->segment, a->record, first, err) != 0)
		return -1;
	/* Known now, so it is only pinned. */
	for (size_t i = 1; i < a->n_pins; i++) {
		if (store_put(store, &a->segment, a->record, uv_pin_of(a->pins[i]), err) != 0)
			return -1;
	}
	return 0;
}

static void put_done(struct depot_call *c)
{
	struct arrival *a = CONTAINER_OF(c, struct arrival, put);
	struct intake *i = a->intake;
	uint64_t number = a->number;
	size_t n = a->n;
	struct err err = c->err;
	bool ok = c->result == 0;

	if (ok && a->raw)
		raw_cache_put(depot_raw_cache(i->domain), a->raw);
	arrival_free(a);
	if (!ok)
		fail(i, &err);
	if (i->closed || i->failed) {
		maybe_free(i);
		return;
	}
	ok = number_set_add(&i->stored, number);
	assert(ok); /* the receiver takes no others */
	i->unsynced += n;
	start_group(i);
	i->ops.stored(i->ctx, i->stored.base, n);
}

/* Opens it into memory that the cache can keep, unless too much waits to be stored. */
static int open_segment(struct arrival *a, struct err *err)
{
	struct intake *i = a->intake;

	if (i->opened + a->segment.raw_len <= INTAKE_OPENED_MAX)
		a->raw = raw_segment_new(&a->segment);
	if (a->raw)
		i->opened += a->raw->len;
	return segment_open(
		i->opener, &a->segment, a->record, true, a->raw ? a->raw->bytes : i->scratch, err);
}

static void run_verify(struct uv_task *t)
{
	struct arrival *a = CONTAINER_OF(t, struct arrival, verify);
	size_t head_len, record_len;

	a->result = -1;
	if (a->n < SEGMENT_HEAD_LEN)
		err_set(&a->err, ERR_CORRUPT, "a segment is too short");
	else if (segment_measure(a->record, &head_len, &record_len, &a->err) == 0) {
		if (record_len != a->n)
			err_set(&a->err, ERR_CORRUPT, "a segment has a wrong length");
		else if (segment_parse(a->record, a->n, &a->segment, &a->err) == 0)
			a->result = open_segment(a, &a->err);
	}
}

static void verify_done(struct uv_task *t)
{
	struct arrival *a = CONTAINER_OF(t, struct arrival, verify);
	struct intake *i = a->intake;

	if (a->result != 0) {
		err_wrap(&a->err, "segment %llu", (unsigned long long)a->number);
		fail(i, &a->err);
	}
	if (i->closed || i->failed) {
		arrival_free(a);
		maybe_free(i);
		return;
	}
	a->put = (struct depot_call){ .run = run_put, .done = put_done };
	a->n_pins = i->ops.pins(i->ctx, a->pins);
	depot_post(i->domain, &a->put);
}

int intake_segment(struct intake *i, uint64_t number, const void *record, size_t n, struct err *err)
{
	struct arrival *a = malloc(sizeof(*a) + n); /* zeros are for the front alone */

	if (!a)
		return err_nomem(err);
	*a = (struct arrival){ 0 };
	memcpy(a->record, record, n);
	a->n = n;
	a->number = number;
	a->intake = i;
	a->verify = (struct uv_task){ .run = run_verify, .done = verify_done };
	i->pending += n;
	i->under_way++;
	uv_worker_post(i->verifier, &a->verify);
	return 0;
}

bool intake_full(const struct intake *i)
{
	return i->pending >= INTAKE_PENDING_MAX;
}

int intake_new(uv_loop_t *loop, struct depot_domain *domain, struct uv_worker *verifier,
	const struct intake_ops *ops, void *ctx, struct intake **ret, struct err *err)
{
	struct intake *i = calloc(1, sizeof(*i));

	if (!i)
		return err_nomem(err);
	i->opener = segment_opener_new();
	i->scratch = malloc(SEGMENT_RAW_MAX);
	if (!i->opener || !i->scratch) {
		segment_opener_free(i->opener);
		free(i->scratch);
		free(i);
		return err_nomem(err);
	}
	i->domain = domain;
	i->verifier = verifier;
	i->ops = *ops;
	i->ctx = ctx;
	uv_timer_init(loop, &i->group_timer);
	i->group_timer.data = i;
	*ret = i;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct intake *i = handle->data;

	i->timer_closed = true;
	maybe_free(i);
}

void intake_close(struct intake *i)
{
	if (!i)
		return;
	i->closed = true;
	uv_close((uv_handle_t *)&i->group_timer, on_timer_closed);
}
