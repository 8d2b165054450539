#include "common/store/prune_rewrite.h"

#include "common/base/file.h"
#include "common/store/catalogue.h"
#include "common/store/index_snapshot.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REWRITE_LEVEL 3 /* zstd's */
#define PARTS_MAX (4 * REWRITE_PACKS_MAX)

/* A pack that is written anew. */
struct source {
	uint32_t pack;
	uint64_t live; /* what was needed when its copying began, as its segments' raw bytes */
};

/* Where a run of a source's records came to lie. */
struct part {
	size_t source;
	uint32_t pack;
	uint64_t from, to;
};

struct rewrite {
	struct store *s;
	struct mark *m;
	struct pack out; /* path NULL: none */
	struct segment_builder *builder;
	struct buf sealed;
	struct source sources[REWRITE_PACKS_MAX];
	struct part parts[PARTS_MAX];
	size_t n_sources, n_parts, switched;
	uint64_t written;		/* bytes of new packs in this round */
	struct index_segment *segments; /* of the last source */
	size_t n_segments, segment;
};

struct rewrite *rewrite_new(struct store *s, struct mark *m, struct err *err)
{
	struct rewrite *r = calloc(1, sizeof *r);
	if (r) {
		buf_init(&r->sealed, SEGMENT_RECORD_MAX);
		r->s = s;
		r->m = m;
		r->builder = segment_builder_new();
		if (r->builder)
			return r;
	}
	rewrite_free(r);
	err_nomem(err);
	return NULL;
}

void rewrite_free(struct rewrite *r)
{
	if (!r)
		return;
	if (r->out.path)
		unlink(r->out.path);
	pack_close(&r->out);
	segment_builder_free(r->builder);
	buf_done(&r->sealed);
	free(r->segments);
	free(r);
}

/* Raw bytes of the pack's segments that are needed. */
static int count_live(struct rewrite *r, uint32_t pack, uint64_t *ret, struct err *err)
{
	struct index_segment *segments CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	*ret = 0;
	if (index_segments_of(r->s->ix, pack, &segments, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool known;
		uint32_t live = mark_live(r->m, segments[i].id, &known);
		*ret += known ? live : segments[i].raw;
	}
	return 0;
}

int rewrite_add(struct rewrite *r, uint32_t pack, struct err *err)
{
	struct source *source = &r->sources[r->n_sources];
	free(r->segments);
	r->segments = NULL;
	r->n_segments = r->segment = 0;
	source->pack = pack;
	if (count_live(r, pack, &source->live, err) != 0 ||
		index_segments_of(r->s->ix, pack, &r->segments, &r->n_segments, err) != 0)
		return -1;
	r->n_sources++;
	return 0;
}

bool rewrite_is_full(const struct rewrite *r)
{
	return r->n_sources == REWRITE_PACKS_MAX || r->written >= PACK_SIZE_MAX;
}

/* --- copying --- */

static int settle(struct rewrite *r, struct err *err)
{
	if (!r->out.path)
		return 0;
	if (pack_settle(&r->out, r->s->packs_dir, err) != 0)
		return -1;
	pack_close(&r->out);
	return 0;
}

/* The run of records of the last source that the new pack ends with. */
static int need_part(struct rewrite *r, struct part **ret, struct err *err)
{
	struct part *last = r->n_parts > 0 ? &r->parts[r->n_parts - 1] : NULL;
	*ret = last;
	if (last && last->pack == r->out.number && last->source == r->n_sources - 1)
		return 0;
	if (r->n_parts == PARTS_MAX)
		return err_set(err, ERR_LIMIT, "what is needed takes too many packs");
	*ret = &r->parts[r->n_parts++];
	**ret = (struct part){ .source = r->n_sources - 1,
		.pack = r->out.number,
		.from = r->out.end,
		.to = r->out.end };
	return 0;
}

static int append(struct rewrite *r, const void *record, size_t n, struct err *err)
{
	struct part *part;
	if (r->out.path && r->out.end >= PACK_SIZE_MAX && settle(r, err) != 0)
		return -1;
	if (!r->out.path) {
		if (pack_create_unsettled(r->s->packs_dir, r->s->next_number, &r->out, err) != 0)
			return -1;
		r->s->next_number++;
	}
	if (need_part(r, &part, err) != 0 || pack_append(&r->out, record, n, err) != 0)
		return -1;
	part->to = r->out.end;
	r->written += n;
	return 0;
}

static int flush(struct rewrite *r, struct err *err)
{
	if (segment_builder_empty(r->builder))
		return 0;
	buf_clear(&r->sealed);
	if (segment_builder_seal(r->builder, REWRITE_LEVEL, &r->sealed, err) != 0)
		return -1;
	return append(r, buf_bytes(&r->sealed), buf_len(&r->sealed), err);
}

static int copy_chunks(struct rewrite *r, const struct index_segment *at, const struct segment *seg,
	const uint8_t *raw, struct err *err)
{
	for (uint32_t i = 0; i < seg->n_rows; i++) {
		const struct segment_row *row = &seg->rows[i];
		if (!mark_row(r->m, at->id, i))
			continue;
		if (!segment_builder_fits(r->builder, row->len) && flush(r, err) != 0)
			return -1;
		if (segment_builder_add(r->builder, &row->name, (enum chunk_kind)row->kind,
			    raw + row->offset, row->len, err) != 0)
			return -1;
	}
	return 0;
}

static int copy_record(struct rewrite *r, const struct index_segment *at, struct err *err)
{
	struct segment seg CLEANUP(segment_done) = { 0 };
	struct store_place place = {
		.pack = at->pack, .record_offset = at->offset, .record_len = at->length
	};
	const uint8_t *record, *raw;
	struct err why = { 0 };
	uint64_t places;
	bool known, good;
	uint32_t live = mark_live(r->m, at->id, &known);
	if (known && live == 0)
		return 0;
	if (store_reader_record(r->s->reader, &place, true, &seg, &why) != 0) {
		if (why.code != ERR_CORRUPT)
			return err_set(err, why.code, "%s", why.text);
		return store_look_at(r->s, &place, true, &good, &places, err);
	}
	store_reader_bytes(r->s->reader, &record, &raw);
	if (known && live != seg.raw_len)
		return copy_chunks(r, at, &seg, raw, err);
	return flush(r, err) != 0 ? -1 : append(r, record, seg.record_len, err);
}

int rewrite_copy(struct rewrite *r, bool *ret_done, struct err *err)
{
	*ret_done = r->segment == r->n_segments;
	if (*ret_done)
		return flush(r, err);
	return copy_record(r, &r->segments[r->segment++], err);
}

/* --- the switch --- */

/* One record of a new pack goes into the index; *ret_next: behind it. */
static int take_record(
	struct rewrite *r, const struct pack *p, uint64_t at, uint64_t *ret_next, struct err *err)
{
	struct segment seg CLEANUP(segment_done) = { 0 };
	struct segment whole CLEANUP(segment_done) = { 0 };
	uint8_t head[SEGMENT_HEAD_LEN];
	const uint8_t *record, *raw = NULL;
	size_t head_len, record_len;
	if (file_read_at(p->fd, head, sizeof head, at, err) != 0 ||
		segment_measure(head, &head_len, &record_len, err) != 0)
		return -1;
	struct store_place place = {
		.pack = p->number, .record_offset = at, .record_len = (uint32_t)record_len
	};
	if (store_reader_record(r->s->reader, &place, false, &seg, err) != 0)
		return -1;
	if (catalogue_wants_raw(&seg)) {
		if (store_reader_record(r->s->reader, &place, true, &whole, err) != 0)
			return -1;
		store_reader_bytes(r->s->reader, &record, &raw);
	}
	*ret_next = at + record_len;
	return catalogue_add(r->s->ix, p->number, at, &seg, raw, err);
}

static int take_part(struct rewrite *r, const struct part *part, struct err *err)
{
	struct pack p CLEANUP(pack_close) = { 0 };
	uint64_t at = part->from;
	if (pack_open(r->s->packs_dir, part->pack, &p, err) != 0)
		return -1;
	while (at < part->to)
		if (take_record(r, &p, at, &at, err) != 0)
			return err_wrap(err, "%s", p.path);
	if (pack_table_add(&r->s->table, part->pack, store_now_ms(), err) != 0)
		return -1;
	pack_table_set_bytes(&r->s->table, part->pack, part->to);
	pack_table_hold(&r->s->table, part->pack, true);
	return 0;
}

/* May the pack go? Not one that a job pins, nor one of which a snapshot that came while it was
 * copied needs more. */
static int may_go(struct rewrite *r, const struct source *source, bool *ret, struct err *err)
{
	struct pack_set pinned = { 0 };
	uint64_t live = 0;
	int result = pins_collect(r->s, &pinned, err);
	*ret = result == 0 && pack_table_find(&r->s->table, source->pack) &&
	       !pack_set_has(&pinned, source->pack);
	pack_set_done(&pinned);
	if (result != 0 || !*ret)
		return result;
	if (count_live(r, source->pack, &live, err) != 0)
		return -1;
	*ret = live == source->live;
	return 0;
}

static int switch_rows(struct rewrite *r, size_t at, bool go, struct err *err)
{
	if (go && evict_drop_rows(r->s, r->sources[at].pack, err) != 0)
		return -1;
	for (size_t i = 0; i < r->n_parts; i++)
		if (r->parts[i].source == at && take_part(r, &r->parts[i], err) != 0)
			return -1;
	if (pack_table_write(&r->s->table, r->s->ix, err) != 0)
		return -1;
	return index_commit(r->s->ix, err);
}

static int switch_source(struct rewrite *r, size_t at, uint64_t *ret_bytes, struct err *err)
{
	uint32_t pack = r->sources[at].pack;
	struct err ignored;
	bool go;
	*ret_bytes = 0;
	if (evict_make_clean(r->s, err) != 0 || may_go(r, &r->sources[at], &go, err) != 0)
		return -1;
	if (switch_rows(r, at, go, err) != 0) {
		index_rollback(r->s->ix);
		(void)!store_reload(r->s, &ignored);
		return -1;
	}
	if (!go)
		return 0;
	*ret_bytes = pack_table_find(&r->s->table, pack)->bytes;
	return evict_remove(r->s, pack, err);
}

int rewrite_finish(struct rewrite *r, bool *ret_done, uint64_t *ret_bytes, struct err *err)
{
	*ret_bytes = 0;
	if (settle(r, err) != 0)
		return -1;
	if (r->switched < r->n_sources && switch_source(r, r->switched++, ret_bytes, err) != 0)
		return -1;
	*ret_done = r->switched == r->n_sources;
	if (*ret_done)
		r->n_sources = r->n_parts = r->switched = r->written = 0;
	return 0;
}
