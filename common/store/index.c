#include "common/base/file.h"
#include "common/store/index_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

static const char *const statement_sql[ST_COUNT] = {
#define X(name, sql) [ST_##name] = sql,
	INDEX_STATEMENTS(X)
#undef X
};

/* SQLite does not always say why it could not make its log: there may be no inode for it. */
static bool is_full(const struct index *ix)
{
	int reason = ix->db ? sqlite3_system_errno(ix->db) : 0;
	struct statvfs fs;
	if (reason == ENOSPC || reason == EDQUOT)
		return true;
	return statvfs(ix->path, &fs) == 0 &&
	       (fs.f_bavail == 0 || (fs.f_files > 0 && fs.f_favail == 0));
}

int index_fail(struct index *ix, int rc, struct err *err)
{
	switch (rc & 0xff) {
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		if (is_full(ix))
			return err_set(err, ERR_FULL, "%s: the disk is full", ix->path);
		return err_set(err, ERR_IO, "%s: %s", ix->path, sqlite3_errmsg(ix->db));
	case SQLITE_NOMEM:
		return err_nomem(err);
	case SQLITE_FULL:
		return err_set(err, ERR_FULL, "%s: the disk is full", ix->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		ix->damaged = true;
		return err_set(err, ERR_CORRUPT,
			"%s is damaged; it is made again at the next start", ix->path);
	default:
		return err_set(err, ERR_IO, "%s: %s", ix->path, sqlite3_errmsg(ix->db));
	}
}

int index_fail_value(struct index *ix, struct err *err)
{
	return index_fail(ix, SQLITE_CORRUPT, err);
}

int index_step(struct index *ix, enum statement st, bool *ret_row, struct err *err)
{
	int rc = sqlite3_step(ix->statements[st]);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
		index_fail(ix, rc, err);
		index_finish(ix, st);
		return -1;
	}
	*ret_row = rc == SQLITE_ROW;
	return 0;
}

void index_finish(struct index *ix, enum statement st)
{
	sqlite3_reset(ix->statements[st]);
	sqlite3_clear_bindings(ix->statements[st]);
}

int index_run(struct index *ix, enum statement st, struct err *err)
{
	bool row;
	int r = index_step(ix, st, &row, err);
	index_finish(ix, st);
	return r;
}

/* --- opening and closing --- */

static int exec(struct index *ix, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(ix->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : index_fail(ix, rc, err);
}

static int query_int(struct index *ix, const char *sql, int64_t *ret, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(ix->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 0 : index_fail(ix, rc, err);
}

static int check_schema(struct index *ix, struct err *err)
{
	int64_t tables, application, version;
	if (query_int(ix, "SELECT count(*) FROM sqlite_schema", &tables, err) != 0 ||
		query_int(ix, "PRAGMA application_id", &application, err) != 0 ||
		query_int(ix, "PRAGMA user_version", &version, err) != 0)
		return -1;
	if (tables == 0)
		return exec(ix, INDEX_SCHEMA, err);
	if (application != INDEX_APPLICATION_ID || version != INDEX_SCHEMA_VERSION)
		return index_fail_value(ix, err); /* of use to another version only */
	return 0;
}

static int prepare(struct index *ix, struct err *err)
{
	for (int i = 0; i < ST_COUNT; i++) {
		int rc = sqlite3_prepare_v3(ix->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			&ix->statements[i], NULL);
		if (rc == SQLITE_ERROR)
			return index_fail_value(
				ix, err); /* the tables are not what they should be */
		if (rc != SQLITE_OK)
			return index_fail(ix, rc, err);
	}
	return 0;
}

static int open_once(const char *path, struct index **ret, bool *ret_damaged, struct err *err)
{
	struct index *ix = calloc(1, sizeof *ix);
	char *copy = strdup(path);
	if (!ix || !copy) {
		free(ix);
		free(copy);
		return err_nomem(err);
	}
	ix->path = copy;
	int rc = sqlite3_open_v2(path, &ix->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		index_fail(ix, rc, err);
	else if (exec(ix, INDEX_PRAGMAS, err) == 0 && check_schema(ix, err) == 0 &&
		 prepare(ix, err) == 0) {
		*ret = ix;
		return 0;
	}
	*ret_damaged = ix->damaged;
	index_close(ix);
	return -1;
}

int index_open(const char *path, struct index **ret, struct err *err)
{
	bool damaged = false;
	struct err first;
	if (open_once(path, ret, &damaged, &first) == 0)
		return 0;
	if (damaged)
		return open_once(path, ret, &damaged, err); /* closing has deleted it */
	return err_set(err, first.code, "%s", first.text);
}

void index_close(struct index *ix)
{
	if (!ix)
		return;
	for (int i = 0; i < ST_COUNT; i++)
		sqlite3_finalize(ix->statements[i]);
	sqlite3_close(ix->db);
	struct err ignored; /* what cannot be deleted is found damaged again */
	if (ix->damaged)
		(void)!index_remove(ix->path, &ignored);
	free(ix->path);
	free(ix);
}

int index_remove(const char *path, struct err *err)
{
	/* The database first: SQLite throws a log without one away, but would believe a database
	 * whose log is gone. */
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		char *name = NULL;
		if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
			return err_nomem(err);
		int r = file_remove(name, err);
		free(name);
		if (r != 0)
			return -1;
	}
	return 0;
}

bool index_damaged(const struct index *ix)
{
	return ix->damaged;
}

/* --- transactions --- */

bool index_pending(const struct index *ix)
{
	return sqlite3_get_autocommit(ix->db) == 0;
}

int index_begin(struct index *ix, struct err *err)
{
	return index_pending(ix) ? 0 : index_run(ix, ST_BEGIN, err);
}

int index_record_begin(struct index *ix, struct err *err)
{
	if (index_begin(ix, err) != 0)
		return -1;
	return index_run(ix, ST_SAVE, err);
}

int index_record_keep(struct index *ix, struct err *err)
{
	return index_run(ix, ST_KEEP, err);
}

void index_record_drop(struct index *ix)
{
	struct err ignored;
	if (index_pending(ix) &&
		(index_run(ix, ST_DROP, &ignored) != 0 || index_run(ix, ST_KEEP, &ignored) != 0))
		index_rollback(ix);
}

int index_commit(struct index *ix, struct err *err)
{
	return index_pending(ix) ? index_run(ix, ST_COMMIT, err) : 0;
}

void index_rollback(struct index *ix)
{
	struct err ignored;
	if (index_pending(ix))
		(void)!index_run(ix, ST_ROLLBACK, &ignored);
}
