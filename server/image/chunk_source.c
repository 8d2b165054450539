/*
 * Owns a store reader. Happy path: one call to the store's thread for many places, then reads of
 * the packs without it. Failure modes: a place that was right when it was given and is no more (the
 * pack was given up, the record was found damaged by somebody else), and damage: each time the
 * store is told and asked again.
 */
#include "server/image/chunk_source.h"

#include <stdlib.h>
#include <string.h>

#define PLACES_TRIED_MAX 3u

struct chunk_source {
	struct depot_domain *domain;
	const struct uv_pin *pin;
	struct store_reader *reader; /* from the first read on: the domain may not be there yet */
};

struct chunk_source *chunk_source_new(
	struct depot_domain *domain, const struct uv_pin *pin, struct err *err)
{
	struct chunk_source *cs = calloc(1, sizeof(*cs));

	if (!cs) {
		err_nomem(err);
		return NULL;
	}
	cs->domain = domain;
	cs->pin = pin;
	return cs;
}

void chunk_source_free(struct chunk_source *cs)
{
	if (!cs)
		return;
	store_reader_free(cs->reader);
	free(cs);
}

/* --- places --- */

struct locate {
	struct depot_call call;
	const struct recipe_op *ops;
	struct store_place *places;
	size_t from, n;
};

static int run_locate(struct depot_call *c, struct store *store, struct err *err)
{
	struct locate *l = (struct locate *)c;

	for (; l->from < l->n; l->from++) {
		const struct recipe_op *op = &l->ops[l->from];
		bool found;

		if (op->kind == OP_SKELETON)
			continue;
		if (store_find(store, &op->name, NULL, &l->places[l->from], &found, err) != 0)
			return -1;
		if (!found)
			break;
	}
	return 0;
}

int chunk_source_locate(struct chunk_source *cs, const struct recipe_op *ops,
	struct store_place *places, size_t from, size_t n, size_t *ret, struct err *err)
{
	struct locate l = {
		.call = { .run = run_locate }, .ops = ops, .places = places, .from = from, .n = n
	};

	if (depot_call_wait(cs->domain, &l.call, err) != 0)
		return -1;
	*ret = l.from;
	return 0;
}

/* --- reading --- */

struct report {
	struct depot_call call;
	const struct digest *name;
	struct store_place place; /* the damaged one, then the new one */
	bool found;
};

static int run_report(struct depot_call *c, struct store *store, struct err *err)
{
	struct report *r = (struct report *)c;
	struct store_place now;
	uint64_t dropped;

	/* Somebody else may have reported it, and somebody put it again since. */
	if (store_find(store, r->name, NULL, &now, &r->found, err) != 0)
		return -1;
	if (r->found && now.pack == r->place.pack && now.record_offset == r->place.record_offset &&
		(store_drop_damaged(store, &r->place, &dropped, err) != 0 ||
			store_find(store, r->name, NULL, &now, &r->found, err) != 0))
		return -1;
	r->place = now;
	return 0;
}

int chunk_source_read(struct chunk_source *cs, const struct digest *name, struct store_place *place,
	const uint8_t **ret, struct err *err)
{
	struct report r = { .call = { .run = run_report }, .name = name };

	if (!cs->reader) {
		cs->reader = store_reader_new(depot_domain_dir(cs->domain), err);
		if (!cs->reader)
			return -1;
		store_reader_share(cs->reader, depot_raw_cache(cs->domain));
	}
	for (unsigned i = 0; i < PLACES_TRIED_MAX; i++) {
		if (store_reader_chunk(cs->reader, name, place, ret, err) == 0)
			return 0;
		if (err->code != ERR_CORRUPT)
			return -1;
		r.place = *place;
		if (depot_call_wait(cs->domain, &r.call, err) != 0)
			return -1;
		if (!r.found)
			break;
		*place = r.place;
	}
	*ret = NULL;
	return 0;
}

struct sweep {
	struct depot_call call;
	const struct uv_pin *pin;
	uint32_t pack; /* the last one looked through; 0 when there is no other */
};

/* One pack at a time: others have calls, too. */
static int run_sweep(struct depot_call *c, struct store *store, struct err *err)
{
	struct sweep *s = (struct sweep *)c;
	struct store_place at = { .pack = store_pin_next(uv_pin_of(s->pin), s->pack) };
	uint64_t dropped;

	s->pack = at.pack;
	return s->pack ? store_drop_damaged(store, &at, &dropped, err) : 0;
}

int chunk_source_sweep(struct chunk_source *cs, bool (*stop)(void *ctx), void *ctx, struct err *err)
{
	struct sweep s = { .call = { .run = run_sweep }, .pin = cs->pin };

	do {
		if (depot_call_wait(cs->domain, &s.call, err) != 0)
			return -1;
	} while (s.pack && !stop(ctx));
	return 0;
}

/* --- blobs --- */

struct fetch {
	struct depot_call call;
	const struct digest *digest;
	struct blob_record *record;
	bool found;
};

static int run_fetch(struct depot_call *c, struct store *store, struct err *err)
{
	struct fetch *f = (struct fetch *)c;

	return store_blob_find(store, f->digest, NULL, f->record, &f->found, err);
}

int chunk_source_blob(struct chunk_source *cs, const struct digest *digest, struct blob_record *ret,
	bool *ret_found, struct err *err)
{
	struct fetch f = { .call = { .run = run_fetch }, .digest = digest, .record = ret };

	if (depot_call_wait(cs->domain, &f.call, err) != 0)
		return -1;
	*ret_found = f.found;
	return 0;
}

int chunk_source_list(struct chunk_source *cs, const struct digest *list, struct digest *ret,
	size_t *ret_n, struct err *err)
{
	struct recipe_op op = { .kind = OP_CHUNK, .name = *list };
	struct store_place place;
	const uint8_t *bytes;
	size_t located;

	*ret_n = 0;
	if (chunk_source_locate(cs, &op, &place, 0, 1, &located, err) != 0)
		return -1;
	if (located == 0)
		return 0;
	if (chunk_source_read(cs, list, &place, &bytes, err) != 0)
		return -1;
	if (!bytes || place.len % DIGEST_LEN || place.len > LIST_NAMES_MAX * DIGEST_LEN)
		return 0;
	memcpy(ret, bytes, place.len);
	*ret_n = place.len / DIGEST_LEN;
	return 0;
}

static int run_disown(struct depot_call *c, struct store *store, struct err *err)
{
	return store_drop_blob(store, ((struct fetch *)c)->digest, err);
}

int chunk_source_disown(struct chunk_source *cs, const struct digest *digest, struct err *err)
{
	struct fetch f = { .call = { .run = run_disown }, .digest = digest };

	return depot_call_wait(cs->domain, &f.call, err);
}
