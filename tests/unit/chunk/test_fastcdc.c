#include "common/chunk/fastcdc.h"

#include "common/chunk/limits.h"
#include "tests/support/test.h"
#include "tests/unit/chunk/samples.h"

#include <stdlib.h>
#include <string.h>

#define CUTS_MAX 512

/* Feeds `step` bytes at a time; returns the number of cuts, their offsets in ret. */
static size_t cuts_of(const uint8_t *bytes, size_t n, size_t step, size_t ret[CUTS_MAX])
{
	struct fastcdc f = { 0 };
	size_t n_cuts = 0;

	for (size_t i = 0; i < n;) {
		bool cut;
		size_t k = fastcdc_next(&f, bytes + i, min_size(step, n - i), &cut);

		assert_in_range(k, 1, min_size(step, n - i));
		i += k;
		if (!cut)
			continue;
		assert_true(n_cuts < CUTS_MAX);
		ret[n_cuts++] = i;
	}
	return n_cuts;
}

static void the_cuts_of_known_bytes_are_those_of_the_format(void **state)
{
	static const size_t lengths[] = { 22291, 21070, 25214, 23737, 16989, 25075, 16715, 25902,
		18125, 17993, 30070, 24033, 18307, 5485, 17820, 8272, 22844, 20235, 17028 };
	size_t n = 400000, cuts[CUTS_MAX], at = 0;
	uint8_t *bytes = malloc(n);

	(void)state;
	samples_random(bytes, n, 1);
	assert_int_equal(cuts_of(bytes, n, n, cuts), ARRAY_LEN(lengths));
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		at += lengths[i];
		assert_int_equal(cuts[i], at);
	}
	free(bytes);
}

static void cuts_do_not_depend_on_how_the_bytes_are_fed(void **state)
{
	static const size_t steps[] = { 1, 2, 3, 5, 63, 64, 65, 4095, 4096, 65537 };
	size_t n = 1000000, whole[CUTS_MAX], pieces[CUTS_MAX];
	uint8_t *bytes = malloc(n);

	(void)state;
	samples_random(bytes, n, 2);
	size_t n_whole = cuts_of(bytes, n, n, whole);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(cuts_of(bytes, n, steps[i], pieces), n_whole);
		assert_memory_equal(whole, pieces, n_whole * sizeof(whole[0]));
	}
	free(bytes);
}

static void chunks_keep_the_limits_and_come_near_the_average(void **state)
{
	size_t n = 4000000, cuts[CUTS_MAX], last = 0;
	uint8_t *bytes = malloc(n);

	(void)state;
	samples_random(bytes, n, 3);
	size_t n_cuts = cuts_of(bytes, n, n, cuts);
	for (size_t i = 0; i < n_cuts; i++) {
		assert_in_range(cuts[i] - last, CHUNK_MIN, CHUNK_MAX);
		last = cuts[i];
	}
	assert_in_range(n / n_cuts, CHUNK_AVG, CHUNK_AVG * 5 / 4);
	free(bytes);
}

static void bytes_without_any_change_are_cut_at_the_maximum(void **state)
{
	size_t n = 3 * CHUNK_MAX + 1, cuts[CUTS_MAX];
	uint8_t *bytes = calloc(n, 1);

	(void)state;
	for (int value = 0; value < 256; value++) {
		memset(bytes, value, n);
		assert_int_equal(cuts_of(bytes, n, n, cuts), 3);
		assert_int_equal(cuts[0], CHUNK_MAX);
		assert_int_equal(cuts[2], 3 * CHUNK_MAX);
	}
	free(bytes);
}

static void a_byte_put_in_moves_few_cuts(void **state)
{
	size_t n = 2000000, at = 700000, before[CUTS_MAX], after[CUTS_MAX], same = 0;
	uint8_t *bytes = malloc(n + 1);

	(void)state;
	samples_random(bytes, n, 4);
	size_t n_before = cuts_of(bytes, n, n, before);
	memmove(bytes + at + 1, bytes + at, n - at);
	bytes[at] = 'x';
	size_t n_after = cuts_of(bytes, n + 1, n + 1, after);
	for (size_t i = 0; i < n_before; i++)
		for (size_t k = 0; k < n_after; k++)
			same += after[k] == before[i] + (before[i] > at ? 1 : 0);
	assert_in_range(n_before - same, 0, 4);
	free(bytes);
}

RUN_TESTS(TEST(the_cuts_of_known_bytes_are_those_of_the_format),
	TEST(cuts_do_not_depend_on_how_the_bytes_are_fed),
	TEST(chunks_keep_the_limits_and_come_near_the_average),
	TEST(bytes_without_any_change_are_cut_at_the_maximum), TEST(a_byte_put_in_moves_few_cuts))
