/* The index's tables and statements. A change of the tables takes a new INDEX_SCHEMA_VERSION: the
 * old database is then deleted and made anew from the packs. */
#pragma once

#define INDEX_APPLICATION_ID 0x64495831 /* "dIX1" */
#define INDEX_SCHEMA_VERSION 3

/* Exclusive locking spares the shared-memory file (the domain has a lock of its own). NORMAL, not
 * OFF: with WAL it syncs only when the log is folded into the database, and after a power loss the
 * index is then old but whole; OFF could leave a torn tree that still answers. FULL would buy
 * the last pins, for the packs hold everything else: a job that needs what went sends it again. */
#define INDEX_PRAGMAS                                                                              \
	"PRAGMA locking_mode=EXCLUSIVE;"                                                           \
	"PRAGMA journal_mode=WAL;"                                                                 \
	"PRAGMA synchronous=NORMAL;"                                                               \
	"PRAGMA cache_size=-8192;" /* KiB */                                                       \
	"PRAGMA journal_size_limit=8388608;"                                                       \
	"PRAGMA cell_size_check=ON;"

#define INDEX_TEXT_1(x) #x
#define INDEX_TEXT(x) INDEX_TEXT_1(x)

/* clang-format off */
#define INDEX_SCHEMA \
	"BEGIN IMMEDIATE;" \
	"CREATE TABLE chunk(name BLOB PRIMARY KEY, segment INTEGER NOT NULL," \
	" place INTEGER NOT NULL) WITHOUT ROWID;" \
	"CREATE TABLE segment(id INTEGER PRIMARY KEY AUTOINCREMENT, pack INTEGER NOT NULL," \
	" offset INTEGER NOT NULL, length INTEGER NOT NULL, chunks INTEGER NOT NULL," \
	" raw INTEGER NOT NULL);" \
	"CREATE INDEX segment_at ON segment(pack, offset);" \
	"CREATE TABLE pack(number INTEGER PRIMARY KEY, length INTEGER NOT NULL," \
	" chunks INTEGER NOT NULL, raw INTEGER NOT NULL, damaged INTEGER NOT NULL," \
	" used INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0);" \
	"CREATE TABLE blob(digest BLOB PRIMARY KEY, size INTEGER NOT NULL," \
	" record BLOB NOT NULL) WITHOUT ROWID;" \
	"CREATE INDEX blob_record ON blob(record);" \
	"CREATE TABLE need(digest BLOB NOT NULL, pack INTEGER NOT NULL," \
	" PRIMARY KEY(digest, pack)) WITHOUT ROWID;" \
	"CREATE INDEX need_pack ON need(pack);" \
	"CREATE TABLE manifest(chunk BLOB PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL," \
	" time INTEGER NOT NULL) WITHOUT ROWID;" \
	"CREATE TABLE pin(owner BLOB NOT NULL, pack INTEGER NOT NULL, expires INTEGER NOT NULL," \
	" PRIMARY KEY(owner, pack)) WITHOUT ROWID;" \
	"CREATE TABLE snapshot(id BLOB PRIMARY KEY, time INTEGER NOT NULL, host TEXT NOT NULL," \
	" key TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, total INTEGER NOT NULL," \
	" new INTEGER NOT NULL) WITHOUT ROWID;" \
	"CREATE INDEX snapshot_time ON snapshot(time, id);" \
	"CREATE TABLE root(snapshot BLOB NOT NULL, digest BLOB NOT NULL, list BLOB NOT NULL," \
	" depth INTEGER NOT NULL, PRIMARY KEY(snapshot, digest)) WITHOUT ROWID;" \
	"CREATE INDEX root_digest ON root(digest);" \
	"CREATE TABLE tombstone(id BLOB PRIMARY KEY, chunk BLOB NOT NULL) WITHOUT ROWID;" \
	"CREATE TABLE doubt(hold INTEGER NOT NULL);" \
	"INSERT INTO doubt VALUES(0);" \
	"PRAGMA application_id=" INDEX_TEXT(INDEX_APPLICATION_ID) ";" \
	"PRAGMA user_version=" INDEX_TEXT(INDEX_SCHEMA_VERSION) ";" \
	"COMMIT;"
/* clang-format on */

/* X(name, SQL). A snapshot with a tombstone is one that was forgotten, whichever is read first. */
#define INDEX_SNAPSHOT_STATEMENTS(X)                                                               \
	X(SNAPSHOT, "INSERT OR REPLACE INTO snapshot SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"        \
		    " WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE id = ?1)")                   \
	X(ROOT, "INSERT OR REPLACE INTO root SELECT ?1, ?2, ?3, ?4"                                \
		" WHERE EXISTS (SELECT 1 FROM snapshot WHERE id = ?1)")                            \
	X(TOMBSTONE, "INSERT OR REPLACE INTO tombstone VALUES(?1, ?2)")                            \
	X(DROP_SNAPSHOT, "DELETE FROM snapshot WHERE id = ?1")                                     \
	X(DROP_ROOTS, "DELETE FROM root WHERE snapshot = ?1")                                      \
	X(SNAPSHOTS, "SELECT id, time, host, key, kind, name, total, new FROM snapshot"            \
		     " WHERE time BETWEEN ?1 AND ?2 ORDER BY time, id")                            \
	X(ONE_SNAPSHOT, "SELECT id, time, host, key, kind, name, total, new FROM snapshot"         \
			" WHERE id = ?1")                                                          \
	X(ROOTS, "SELECT digest, list, depth FROM root WHERE snapshot = ?1")                       \
	X(ROOT_OF, "SELECT list, depth FROM root WHERE digest = ?1 LIMIT 1")                       \
	X(TOMBSTONES, "SELECT DISTINCT chunk FROM tombstone")                                      \
	X(HOLD_ALL, "UPDATE pack SET held = 1")                                                    \
	X(DOUBT, "UPDATE doubt SET hold = ?1")                                                     \
	X(ANY_SNAPSHOT, "SELECT EXISTS (SELECT 1 FROM snapshot)")                                  \
	X(IN_DOUBT, "SELECT hold FROM doubt")                                                      \
	X(MARK, "SELECT segment, place FROM chunk WHERE name = ?1")                                \
	X(MARK_TABLE, "SELECT id, pack, length, chunks, raw FROM segment WHERE id > ?1"            \
		      " ORDER BY id LIMIT 4096")                                                   \
	X(SEGMENT_IDS, "SELECT id, offset, length, chunks, raw FROM segment WHERE pack = ?1 "      \
		       "ORDER BY offset")

/* X(name, SQL) */
#define INDEX_STATEMENTS(X)                                                                        \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")                                                                    \
	X(SAVE, "SAVEPOINT record")                                                                \
	X(KEEP, "RELEASE record")                                                                  \
	X(DROP, "ROLLBACK TO record")                                                              \
	X(FIND, "SELECT s.pack, s.offset, s.length, c.place FROM chunk c"                          \
		" JOIN segment s ON s.id = c.segment WHERE c.name = ?1")                           \
	X(SHORT, "SELECT name, segment FROM chunk WHERE name >= ?1 ORDER BY name LIMIT 1")         \
	X(NEXT_BLOB, "SELECT digest FROM blob WHERE digest > ?1 ORDER BY digest LIMIT 1")          \
	X(FIND_BLOB, "SELECT record FROM blob WHERE digest = ?1")                                  \
	X(PACKS, "SELECT number, length, damaged, used, held FROM pack ORDER BY number")           \
	X(TOTALS, "SELECT count(*), coalesce(sum(length), 0), coalesce(sum(chunks), 0),"           \
		  " coalesce(sum(raw), 0), coalesce(sum(damaged), 0), (SELECT count(*) FROM "      \
		  "blob), (SELECT count(*) FROM manifest), (SELECT count(*) FROM snapshot) FROM "  \
		  "pack")                                                                          \
	X(SEGMENT, "INSERT INTO segment(pack, offset, length, chunks, raw) VALUES(?1, ?2, ?3, "    \
		   "?4, ?5)")                                                                      \
	X(CHUNK, "INSERT OR IGNORE INTO chunk VALUES(?1, ?2, ?3)")                                 \
	X(PACK, "INSERT INTO pack(number, length, chunks, raw, damaged, held) VALUES(?1, ?2, ?3, " \
		"?4, ?5, (SELECT hold FROM doubt))"                                                \
		" ON CONFLICT(number) DO UPDATE SET"                                               \
		" length = ?2, chunks = chunks + ?3, raw = raw + ?4, damaged = damaged + ?5")      \
	X(BLOB, "INSERT OR REPLACE INTO blob VALUES(?1, ?2, ?3)")                                  \
	X(MANIFEST, "INSERT OR REPLACE INTO manifest VALUES(?1, ?2, ?3, ?4)")                      \
	X(SEGMENT_PACK, "SELECT pack FROM segment WHERE id = ?1")                                  \
	X(SEGMENT_AT, "SELECT id FROM segment WHERE pack = ?1 AND offset = ?2")                    \
	X(SEGMENTS, "SELECT offset, length FROM segment WHERE pack = ?1 ORDER BY offset")          \
	X(TALLY, "SELECT count(*), coalesce(sum(place & 2097151), 0) FROM chunk WHERE segment = "  \
		 "?1")                                                                             \
	X(DROP_CHUNK, "DELETE FROM chunk WHERE name = ?1 AND segment = ?2")                        \
	X(DROP_CHUNKS, "DELETE FROM chunk WHERE segment = ?1")                                     \
	X(DROP_PACK_CHUNKS,                                                                        \
		"DELETE FROM chunk WHERE segment IN (SELECT id FROM segment WHERE pack = ?1)")     \
	X(DROP_SEGMENT, "DELETE FROM segment WHERE id = ?1")                                       \
	X(DROP_SEGMENTS, "DELETE FROM segment WHERE pack = ?1")                                    \
	X(LESSEN_PACK, "UPDATE pack SET chunks = chunks - ?2, raw = raw - ?3 WHERE number = ?1")   \
	X(DROP_PACK, "DELETE FROM pack WHERE number = ?1")                                         \
	X(DROP_BLOBS,                                                                              \
		"DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE name = record)")     \
	X(DROP_MANIFESTS, "DELETE FROM manifest WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE name " \
			  "= manifest.chunk)")                                                     \
	X(NEED, "INSERT OR IGNORE INTO need VALUES(?1, ?2)")                                       \
	X(NEEDS, "SELECT pack FROM need WHERE digest = ?1")                                        \
	X(DROP_NEEDS,                                                                              \
		"DELETE FROM need WHERE digest IN (SELECT digest FROM need WHERE pack = ?1)")      \
	X(FORGET_NEEDS, "DELETE FROM need WHERE digest = ?1")                                      \
	X(PIN, "INSERT OR REPLACE INTO pin VALUES(?1, ?2, ?3)")                                    \
	X(UNPIN, "DELETE FROM pin WHERE owner = ?1")                                               \
	X(UNPIN_PACK, "DELETE FROM pin WHERE pack = ?1")                                           \
	X(PINS_OF, "SELECT pack FROM pin WHERE owner = ?1")                                        \
	X(PINNED, "SELECT pack, owner FROM pin WHERE expires > ?1")                                \
	X(DROP_PINS,                                                                               \
		"DELETE FROM pin WHERE expires <= ?1 OR pack NOT IN (SELECT number FROM pack)")    \
	X(CLAMP_PINS, "UPDATE pin SET expires = ?1 WHERE expires > ?1")                            \
	X(USE_PACK, "UPDATE pack SET used = ?2, held = ?3 WHERE number = ?1")                      \
	X(FIND_PACK, "SELECT length, damaged, used, chunks, held FROM pack WHERE number = ?1")     \
	X(IN_NEED, "SELECT digest FROM need WHERE pack = ?1")                                      \
	X(DROP_BLOB, "DELETE FROM blob WHERE digest = ?1")                                         \
	X(DROP_BLOB_OF, "DELETE FROM blob WHERE record = ?1")                                      \
	X(DROP_MANIFEST, "DELETE FROM manifest WHERE chunk = ?1")                                  \
	INDEX_SNAPSHOT_STATEMENTS(X)
