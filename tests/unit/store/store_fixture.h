/* What the store's tests share: a directory of their own, records made from a number, and a check
 * that a record is found and reads back right. */
#pragma once

#include "common/store/store.h"
#include "tests/support/test.h"

/* Makes a new directory under /tmp and returns its name; released by fixture_remove. */
char *fixture_dir(void);

/* As fixture_dir, in memory if the system has such a place: for few bytes and many syncs. */
char *fixture_quick_dir(void);
void fixture_remove(char *dir);

/* "<dir>/<name>" in a buffer of the fixture; four calls later it is used again. */
const char *fixture_path(const char *dir, const char *name);

#define FIXTURE_PACK1 "packs/00000001.pack"
#define FIXTURE_PACK2 "packs/00000002.pack"

uint64_t fixture_size(const char *path);
void fixture_copy(const char *from, const char *to);

/* Flips the bits of `mask` in one byte of the file. */
void fixture_flip(const char *path, uint64_t offset, uint8_t mask);

/* A record of `n` chunks of `len` bytes each; both follow from `number` alone. */
struct sample {
	uint64_t number;
	size_t n, len;
	struct buf record;
	struct segment seg;
};
void sample_make(struct sample *ret, uint64_t number, size_t n, size_t len);
void sample_done(struct sample *s);
void sample_bytes(uint64_t number, size_t i, uint8_t *bytes, size_t len);
struct digest sample_name(uint64_t number, size_t i, size_t len);

/* Puts the record `number` into the store. */
void sample_put(struct store *s, uint64_t number, size_t n, size_t len);

/* All its chunks are found and hold the right bytes. */
void sample_check(struct store *s, struct store_reader *r, uint64_t number, size_t n, size_t len);

/* How many of its chunks are found. */
size_t sample_count(struct store *s, uint64_t number, size_t n, size_t len);

struct store *fixture_open(const char *dir);
struct store_reader *fixture_reader(const char *dir);
struct store_stats fixture_stats(struct store *s);
