#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *new_dir(const char *template)
{
	char *dir = strdup(template);
	assert_non_null(dir);
	if (mkdtemp(dir))
		return dir;
	free(dir);
	return NULL;
}

char *fixture_dir(void)
{
	char *dir = new_dir("/tmp/store-test-XXXXXX");
	assert_non_null(dir);
	return dir;
}

char *fixture_quick_dir(void)
{
	char *dir = new_dir("/dev/shm/store-test-XXXXXX");
	return dir ? dir : fixture_dir();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void fixture_remove(char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

const char *fixture_path(const char *dir, const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	return path;
}

uint64_t fixture_size(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

void fixture_copy(const char *from, const char *to)
{
	static uint8_t bytes[1 << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(in >= 0 && out >= 0);
	ssize_t n;
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	assert_int_equal(n, 0);
	close(in);
	close(out);
}

void fixture_flip(const char *path, uint64_t offset, uint8_t mask)
{
	uint8_t byte;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte = (uint8_t)(byte ^ mask);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

void sample_bytes(uint64_t number, size_t i, uint8_t *bytes, size_t len)
{
	/* Odd records do not compress, even ones do. */
	uint64_t x = (number + 1) * UINT64_C(0x9E3779B97F4A7C15) + i * UINT64_C(0xD1B54A32D192ED03);
	for (size_t at = 0; at < len; at++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[at] = (uint8_t)(number % 2 ? x >> 32 : (x >> 32) % 3);
	}
}

struct digest sample_name(uint64_t number, size_t i, size_t len)
{
	static uint8_t bytes[SEGMENT_RAW_MAX];
	sample_bytes(number, i, bytes, len);
	return digest_of(bytes, len);
}

void sample_make(struct sample *ret, uint64_t number, size_t n, size_t len)
{
	static uint8_t bytes[SEGMENT_RAW_MAX];
	struct err err = { 0 };
	struct segment_builder *b = segment_builder_new();
	assert_non_null(b);
	*ret = (struct sample){ .number = number, .n = n, .len = len };
	buf_init(&ret->record, SEGMENT_RECORD_MAX);
	for (size_t i = 0; i < n; i++) {
		sample_bytes(number, i, bytes, len);
		struct digest name = digest_of(bytes, len);
		assert_ok(segment_builder_add(b, &name, CHUNK_DATA, bytes, len, &err), &err);
	}
	assert_ok(segment_builder_seal(b, 1, &ret->record, &err), &err);
	assert_ok(segment_parse(buf_bytes(&ret->record), buf_len(&ret->record), &ret->seg, &err),
		&err);
	segment_builder_free(b);
}

void sample_done(struct sample *s)
{
	segment_done(&s->seg);
	buf_done(&s->record);
}

void sample_put(struct store *s, uint64_t number, size_t n, size_t len)
{
	struct sample sample;
	struct err err = { 0 };
	sample_make(&sample, number, n, len);
	assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err), &err);
	sample_done(&sample);
}

void sample_check(struct store *s, struct store_reader *r, uint64_t number, size_t n, size_t len)
{
	static uint8_t expected[SEGMENT_RAW_MAX];
	struct err err = { 0 };
	for (size_t i = 0; i < n; i++) {
		sample_bytes(number, i, expected, len);
		struct digest name = digest_of(expected, len);
		struct store_place at;
		bool found = false;
		const uint8_t *bytes = NULL;
		assert_ok(store_find(s, &name, NULL, &at, &found, &err), &err);
		if (!found)
			fail_msg("record %llu, chunk %zu is lost", (unsigned long long)number, i);
		assert_int_equal(at.len, len);
		assert_int_equal(at.kind, CHUNK_DATA);
		assert_ok(store_reader_chunk(r, &name, &at, &bytes, &err), &err);
		assert_memory_equal(bytes, expected, len);
	}
}

size_t sample_count(struct store *s, uint64_t number, size_t n, size_t len)
{
	struct err err = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		struct digest name = sample_name(number, i, len);
		struct store_place at;
		bool found = false;
		assert_ok(store_find(s, &name, NULL, &at, &found, &err), &err);
		count += found;
	}
	return count;
}

struct store *fixture_open(const char *dir)
{
	struct err err = { 0 };
	struct store *s = NULL;
	assert_ok(store_open(dir, &s, &err), &err);
	return s;
}

struct store_reader *fixture_reader(const char *dir)
{
	struct err err = { 0 };
	struct store_reader *r = store_reader_new(dir, &err);
	assert_non_null(r);
	return r;
}

struct store_stats fixture_stats(struct store *s)
{
	struct err err = { 0 };
	struct store_stats stats = { 0 };
	assert_ok(store_stats(s, &stats, &err), &err);
	return stats;
}
