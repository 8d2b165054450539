#include "protocol/base32.h"
#include "protocol/key_text.h"
#include "tests/support/test.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

static uint8_t key[KEY_LEN];

static void the_letters_are_those_of_rfc_4648(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = { { "", "" }, { "f", "my" }, { "fo", "mzxq" }, { "foo", "mzxw6" },
		{ "foob", "mzxw6yq" }, { "fooba", "mzxw6ytb" }, { "foobar", "mzxw6ytboi" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = strlen(cases[i].bytes), len;
		uint8_t back[16];
		char text[16] = "";

		base32_encode((const uint8_t *)cases[i].bytes, n, text);
		assert_string_equal(text, cases[i].text);
		assert_int_equal(strlen(text), BASE32_LEN(n));
		assert_true(base32_decode(text, strlen(text), back, &len));
		assert_int_equal(len, n);
		assert_memory_equal(back, cases[i].bytes, n);
	}
}

static void every_letter_has_its_value_and_no_other_byte_has_one(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		const char text[2] = { (char)c, 'a' };
		const char *found = c ? strchr(letters, tolower((int)c)) : NULL;
		uint8_t byte;
		size_t len;

		assert_int_equal(base32_decode(text, 2, &byte, &len), found != NULL);
		if (found)
			assert_int_equal(byte, (found - letters) << 3);
	}
}

static void one_byte_string_has_one_text(void **state)
{
	static const char *const wrong[] = { "a", "aaa", "aaaaaa", "mz", "mzxr", "mzxw7", "mzxw6yr",
		"mzxw6yq=", "my======" };
	uint8_t back[16];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		if (base32_decode(wrong[i], strlen(wrong[i]), back, &len))
			fail_msg("'%s' was decoded", wrong[i]);
	}
}

static void keys_come_back_in_either_case(void **state)
{
	char text[KEY_TEXT_LEN + 1];
	struct err err = { 0 };
	uint8_t back[KEY_LEN];

	(void)state;
	for (int round = 0; round < 200; round++) {
		randombytes_buf(key, sizeof(key));
		key_text_public(key, text);
		assert_int_equal(strlen(text), KEY_TEXT_LEN);
		assert_ok(key_text_parse_public(text, KEY_TEXT_LEN, back, &err), &err);
		assert_memory_equal(back, key, KEY_LEN);
		key_text_secret(key, text);
		for (char *at = text; *at; at++)
			*at = (char)toupper(*at);
		assert_ok(key_text_parse_secret(text, KEY_TEXT_LEN, back, &err), &err);
		assert_memory_equal(back, key, KEY_LEN);
	}
}

/* Computed once with Python's hashlib.blake2b and base64.b32encode. */
static void the_text_of_a_known_key_is_this(void **state)
{
	char text[KEY_TEXT_LEN + 1];

	(void)state;
	for (size_t i = 0; i < KEY_LEN; i++)
		key[i] = (uint8_t)i;
	key_text_public(key, text);
	assert_string_equal(
		text, "dray-pk1:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypwaoa");
	key_text_secret(key, text);
	assert_string_equal(
		text, "dray-sk1:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dyp5kza");
}

static void public_and_secret_keys_are_not_mistaken_for_each_other(void **state)
{
	char text[KEY_TEXT_LEN + 1];
	struct err err = { 0 };
	uint8_t back[KEY_LEN];

	(void)state;
	key_text_secret(key, text);
	assert_fails(key_text_parse_public(text, KEY_TEXT_LEN, back, &err), &err, ERR_USAGE);
	text[5] = 'p'; /* dray-pk1: before a secret key: its check does not match */
	assert_fails(key_text_parse_public(text, KEY_TEXT_LEN, back, &err), &err, ERR_USAGE);
}

static void every_wrong_letter_is_noticed(void **state)
{
	char text[KEY_TEXT_LEN + 1];
	uint8_t back[KEY_LEN];
	size_t missed = 0;

	(void)state;
	key_text_public(key, text);
	for (size_t i = 0; i < KEY_TEXT_LEN; i++) {
		char right = text[i];

		for (const char *at = "abcdefghijklmnopqrstuvwxyz234567!\n"; *at; at++) {
			struct err err = { 0 };

			text[i] = *at;
			if (*at == right)
				continue;
			if (key_text_parse_public(text, KEY_TEXT_LEN, back, &err) == 0)
				missed++; /* 16 bits of check: 1 in 65536 may pass */
			else
				assert_null(strstr(err.text, text + 20));
		}
		text[i] = right;
	}
	assert_int_equal(missed, 0);
}

static void a_text_of_another_length_is_refused(void **state)
{
	char text[KEY_TEXT_LEN + 2];
	struct err err = { 0 };
	uint8_t back[KEY_LEN];

	(void)state;
	key_text_public(key, text);
	text[KEY_TEXT_LEN] = 'a';
	for (size_t n = 0; n <= KEY_TEXT_LEN + 1; n++) {
		if (n != KEY_TEXT_LEN)
			assert_fails(key_text_parse_public(text, n, back, &err), &err, ERR_USAGE);
	}
}

RUN_TESTS(TEST(the_letters_are_those_of_rfc_4648),
	TEST(every_letter_has_its_value_and_no_other_byte_has_one),
	TEST(one_byte_string_has_one_text), TEST(keys_come_back_in_either_case),
	TEST(the_text_of_a_known_key_is_this),
	TEST(public_and_secret_keys_are_not_mistaken_for_each_other),
	TEST(every_wrong_letter_is_noticed), TEST(a_text_of_another_length_is_refused))
