/* The index's tables and statements. A change of the tables takes a new INDEX_SCHEMA_VERSION: the
 * old database is then deleted and made anew from the packs. */
#pragma once

#define INDEX_APPLICATION_ID 0x64495831 /* "dIX1" */
#define INDEX_SCHEMA_VERSION 1

/* Exclusive locking spares the shared-memory file (the domain has a lock of its own). NORMAL, not
 * OFF: with WAL it syncs only when the log is folded into the database, and after a power loss the
 * index is then old but whole; OFF could leave a torn tree that still answers. FULL would buy
 * nothing, for the packs hold everything. */
#define INDEX_PRAGMAS                                                                              \
	"PRAGMA locking_mode=EXCLUSIVE;"                                                           \
	"PRAGMA journal_mode=WAL;"                                                                 \
	"PRAGMA synchronous=NORMAL;"                                                               \
	"PRAGMA cache_size=-8192;" /* KiB */                                                       \
	"PRAGMA journal_size_limit=8388608;"                                                       \
	"PRAGMA cell_size_check=ON;"

#define INDEX_TEXT_1(x) #x
#define INDEX_TEXT(x) INDEX_TEXT_1(x)

#define INDEX_SCHEMA                                                                               \
	"BEGIN IMMEDIATE;"                                                                         \
	"CREATE TABLE chunk(name BLOB PRIMARY KEY, segment INTEGER NOT NULL,"                      \
	" place INTEGER NOT NULL) WITHOUT ROWID;"                                                  \
	"CREATE TABLE segment(id INTEGER PRIMARY KEY, pack INTEGER NOT NULL,"                      \
	" offset INTEGER NOT NULL, length INTEGER NOT NULL);"                                      \
	"CREATE TABLE pack(number INTEGER PRIMARY KEY, length INTEGER NOT NULL,"                   \
	" chunks INTEGER NOT NULL, raw INTEGER NOT NULL, damaged INTEGER NOT NULL);"               \
	"CREATE TABLE blob(digest BLOB PRIMARY KEY, size INTEGER NOT NULL,"                        \
	" record BLOB NOT NULL) WITHOUT ROWID;"                                                    \
	"CREATE TABLE manifest(chunk BLOB PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"    \
	" time INTEGER NOT NULL) WITHOUT ROWID;"                                                   \
	"PRAGMA application_id=" INDEX_TEXT(                                                       \
		INDEX_APPLICATION_ID) ";"                                                          \
				      "PRAGMA user_version=" INDEX_TEXT(                           \
					      INDEX_SCHEMA_VERSION) ";"                            \
								    "COMMIT;"

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
	X(SHORT, "SELECT name FROM chunk WHERE name >= ?1 ORDER BY name LIMIT 1")                  \
	X(FIND_BLOB, "SELECT record FROM blob WHERE digest = ?1")                                  \
	X(PACKS, "SELECT number, length, damaged FROM pack ORDER BY number")                       \
	X(TOTALS, "SELECT count(*), coalesce(sum(length), 0), coalesce(sum(chunks), 0),"           \
		  " coalesce(sum(raw), 0), coalesce(sum(damaged), 0), (SELECT count(*) FROM "      \
		  "blob), (SELECT count(*) FROM manifest) FROM pack")                              \
	X(SEGMENT, "INSERT INTO segment(pack, offset, length) VALUES(?1, ?2, ?3)")                 \
	X(CHUNK, "INSERT OR IGNORE INTO chunk VALUES(?1, ?2, ?3)")                                 \
	X(PACK, "INSERT INTO pack VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(number) DO UPDATE SET"    \
		" length = ?2, chunks = chunks + ?3, raw = raw + ?4, damaged = damaged + ?5")      \
	X(BLOB, "INSERT OR REPLACE INTO blob VALUES(?1, ?2, ?3)")                                  \
	X(MANIFEST, "INSERT OR REPLACE INTO manifest VALUES(?1, ?2, ?3, ?4)")
