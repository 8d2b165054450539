#include "common/store/pack.h"
#include "tests/unit/store/store_fixture.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct store_place place_of(struct store *s, const struct digest *name)
{
	struct err err = { 0 };
	struct store_place at = { 0 };
	bool found = false;
	assert_ok(store_find(s, name, NULL, &at, &found, &err), &err);
	assert_true(found);
	return at;
}

static void it_holds_few_segments_and_reads_them_again(void **state)
{
	(void)state;
	enum { N = 3 * STORE_READER_SEGMENTS };
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	for (uint64_t i = 0; i < N; i++)
		sample_put(s, i, 4, 1000);
	for (int round = 0; round < 3; round++)
		for (uint64_t i = 0; i < N; i++)
			sample_check(s, r, round == 1 ? N - 1 - i : i, 4, 1000);
	store_reader_free(r);
	store_reader_free(NULL);
	store_close(s);
	fixture_remove(dir);
}

static int open_files(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void it_keeps_at_most_eight_packs_open(void **state)
{
	(void)state;
	enum { N = 20 };
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	sample_put(s, 1, 2, 500);
	store_close(s);
	/* Further packs, each with a record of its own. */
	for (uint32_t i = 2; i <= N; i++) {
		struct pack p;
		struct sample sample;
		sample_make(&sample, i, 2, 500);
		assert_ok(pack_create(fixture_path(dir, "packs"), i, &p, &err), &err);
		assert_ok(pack_append(&p, buf_bytes(&sample.record), buf_len(&sample.record), &err),
			&err);
		pack_close(&p);
		sample_done(&sample);
	}
	s = fixture_open(dir);
	assert_int_equal(fixture_stats(s).packs, N);
	struct store_reader *r = fixture_reader(dir);
	int before = open_files();
	for (int round = 0; round < 2; round++)
		for (uint64_t i = 1; i <= N; i++)
			sample_check(s, r, i, 2, 500);
	assert_in_range(open_files(), before, before + 8);
	store_reader_free(r);
	assert_int_equal(open_files(), before);
	store_close(s);
	fixture_remove(dir);
}

static void a_wrong_place_is_corrupt(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	struct err err = { 0 };
	struct digest name = sample_name(1, 1, 100), other = sample_name(1, 0, 100);
	const uint8_t *bytes = NULL;
	sample_put(s, 1, 2, 100);
	sample_put(s, 3, 2, 100);
	struct store_place good = place_of(s, &name), at[12];
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		at[i] = good;
	at[0].pack = 0;
	at[1].pack = 2; /* there is no such file */
	at[2].record_offset++;
	at[3].record_offset = fixture_size(fixture_path(dir, FIXTURE_PACK1));
	at[4].record_offset = UINT64_MAX;
	at[5].record_offset = fixture_size(fixture_path(dir, FIXTURE_PACK1)) - good.record_len + 1;
	at[6].record_len--;
	at[7].record_len = 0;
	at[8].record_len = UINT32_MAX;
	at[9].offset++;
	at[10].len++;
	at[11].offset = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		for (int warm = 0; warm < 2; warm++) {
			assert_fails(store_reader_chunk(r, &name, &at[i], &bytes, &err), &err,
				ERR_CORRUPT);
			assert_null(bytes);
		}
	}
	assert_fails(store_reader_chunk(r, &other, &good, &bytes, &err), &err, ERR_CORRUPT);
	sample_check(s, r, 1, 2, 100);
	store_reader_free(r);
	store_close(s);
	fixture_remove(dir);
}

static void every_damaged_byte_is_noticed(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct err err = { 0 };
	struct digest name = sample_name(1, 0, 50);
	const uint8_t *bytes = NULL;
	sample_put(s, 1, 1, 50);
	struct store_place at = place_of(s, &name);
	for (uint64_t i = 0; i < at.record_len; i++) {
		struct store_reader *r = fixture_reader(dir);
		fixture_flip(fixture_path(dir, FIXTURE_PACK1), at.record_offset + i, 0x10);
		assert_fails(store_reader_chunk(r, &name, &at, &bytes, &err), &err, ERR_CORRUPT);
		fixture_flip(fixture_path(dir, FIXTURE_PACK1), at.record_offset + i, 0x10);
		assert_ok(store_reader_chunk(r, &name, &at, &bytes, &err), &err);
		store_reader_free(r);
	}
	store_close(s);
	fixture_remove(dir);
}

RUN_TESTS(TEST(it_holds_few_segments_and_reads_them_again), TEST(it_keeps_at_most_eight_packs_open),
	TEST(a_wrong_place_is_corrupt), TEST(every_damaged_byte_is_noticed))
