#include "protocol/base32.h"
#include "protocol/invite.h"
#include "protocol/key_text.h"
#include "tests/support/test.h"

#include <sodium.h>
#include <string.h>

#define PREFIX "dray-invite1:"

static struct invite sample(void)
{
	struct invite invite = { .expires = 0x01020304, .address = "192.0.2.1:7747" };

	memset(invite.server_key, 1, sizeof(invite.server_key));
	memset(invite.token_id, 2, sizeof(invite.token_id));
	memset(invite.secret, 3, sizeof(invite.secret));
	return invite;
}

/* The token's bytes without the check. */
static size_t unpack(const char *text, uint8_t *bytes)
{
	size_t n;

	assert_true(base32_decode(text + strlen(PREFIX), strlen(text + strlen(PREFIX)), bytes, &n));
	return n - 4;
}

/* A token of these bytes with the right check. */
static char *pack(uint8_t *bytes, size_t n, char *ret)
{
	key_text_check(PREFIX, bytes, n, bytes + n, 4);
	memcpy(ret, PREFIX, strlen(PREFIX));
	base32_encode(bytes, n + 4, ret + strlen(PREFIX));
	ret[strlen(PREFIX) + BASE32_LEN(n + 4)] = '\0';
	return ret;
}

static void a_token_comes_back_as_it_was(void **state)
{
	struct invite invite = sample(), back;
	char text[INVITE_TEXT_MAX];
	struct err err = { 0 };

	(void)state;
	memset(&back, 0, sizeof(back));
	invite_print(&invite, text);
	assert_ok(invite_parse(text, strlen(text), &back, &err), &err);
	assert_memory_equal(&back, &invite, sizeof(back));
}

static void the_bytes_are_laid_out_as_described(void **state)
{
	struct invite invite = sample();
	uint8_t bytes[400], expected[100];
	char text[INVITE_TEXT_MAX];
	size_t n;

	(void)state;
	n = unpack(invite_print(&invite, text), bytes);
	assert_int_equal(n, 100);
	memcpy(expected, "\x01\x04\x03\x02\x01", 5);
	memset(expected + 5, 1, 32);
	memset(expected + 37, 2, 16);
	memset(expected + 53, 3, 32);
	memcpy(expected + 85,
		"\x0e"
		"192.0.2.1:7747",
		15);
	assert_memory_equal(bytes, expected, 100);
}

static void the_longest_address_fits(void **state)
{
	struct invite invite = sample(), back;
	char text[INVITE_TEXT_MAX];
	struct err err = { 0 };

	(void)state;
	memset(invite.address, 'a', 253);
	memcpy(invite.address + 253, ":1", 3);
	invite_print(&invite, text);
	assert_true(strlen(text) < INVITE_TEXT_MAX);
	assert_ok(invite_parse(text, strlen(text), &back, &err), &err);
	assert_string_equal(back.address, invite.address);
}

static void every_single_wrong_letter_is_refused_without_telling_the_token(void **state)
{
	struct invite invite = sample(), back;
	char text[INVITE_TEXT_MAX];
	size_t n;

	(void)state;
	n = strlen(invite_print(&invite, text));
	for (size_t i = 0; i < n; i++) {
		char right = text[i];
		struct err err = { 0 };

		text[i] = right == 'q' ? 'r' : 'q';
		assert_fails(invite_parse(text, n, &back, &err), &err, ERR_USAGE);
		assert_null(strstr(err.text, "aeaq"));
		text[i] = right;
	}
	for (size_t len = 0; len < n; len++) {
		struct err err = { 0 };

		assert_fails(invite_parse(text, len, &back, &err), &err, ERR_USAGE);
	}
}

/* Parses and checks that the message has these words. */
static void refused(const char *text, const char *words)
{
	struct invite back;
	struct err err = { 0 };

	assert_fails(invite_parse(text, strlen(text), &back, &err), &err, ERR_USAGE);
	if (!strstr(err.text, words))
		fail_msg("expected '%s' in: %s", words, err.text);
}

static void every_fault_has_its_own_message(void **state)
{
	struct invite invite = sample();
	char text[INVITE_TEXT_MAX], made[800];
	uint8_t bytes[500];
	size_t n;

	(void)state;
	refused("", "begins with dray-invite1:");
	refused("dray-pk1:aaaaaaaaaaaaaaaaaaaa", "begins with dray-invite1:");
	refused("dray-invite2:aaaaaaaa", "version");
	refused("dray-invite1:aaaaaaaa", "too short");
	refused("dray-invite1:aaaaaaa1", "letters that no token has");
	n = unpack(invite_print(&invite, text), bytes);
	refused(pack(bytes, 88, made), "fit its length");
	bytes[n] = 0;
	refused(pack(bytes, n + 1, made), "behind its last field");
	memset(bytes + n, 0, 250);
	refused(pack(bytes, n + 260, made), "too long");
	unpack(text, bytes);
	bytes[0] = 2;
	refused(pack(bytes, n, made), "version");
	bytes[0] = 1;
	bytes[90] = '\n';
	refused(pack(bytes, n, made), "address");
	bytes[90] = '\0';
	refused(pack(bytes, n, made), "address");
	bytes[85] = 0;
	refused(pack(bytes, 86, made), "address");
	memcpy(bytes + 85, "\x05:7747", 6);
	refused(pack(bytes, 91, made), "address");
	bytes[85] = 14;
	refused(pack(bytes, n - 1, made), "fit its length");
	text[strlen(text) - 1] = text[strlen(text) - 1] == 'a' ? 'q' : 'a';
	refused(text, "check");
}

/* Computed once with Python's hashlib.blake2b. */
static void the_psk_of_a_known_token_is_this(void **state)
{
	struct invite invite = sample();
	uint8_t psk[KEY_LEN];
	char hex[2 * KEY_LEN + 1];

	(void)state;
	invite_psk(&invite, psk);
	assert_string_equal(sodium_bin2hex(hex, sizeof(hex), psk, sizeof(psk)),
		"b0e1d0787b200992cc9931135d4766ef37ca7e3af02183f8a2bfe38f6558561d");
}

RUN_TESTS(TEST(a_token_comes_back_as_it_was), TEST(the_bytes_are_laid_out_as_described),
	TEST(the_longest_address_fits),
	TEST(every_single_wrong_letter_is_refused_without_telling_the_token),
	TEST(every_fault_has_its_own_message), TEST(the_psk_of_a_known_token_is_this))
