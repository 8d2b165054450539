#include "common/chunk/digest.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static void the_digest_of_abc_is_the_one_in_the_standard(void **state)
{
	char text[DIGEST_TEXT_LEN + 1];
	struct digest d = digest_of("abc", 3);

	(void)state;
	digest_text(&d, text);
	assert_string_equal(
		text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_hasher_fed_in_pieces_agrees_and_starts_anew(void **state)
{
	struct hasher *h = hasher_new();
	struct digest whole = digest_of("abc", 3), once, twice;

	(void)state;
	assert_non_null(h);
	hasher_update(h, "a", 1);
	hasher_update(h, "bc", 2);
	once = hasher_end(h);
	hasher_update(h, "abc", 3);
	twice = hasher_end(h);
	assert_true(digest_equal(&once, &whole));
	assert_true(digest_equal(&twice, &whole));
	hasher_free(h);
}

static void only_lower_case_sha256_texts_of_the_right_length_parse(void **state)
{
	static const char good[] =
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct digest d;
	struct err err = { 0 };
	char bad[sizeof(good) + 2];

	(void)state;
	assert_ok(digest_parse(good, &d, &err), &err);
	memcpy(bad, good, sizeof(good));
	bad[10] = 'A';
	assert_fails(digest_parse(bad, &d, &err), &err, ERR_PROTOCOL);
	memcpy(bad, good, sizeof(good));
	bad[sizeof(good) - 2] = '\0';
	assert_fails(digest_parse(bad, &d, &err), &err, ERR_PROTOCOL);
	assert_fails(digest_parse("sha512:00", &d, &err), &err, ERR_PROTOCOL);
	assert_fails(digest_parse("", &d, &err), &err, ERR_PROTOCOL);
}

static void a_chain_of_one_layer_is_its_diff_id(void **state)
{
	struct digest a = digest_of("a", 1), b = digest_of("b", 1);
	struct digest one = digest_chain(NULL, &a), two = digest_chain(&one, &b);
	char text[200], ta[DIGEST_TEXT_LEN + 1], tb[DIGEST_TEXT_LEN + 1];
	struct digest expected;

	(void)state;
	assert_true(digest_equal(&one, &a));
	digest_text(&a, ta);
	digest_text(&b, tb);
	snprintf(text, sizeof(text), "%s %s", ta, tb);
	expected = digest_of(text, strlen(text));
	assert_true(digest_equal(&two, &expected));
}

RUN_TESTS(TEST(the_digest_of_abc_is_the_one_in_the_standard),
	TEST(a_hasher_fed_in_pieces_agrees_and_starts_anew),
	TEST(only_lower_case_sha256_texts_of_the_right_length_parse),
	TEST(a_chain_of_one_layer_is_its_diff_id))
