#include "common/store/raw_cache.h"
#include "tests/support/test.h"

#include <string.h>

static struct segment head(unsigned number, uint32_t len)
{
	return (struct segment){ .raw_len = len,
		.stored_digest = digest_of(&number, sizeof(number)) };
}

static void put(struct raw_cache *c, unsigned number, uint32_t len)
{
	struct segment h = head(number, len);
	struct raw_segment *s = raw_segment_new(&h);

	assert_non_null(s);
	memset(s->bytes, (int)number, len);
	raw_cache_put(c, s);
	raw_segment_unref(s);
}

static bool has(struct raw_cache *c, unsigned number, uint32_t len)
{
	struct segment h = head(number, len);
	struct raw_segment *s = raw_cache_get(c, &h);
	bool found = s != NULL;

	if (s)
		assert_int_equal(s->bytes[len - 1], number);
	raw_segment_unref(s);
	return found;
}

static void what_was_put_is_found_by_its_hash_and_length(void **state)
{
	struct raw_cache *c = raw_cache_new();

	(void)state;
	put(c, 1, 100);
	put(c, 2, 200);
	assert_true(has(c, 1, 100));
	assert_true(has(c, 2, 200));
	assert_false(has(c, 1, 101));
	assert_false(has(c, 3, 100));
	raw_cache_free(c);
}

static void the_oldest_goes_when_there_are_too_many_bytes(void **state)
{
	struct raw_cache *c = raw_cache_new();
	const uint32_t len = 1u << 20;
	const unsigned fit = RAW_CACHE_BYTES / len;

	(void)state;
	for (unsigned i = 0; i <= fit; i++)
		put(c, i, len);
	assert_false(has(c, 0, len));
	for (unsigned i = 1; i <= fit; i++)
		assert_true(has(c, i, len));
	raw_cache_free(c);
}

static void what_is_in_use_stays_when_the_cache_lets_go_of_it(void **state)
{
	struct raw_cache *c = raw_cache_new();
	struct segment h = head(7, 50);
	struct raw_segment *s;

	(void)state;
	put(c, 7, 50);
	s = raw_cache_get(c, &h);
	for (unsigned i = 100; i < 300; i++)
		put(c, i, 10);
	assert_false(has(c, 7, 50));
	assert_int_equal(s->bytes[49], 7);
	raw_cache_free(c);
	assert_int_equal(s->bytes[49], 7);
	raw_segment_unref(s);
}

RUN_TESTS(TEST(what_was_put_is_found_by_its_hash_and_length),
	TEST(the_oldest_goes_when_there_are_too_many_bytes),
	TEST(what_is_in_use_stays_when_the_cache_lets_go_of_it))
