#include "common/store/replay.h"

#include "common/base/file.h"
#include "common/store/catalogue.h"

#include <stdlib.h>
#include <string.h>

#define DISK_BLOCK 4096u /* what a disk that cannot read loses at once, at most */

struct replay {
	const char *packs_dir;
	struct index *ix;
	struct segment_opener *opener;
	uint8_t *record; /* SEGMENT_RECORD_MAX */
	uint8_t *raw;	 /* SEGMENT_RAW_MAX */
	bool may_cut;	 /* the pack at hand is the last one, and nobody writes */
	bool unreadable; /* the disk refused to give some of its bytes */
};

enum record_state {
	RECORD_GOOD,
	RECORD_BAD_BODY, /* its length is known, its stored bytes are wrong */
	RECORD_BAD,
};

static void replay_free(struct replay *r)
{
	segment_opener_free(r->opener);
	free(r->record);
	free(r->raw);
}

static int replay_init(struct replay *r, const char *packs_dir, struct index *ix, struct err *err)
{
	*r = (struct replay){ .packs_dir = packs_dir, .ix = ix };
	r->opener = segment_opener_new();
	r->record = malloc(SEGMENT_RECORD_MAX);
	r->raw = malloc(SEGMENT_RAW_MAX);
	if (r->opener && r->record && r->raw)
		return 0;
	replay_free(r);
	return err_nomem(err);
}

/* ERR_CORRUPT is an answer here, everything else an error. */
static int or_bad(enum record_state bad, enum record_state *ret, struct err *why, struct err *err)
{
	if (why->code != ERR_CORRUPT)
		return err_set(err, why->code, "%s", why->text);
	*ret = bad;
	return 0;
}

/* Bytes that the disk does not give count as zeros: damage like any other, and no reason to go
 * without the rest. */
static int read_at(struct replay *r, const struct pack *p, uint8_t *bytes, size_t n, uint64_t at,
	struct err *err)
{
	struct err why = { 0 };
	if (file_read_at(p->fd, bytes, n, at, &why) == 0)
		return 0;
	if (why.code != ERR_IO) {
		err_set(err, why.code, "%s", why.text);
		return err_wrap(err, "%s", p->path);
	}
	r->unreadable = true;
	for (size_t done = 0, k; done < n; done += k) {
		k = min_size(n - done, DISK_BLOCK - (size_t)((at + done) % DISK_BLOCK));
		if (file_read_at(p->fd, bytes + done, k, at + done, &why) != 0)
			memset(bytes + done, 0, k);
	}
	return 0;
}

/* Reads the record at `at` into r->record. `seg` is filled in unless it is RECORD_BAD. */
static int read_record(struct replay *r, const struct pack *p, uint64_t at, struct segment *seg,
	enum record_state *ret, struct err *err)
{
	struct err why = { 0 };
	size_t head_len, record_len;
	if (p->end - at < SEGMENT_HEAD_LEN) {
		*ret = RECORD_BAD;
		return 0;
	}
	if (read_at(r, p, r->record, SEGMENT_HEAD_LEN, at, err) != 0)
		return -1;
	if (segment_measure(r->record, &head_len, &record_len, &why) != 0)
		return or_bad(RECORD_BAD, ret, &why, err);
	if (record_len > p->end - at || record_len > SEGMENT_RECORD_MAX) {
		*ret = RECORD_BAD;
		return 0;
	}
	if (read_at(r, p, r->record, record_len, at, err) != 0)
		return -1;
	if (segment_parse(r->record, record_len, seg, &why) != 0)
		return or_bad(RECORD_BAD, ret, &why, err);
	*ret = RECORD_GOOD;
	if (segment_check_stored(seg, r->record, &why) == 0)
		return 0;
	if (or_bad(RECORD_BAD_BODY, ret, &why, err) == 0)
		return 0;
	segment_done(seg);
	return -1;
}

/* The next offset from `at` on where a record could start, or the pack's end. */
static int find_head(
	struct replay *r, const struct pack *p, uint64_t at, uint64_t *ret, struct err *err)
{
	uint8_t window[16384];
	size_t head_len, record_len;
	while (p->end - at >= SEGMENT_HEAD_LEN) {
		size_t n = (size_t)min_u64(sizeof window, p->end - at);
		if (read_at(r, p, window, n, at, err) != 0)
			return -1;
		size_t starts = n - SEGMENT_HEAD_LEN + 1;
		for (size_t i = 0; i < starts; i++) {
			if (segment_measure(window + i, &head_len, &record_len, NULL) != 0)
				continue;
			*ret = at + i;
			return 0;
		}
		at += starts;
	}
	*ret = p->end;
	return 0;
}

/* Takes the record at `at` if it is good. *ret_next: where to go on, `at` when it is not known. A
 * record that was found by searching could be bytes that somebody stored to look like one, so its
 * chunks are hashed too. */
static int take_record(struct replay *r, const struct pack *p, uint64_t at, bool searched,
	bool *ret_good, uint64_t *ret_next, struct err *err)
{
	struct segment seg CLEANUP(segment_done) = { 0 };
	enum record_state state = RECORD_BAD;
	if (read_record(r, p, at, &seg, &state, err) != 0)
		return -1;
	bool wanted = state == RECORD_GOOD && catalogue_wants_raw(&seg);
	struct err why = { 0 };
	if (state == RECORD_GOOD && (searched || wanted) &&
		segment_open(r->opener, &seg, r->record, true, r->raw, &why) != 0 &&
		or_bad(RECORD_BAD_BODY, &state, &why, err) != 0)
		return -1;
	*ret_good = state == RECORD_GOOD;
	*ret_next = at;
	if (state == RECORD_GOOD || (state == RECORD_BAD_BODY && !searched))
		*ret_next = at + seg.record_len;
	if (state != RECORD_GOOD)
		return 0;
	return catalogue_add(r->ix, p->number, at, &seg, wanted ? r->raw : NULL, err);
}

/* Reads the pack from `from` to its end. A bad stretch with a good record behind it is damage;
 * without one it is a torn tail, which is cut off where that is allowed. */
static int scan(struct replay *r, struct pack *p, uint64_t from, struct err *err)
{
	uint64_t at = from, bad_from = 0;
	bool bad = false, searched = false;
	while (at < p->end) {
		bool good;
		uint64_t next;
		if (take_record(r, p, at, searched, &good, &next, err) != 0)
			return -1;
		if (good && bad && index_note_pack(r->ix, p->number, next, 1, err) != 0)
			return -1;
		if (!good && !bad)
			bad_from = at;
		bad = !good;
		if (next == at) {
			searched = true;
			if (find_head(r, p, at + 1, &next, err) != 0)
				return -1;
		} else if (good) {
			searched = false;
		}
		at = next;
	}
	if (!bad)
		return 0;
	/* What cannot be read now may be readable another time. */
	if (r->may_cut && !r->unreadable)
		return pack_cut(p, bad_from, err);
	return index_note_pack(r->ix, p->number, p->end, 1, err);
}

/* A head can be torn when the pack had just been made, or damaged later; it is written again, for
 * it says nothing that the name does not. */
static int scan_from_head(struct replay *r, struct pack *p, struct err *err)
{
	bool good;
	if (pack_check_head(p, &good, err) != 0 || (!good && pack_mend_head(p, err) != 0) ||
		scan(r, p, PACK_HEAD_LEN, err) != 0)
		return -1;
	if (good || p->end == PACK_HEAD_LEN)
		return 0;
	return index_note_pack(r->ix, p->number, p->end, 1, err);
}

/* `from` is the pack's checkpoint, 0 when it has none. */
static int replay_pack(struct replay *r, uint32_t number, uint64_t from, struct err *err)
{
	struct pack p CLEANUP(pack_close) = { 0 };
	if (pack_open(r->packs_dir, number, &p, err) != 0)
		return -1;
	r->unreadable = false;
	if (from != 0 && p.end == from)
		return 0;
	if (p.end > PACK_FILE_MAX)
		return err_set(
			err, ERR_CORRUPT, "%s is larger than any pack: it is not dray's", p.path);
	if ((from == 0 ? scan_from_head(r, &p, err) : scan(r, &p, from, err)) != 0)
		return -1;
	/* A killed process leaves its last records in the page cache only. */
	if (pack_sync(&p, r->packs_dir, err) != 0)
		return -1;
	return index_commit(r->ix, err);
}

/* The checkpoint of a pack, 0 when it has none. */
static uint64_t checkpoint(const struct index_pack *known, size_t n, uint32_t number)
{
	for (size_t i = n; i > 0; i--)
		if (known[i - 1].number == number)
			return known[i - 1].length;
	return 0;
}

/* Takes packs that are gone out of the index: giving one up ends with the removal of its file,
 * which a power loss does not undo. *ret_ahead: it knows of bytes that are not in a pack. */
static int drop_lost_packs(const char *packs_dir, struct index *ix, const struct index_pack *known,
	size_t n_known, bool *ret_ahead, struct err *err)
{
	uint32_t *there CLEANUP(cleanup_free) = NULL;
	size_t n = 0, at = 0;
	if (pack_list(packs_dir, &there, &n, err) != 0)
		return -1;
	*ret_ahead = false;
	for (size_t i = 0; i < n_known && !*ret_ahead; i++) {
		struct pack p CLEANUP(pack_close) = { 0 };
		while (at < n && there[at] < known[i].number)
			at++;
		if (at == n || there[at] != known[i].number) {
			if (index_drop_pack(ix, known[i].number, err) != 0)
				return -1;
			continue;
		}
		if (pack_open(packs_dir, known[i].number, &p, err) != 0)
			return -1;
		*ret_ahead = p.end < known[i].length;
	}
	return *ret_ahead ? 0 : index_commit(ix, err);
}

static int replay_packs(
	struct replay *r, const struct index_pack *known, size_t n_known, struct err *err)
{
	uint32_t *numbers CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	if (pack_list(r->packs_dir, &numbers, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		r->may_cut = i + 1 == n;
		uint64_t from = checkpoint(known, n_known, numbers[i]);
		if (replay_pack(r, numbers[i], from, err) != 0)
			return -1;
	}
	return 0;
}

int replay_at_open(const char *packs_dir, struct index *ix, bool *ret_ahead, struct err *err)
{
	struct index_pack *known CLEANUP(cleanup_free) = NULL;
	size_t n = 0;
	bool ahead;
	if (index_packs(ix, &known, &n, err) != 0 ||
		drop_lost_packs(packs_dir, ix, known, n, &ahead, err) != 0)
		return -1;
	*ret_ahead = ahead;
	if (ahead)
		return 0;
	struct replay r;
	/* The names first: a pack whose records are committed must not vanish. */
	if (file_sync_dir(packs_dir, err) != 0 || replay_init(&r, packs_dir, ix, err) != 0)
		return -1;
	int result = replay_packs(&r, known, n, err);
	replay_free(&r);
	return result;
}

static int catch_up_pack(
	struct replay *r, uint32_t number, uint64_t from, const struct pack *last, struct err *err)
{
	struct pack p CLEANUP(pack_close) = { 0 };
	if (pack_open(r->packs_dir, number, &p, err) != 0)
		return -1;
	if (last && last->number == number)
		p.end = last->end; /* what lies behind is left from a failed write */
	if (from == 0)
		from = PACK_HEAD_LEN;
	return p.end > from ? scan(r, &p, from, err) : 0;
}

int replay_catch_up(
	const char *packs_dir, struct index *ix, const struct pack *last, struct err *err)
{
	struct index_pack *known CLEANUP(cleanup_free) = NULL;
	uint32_t *numbers CLEANUP(cleanup_free) = NULL;
	size_t n_known = 0, n = 0;
	struct replay r;
	if (index_packs(ix, &known, &n_known, err) != 0 ||
		pack_list(packs_dir, &numbers, &n, err) != 0 ||
		replay_init(&r, packs_dir, ix, err) != 0)
		return -1;
	int result = 0;
	for (size_t i = 0; i < n && result == 0; i++)
		result = catch_up_pack(
			&r, numbers[i], checkpoint(known, n_known, numbers[i]), last, err);
	replay_free(&r);
	return result;
}
