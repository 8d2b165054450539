/* Which packs jobs pin, and which ones blobs need. */
#include "common/store/index_impl.h"
#include "common/store/pack.h"

/* Adds the pack of the statement's row. */
static int take_pack(struct index *ix, enum statement st, struct pack_set *ret, struct err *err)
{
	uint64_t number = index_column(ix, st, 0);
	if (number == 0 || number > PACK_NUMBER_MAX)
		return index_fail_value(ix, err);
	return pack_set_add(ret, (uint32_t)number, NULL, err);
}

/* Adds the packs that the statement gives. */
static int collect(struct index *ix, enum statement st, struct pack_set *ret, struct err *err)
{
	bool row;
	int r;
	while ((r = index_step(ix, st, &row, err)) == 0 && row)
		if (take_pack(ix, st, ret, err) != 0) {
			r = -1;
			break;
		}
	index_finish(ix, st);
	return r;
}

/* --- needs --- */

int index_needs(struct index *ix, const struct digest *blob, struct pack_set *ret, struct err *err)
{
	index_bind_digest(ix, ST_NEEDS, 1, blob);
	return collect(ix, ST_NEEDS, ret, err);
}

static int add_needs(
	struct index *ix, const struct digest *blob, const struct pack_set *packs, struct err *err)
{
	index_bind_digest(ix, ST_FORGET_NEEDS, 1, blob);
	if (index_run(ix, ST_FORGET_NEEDS, err) != 0)
		return -1;
	for (size_t i = 0; i < packs->n; i++) {
		index_bind_digest(ix, ST_NEED, 1, blob);
		index_bind(ix, ST_NEED, 2, packs->numbers[i]);
		if (index_run(ix, ST_NEED, err) != 0)
			return -1;
	}
	return 0;
}

int index_set_needs(
	struct index *ix, const struct digest *blob, const struct pack_set *packs, struct err *err)
{
	/* Half of them would be worse than none. */
	if (index_record_begin(ix, err) != 0)
		return -1;
	if (add_needs(ix, blob, packs, err) == 0 && index_record_keep(ix, err) == 0)
		return 0;
	index_record_drop(ix);
	return -1;
}

/* --- pins --- */

int index_pin(struct index *ix, const struct digest *owner, uint32_t pack, int64_t expires,
	struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	index_bind_digest(ix, ST_PIN, 1, owner);
	index_bind(ix, ST_PIN, 2, pack);
	index_bind(ix, ST_PIN, 3, (uint64_t)expires);
	return index_run(ix, ST_PIN, err);
}

int index_unpin(struct index *ix, const struct digest *owner, struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	index_bind_digest(ix, ST_UNPIN, 1, owner);
	return index_run(ix, ST_UNPIN, err);
}

int index_pins_of(
	struct index *ix, const struct digest *owner, struct pack_set *ret, struct err *err)
{
	index_bind_digest(ix, ST_PINS_OF, 1, owner);
	return collect(ix, ST_PINS_OF, ret, err);
}

int index_pinned(struct index *ix, int64_t now,
	bool (*ended)(const void *ctx, const struct digest *owner), const void *ctx,
	struct pack_set *ret, struct err *err)
{
	struct digest owner;
	bool row;
	int r;
	index_bind(ix, ST_PINNED, 1, (uint64_t)now);
	while ((r = index_step(ix, ST_PINNED, &row, err)) == 0 && row) {
		if (!index_column_digest(ix, ST_PINNED, 1, &owner))
			r = index_fail_value(ix, err);
		else if (!ended(ctx, &owner))
			r = take_pack(ix, ST_PINNED, ret, err);
		if (r != 0)
			break;
	}
	index_finish(ix, ST_PINNED);
	return r;
}

int index_age_pins(struct index *ix, int64_t now, int64_t latest, struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	index_bind(ix, ST_DROP_PINS, 1, (uint64_t)now);
	if (index_run(ix, ST_DROP_PINS, err) != 0)
		return -1;
	index_bind(ix, ST_CLAMP_PINS, 1, (uint64_t)latest);
	return index_run(ix, ST_CLAMP_PINS, err);
}
