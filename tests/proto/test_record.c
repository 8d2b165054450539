#include "protocol/record.h"
#include "tests/support/test.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* --- every (key, nonce) that the code under test seals with: the linker sends its calls here ---
 */

struct used {
	uint8_t key[32], nonce[12];
};

static struct used *used;
static size_t n_used, cap_used;

int __real_crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k);
int __wrap_crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k);

int __wrap_crypto_aead_chacha20poly1305_ietf_encrypt(unsigned char *c, unsigned long long *clen,
	const unsigned char *m, unsigned long long mlen, const unsigned char *ad,
	unsigned long long adlen, const unsigned char *nsec, const unsigned char *npub,
	const unsigned char *k)
{
	if (n_used == cap_used) {
		cap_used = cap_used ? cap_used * 2 : 1024;
		used = realloc(used, cap_used * sizeof(*used));
		assert_non_null(used);
	}
	memcpy(used[n_used].key, k, 32);
	memcpy(used[n_used].nonce, npub, 12);
	n_used++;
	return __real_crypto_aead_chacha20poly1305_ietf_encrypt(
		c, clen, m, mlen, ad, adlen, nsec, npub, k);
}

static int compare_used(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct used));
}

static void no_nonce_was_used_twice(void)
{
	qsort(used, n_used, sizeof(*used), compare_used);
	for (size_t i = 1; i < n_used; i++)
		assert_int_not_equal(compare_used(&used[i - 1], &used[i]), 0);
	free(used);
	used = NULL;
	n_used = cap_used = 0;
}

/* --- the tests --- */

static const uint8_t key[32] = { 1, 2, 3 };

static void what_is_sealed_opens(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 4096, RECORD_PLAIN_MAX - 1, RECORD_PLAIN_MAX };
	static uint8_t body[RECORD_PLAIN_MAX], wire[RECORD_WIRE_MAX];
	struct record_key a, b;

	(void)state;
	record_start(&a, key);
	record_start(&b, key);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint8_t *plain;
		size_t n;

		randombytes_buf_deterministic(body, sizes[i], key);
		record_seal(&a, 0x55, body, sizes[i], wire);
		assert_int_equal(record_wire_len(wire), sizes[i] + RECORD_OVERHEAD);
		assert_true(record_open(&b, wire, &plain, &n));
		assert_int_equal(n, sizes[i] + 1);
		assert_int_equal(plain[0], 0x55);
		assert_memory_equal(plain + 1, body, sizes[i]);
	}
}

static void a_record_is_the_specified_bytes(void **state)
{
	static const uint8_t nonce[12] = { [4] = 1 };
	static const uint8_t plain[4] = { 49, 'a', 'b', 'c' };
	uint8_t wire[64], expected[64] = { 20, 0, 0, 0 };
	struct record_key a;

	(void)state;
	record_start(&a, key);
	record_seal(&a, 1, NULL, 0, wire);
	record_seal(&a, 49, "abc", 3, wire);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		expected + 4, NULL, plain, sizeof(plain), expected, 4, NULL, nonce, key);
	assert_memory_equal(wire, expected, 24);
}

static void lengths_outside_the_limits_are_none(void **state)
{
	static const struct {
		uint8_t wire[4];
		size_t len;
	} cases[] = {
		{ { 0, 0, 0, 0 }, 0 },
		{ { 16, 0, 0, 0 }, 0 },
		{ { 17, 0, 0, 0 }, 21 },
		{ { 17, 0, 4, 0 }, 262144 + 17 + 4 },
		{ { 18, 0, 4, 0 }, 0 },
		{ { 255, 255, 255, 255 }, 0 },
		{ { 17, 0, 0, 1 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(record_wire_len(cases[i].wire), cases[i].len);
}

static void every_flipped_bit_keeps_a_record_shut(void **state)
{
	uint8_t wire[64], bad[64], *plain;
	struct record_key a, b;
	size_t n;

	(void)state;
	record_start(&a, key);
	record_seal(&a, 7, "0123456789", 10, wire);
	for (unsigned bit = 0; bit < 8 * (10 + RECORD_OVERHEAD); bit++) {
		memcpy(bad, wire, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		record_start(&b, key);
		if (record_wire_len(bad) == 0 || record_wire_len(bad) > sizeof(bad))
			continue; /* the session drops it or waits for more */
		assert_false(record_open(&b, bad, &plain, &n));
	}
}

static void keys_change_at_the_border_and_no_nonce_repeats(void **state)
{
	struct record_key a, b;
	uint8_t rekeyed[32], twice[32];

	(void)state;
	memcpy(rekeyed, key, 32);
	noise_rekey(rekeyed);
	memcpy(twice, rekeyed, 32);
	noise_rekey(twice);
	n_used = 0;
	record_start(&a, key);
	record_start(&b, key);
	for (uint64_t i = 0; i < 2 * RECORD_REKEY_EVERY + 100; i++) {
		uint8_t wire[64], *plain;
		size_t n;

		assert_int_equal(a.next, i);
		record_seal(&a, 1, &i, sizeof(i), wire);
		assert_true(record_open(&b, wire, &plain, &n));
		assert_memory_equal(plain + 1, &i, sizeof(i));
		if (i == RECORD_REKEY_EVERY - 1)
			assert_memory_equal(a.key, key, 32);
		if (i == RECORD_REKEY_EVERY)
			assert_memory_equal(a.key, rekeyed, 32);
		if (i == 2 * RECORD_REKEY_EVERY)
			assert_memory_equal(a.key, twice, 32);
	}
	/* every record, and each side's two new keys, which the sides rightly compute alike */
	assert_int_equal(n_used, 2 * RECORD_REKEY_EVERY + 100 + 4);
	for (size_t i = 0, rekeys = 0; i < n_used; i++) {
		static const uint8_t last[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };

		if (memcmp(used[i].nonce + 4, last, 8) == 0 && rekeys++ % 2 == 1)
			used[i--] = used[--n_used];
	}
	assert_int_equal(n_used, 2 * RECORD_REKEY_EVERY + 100 + 2);
	no_nonce_was_used_twice();
}

RUN_TESTS(TEST(what_is_sealed_opens), TEST(a_record_is_the_specified_bytes),
	TEST(lengths_outside_the_limits_are_none), TEST(every_flipped_bit_keeps_a_record_shut),
	TEST(keys_change_at_the_border_and_no_nonce_repeats))
