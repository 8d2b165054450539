/* What the index's source files share; nobody else includes it. */
#pragma once

#include "common/store/index.h"
#include "common/store/index_schema.h"

#include <sqlite3.h>

enum statement {
#define X(name, sql) ST_##name,
	INDEX_STATEMENTS(X)
#undef X
		ST_COUNT
};

struct index {
	sqlite3 *db;
	sqlite3_stmt *statements[ST_COUNT];
	char *path;
	bool damaged;
	/* the segment that a short name led to last */
	uint64_t seen_segment; /* 0: none */
	uint32_t seen_pack;
	uint32_t known_rows; /* of the record added last */
	bool replaying;	     /* see index_set_replaying */
};

/* A chunk's kind, its row in the segment, offset and length in one number: 13 bits for the row, 21
 * each for the latter two. The row is what marking needs (mark.h). */
#define PLACE_BITS 21
#define PLACE_MASK ((1u << PLACE_BITS) - 1)
#define PLACE_ROW_BITS 13
#define PLACE_ROW_MASK ((1u << PLACE_ROW_BITS) - 1)
_Static_assert(SEGMENT_CHUNKS_MAX <= PLACE_ROW_MASK + 1, "rows fit their bits");
_Static_assert(SEGMENT_RAW_MAX <= PLACE_MASK, "offsets and lengths fit their bits");

/* Fills in the error for an SQLite result, and notes damage. */
int index_fail(struct index *ix, int rc, struct err *err);

/* The database holds a value that cannot be. */
int index_fail_value(struct index *ix, struct err *err);

/* Runs to the next row or the end. After it comes index_finish, unless it failed. */
int index_step(struct index *ix, enum statement st, bool *ret_row, struct err *err) MUST_CHECK;
void index_finish(struct index *ix, enum statement st);

/* Runs a statement that gives no rows. */
int index_run(struct index *ix, enum statement st, struct err *err) MUST_CHECK;

uint64_t index_column(struct index *ix, enum statement st, int at);

/* False: it is none. */
bool index_column_digest(struct index *ix, enum statement st, int at, struct digest *ret);

/* Begins a transaction, unless one is open. */
int index_begin(struct index *ix, struct err *err) MUST_CHECK;

/* Binding numbers and bytes in place cannot fail. The bytes must stay until index_finish. */
static inline void index_bind(struct index *ix, enum statement st, int at, uint64_t v)
{
	sqlite3_bind_int64(ix->statements[st], at, (sqlite3_int64)v);
}

static inline void index_bind_digest(
	struct index *ix, enum statement st, int at, const struct digest *d)
{
	sqlite3_bind_blob(ix->statements[st], at, d->bytes, DIGEST_LEN, SQLITE_STATIC);
}
