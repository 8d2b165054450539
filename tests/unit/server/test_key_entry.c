#include "protocol/grant.h"
#include "server/keys/key_entry.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define KEY "key=dray-pk1:aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypwaoa"
#define PSK "psk=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define REST "name=web01 group=g grants=push " PSK " created=1700000000"
#define INVITED REST " expires=1700000900 failures=2"

static int parse(const char *line, struct err *err)
{
	struct keyring_entry e;

	return key_entry_parse(line, strlen(line), &e, err);
}

static void a_key_comes_back_as_it_was_put(void **state)
{
	static const char line[] = KEY " " REST " images=web/*,!web/base host=a_b.c";
	struct keyring_entry e, again;
	struct err err = { 0 };
	struct buf b;

	(void)state;
	assert_ok(key_entry_parse(line, strlen(line), &e, &err), &err);
	assert_string_equal(e.name, "web01");
	assert_string_equal(e.group, "g");
	assert_string_equal(e.host, "a_b.c");
	assert_string_equal(e.images.text, "web/*,!web/base");
	assert_int_equal(e.grants, GRANT_PUSH);
	assert_int_equal(e.created, 1700000000);
	assert_int_equal(e.public_key[31], 31);
	assert_int_equal(e.psk[31], 31);
	assert_false(e.revoked);
	buf_init(&b, KEY_ENTRY_LINE_MAX);
	key_entry_put(&b, &e);
	assert_true(buf_ok(&b));
	assert_int_equal(buf_bytes(&b)[buf_len(&b) - 1], '\n');
	assert_ok(key_entry_parse((char *)buf_bytes(&b), buf_len(&b) - 1, &again, &err), &err);
	assert_memory_equal(&again, &e, sizeof(e));
	buf_done(&b);
}

static void an_invitation_comes_back_bound_or_not(void **state)
{
	static const char *const lines[] = { INVITED, INVITED " " KEY };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct keyring_invite v, again;
		struct buf b;

		assert_ok(key_entry_parse_invite(lines[i], strlen(lines[i]), &v, &err), &err);
		assert_int_equal(v.bound, i == 1);
		assert_int_equal(v.failures, 2);
		assert_int_equal(v.expires, 1700000900);
		buf_init(&b, KEY_ENTRY_LINE_MAX);
		key_entry_put_invite(&b, &v);
		assert_ok(key_entry_parse_invite(
				  (char *)buf_bytes(&b), buf_len(&b) - 1, &again, &err),
			&err);
		assert_memory_equal(&again, &v, sizeof(v));
		buf_done(&b);
	}
}

static void the_longest_entry_fits_a_line(void **state)
{
	struct keyring_invite v = { .expires = INT64_MAX, .failures = 1000000, .bound = true };
	struct buf b;

	(void)state;
	memset(v.entry.name, 'a', TEXT_NAME_MAX);
	memset(v.entry.group, 'a', TEXT_NAME_MAX);
	memset(v.entry.host, 'a', TEXT_NAME_MAX);
	memset(v.entry.images.text, 'a', PATTERN_LIST_MAX);
	v.entry.grants = GRANTS_KNOWN;
	v.entry.created = INT64_MAX;
	buf_init(&b, KEY_ENTRY_LINE_MAX);
	key_entry_put_invite(&b, &v);
	assert_true(buf_ok(&b));
	buf_clear(&b);
	key_entry_put(&b, &v.entry);
	assert_true(buf_ok(&b));
	buf_done(&b);
}

static void a_line_with_anything_unknown_is_refused(void **state)
{
	static const char *const wrong[] = { "", " ", "word", KEY, REST, KEY " " REST " extra=1",
		KEY " " REST " extra", KEY " " REST " =", KEY " " REST " name=web01",
		KEY " " REST " " KEY, KEY " " REST " expires=5", KEY " " REST " failures=0",
		KEY " " REST " append-only", KEY " " REST " images=", KEY " " REST " images=Web",
		KEY " " REST " host=a/b", KEY " " REST " host=", KEY " Name=web01", KEY "\t" REST,
		KEY " " REST "\r", KEY " " REST " volumes=x",
		KEY " name=../x group=g grants=push " PSK " created=1",
		KEY " name=web01 group=.. grants=push " PSK " created=1",
		KEY " name=web01 group=g grants=push,root " PSK " created=1",
		KEY " name=web01 group=g grants=fly " PSK " created=1",
		KEY " name=web01 group=g grants= " PSK " created=1",
		KEY " name=web01 group=g grants=push psk=00 created=1",
		KEY " name=web01 group=g grants=push " PSK "00 created=1",
		KEY " name=web01 group=g grants=push " PSK " created=-1",
		KEY " name=web01 group=g grants=push " PSK " created=",
		KEY " name=web01 group=g grants=push " PSK " created=9223372036854775808",
		"key=dray-pk1:aaaa " REST };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err err = { 0 };

		if (parse(wrong[i], &err) == 0)
			fail_msg("'%s' was taken for a key", wrong[i]);
		assert_int_equal(err.code, ERR_CORRUPT);
		assert_null(strstr(err.text, "0001020304"));
	}
}

static void a_line_that_is_too_long_is_refused(void **state)
{
	char line[KEY_ENTRY_LINE_MAX + 2];
	struct err err = { 0 };
	struct keyring_entry e;

	(void)state;
	memset(line, ' ', sizeof(line));
	memcpy(line, KEY " " REST, strlen(KEY " " REST));
	assert_ok(key_entry_parse(line, KEY_ENTRY_LINE_MAX, &e, &err), &err);
	assert_fails(key_entry_parse(line, KEY_ENTRY_LINE_MAX + 1, &e, &err), &err, ERR_CORRUPT);
}

static void a_line_says_whose_it_is_even_when_it_is_not_understood(void **state)
{
	static const char line[] = "bogus=1 name=web01 what";

	(void)state;
	assert_true(key_entry_line_is(line, strlen(line), "web01"));
	assert_false(key_entry_line_is(line, strlen(line), "web0"));
	assert_false(key_entry_line_is(line, strlen(line), "web011"));
	assert_false(key_entry_line_is("surname=web01", 13, "web01"));
}

RUN_TESTS(TEST(a_key_comes_back_as_it_was_put), TEST(an_invitation_comes_back_bound_or_not),
	TEST(the_longest_entry_fits_a_line), TEST(a_line_with_anything_unknown_is_refused),
	TEST(a_line_that_is_too_long_is_refused),
	TEST(a_line_says_whose_it_is_even_when_it_is_not_understood))
