/* Not a benchmark: prints what the index does with fifty thousand chunks, and checks the answers.
 */
#include "common/base/file.h"
#include "tests/unit/store/store_fixture.h"

#include <stdlib.h>
#include <time.h>

enum { RECORDS = 100, CHUNKS = 500, LEN = 1000 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double put_all(struct store *s)
{
	double spent = 0;
	struct err err = { 0 };
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct sample sample;
		sample_make(&sample, i, CHUNKS, LEN);
		double start = now();
		assert_ok(store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err), &err);
		if (i % 8 == 7 || i + 1 == RECORDS)
			assert_ok(store_sync(s, &err), &err);
		spent += now() - start;
		sample_done(&sample);
	}
	return spent;
}

static double ask_all(struct store *s, const struct digest *names, bool by_short)
{
	struct err err = { 0 };
	double start = now();
	for (size_t i = 0; i < RECORDS * CHUNKS; i++) {
		struct store_place at;
		bool found = false;
		if (by_short)
			assert_ok(store_has_short(s, digest_short(&names[i]), NULL, &found, &err),
				&err);
		else
			assert_ok(store_find(s, &names[i], NULL, &at, &found, &err), &err);
		assert_true(found);
	}
	return now() - start;
}

static void fifty_thousand_chunks(void **state)
{
	(void)state;
	const double n = RECORDS * CHUNKS;
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir);
	struct digest *names = calloc(RECORDS * CHUNKS, sizeof *names);
	assert_non_null(names);
	for (size_t i = 0; i < RECORDS * CHUNKS; i++)
		names[i] = sample_name(i / CHUNKS, i % CHUNKS, LEN);
	print_message("# put and synced: %.0f chunks/s\n", n / put_all(s));
	print_message("# found: %.0f/s\n", n / ask_all(s, names, false));
	print_message("# found by short name: %.0f/s\n", n / ask_all(s, names, true));
	store_close(s);
	char *index = file_join(dir, "index.db");
	struct err err = { 0 };
	assert_ok(file_remove(index, &err), &err);
	double start = now();
	s = fixture_open(dir);
	print_message("# index made anew: %.0f chunks/s\n", n / (now() - start));
	assert_int_equal(fixture_stats(s).chunks, RECORDS * CHUNKS);
	free(index);
	free(names);
	store_close(s);
	fixture_remove(dir);
}

RUN_TESTS(TEST(fifty_thousand_chunks))
