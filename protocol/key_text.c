#include "protocol/key_text.h"

#include "protocol/base32.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#define PREFIX_LEN 9
#define CHECK_LEN 2
#define PACKED_LEN (KEY_LEN + CHECK_LEN)

_Static_assert(PREFIX_LEN + BASE32_LEN(PACKED_LEN) == KEY_TEXT_LEN, "the length of a key's text");

static const char public_prefix[PREFIX_LEN + 1] = "dray-pk1:";
static const char secret_prefix[PREFIX_LEN + 1] = "dray-sk1:";

void key_text_check(const char *prefix, const uint8_t *bytes, size_t n, uint8_t *ret, size_t len)
{
	crypto_generichash_state state;
	uint8_t hash[32];

	assert(len <= sizeof(hash));
	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)prefix, strlen(prefix));
	crypto_generichash_update(&state, bytes, n);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(ret, hash, len);
	sodium_memzero(hash, sizeof(hash));
	sodium_memzero(&state, sizeof(state));
}

static void print_key(const char *prefix, const uint8_t key[KEY_LEN], char ret[KEY_TEXT_LEN + 1])
{
	uint8_t packed[PACKED_LEN];

	memcpy(packed, key, KEY_LEN);
	key_text_check(prefix, key, KEY_LEN, packed + KEY_LEN, CHECK_LEN);
	memcpy(ret, prefix, PREFIX_LEN);
	base32_encode(packed, PACKED_LEN, ret + PREFIX_LEN);
	ret[KEY_TEXT_LEN] = '\0';
	sodium_memzero(packed, sizeof(packed));
}

void key_text_public(const uint8_t key[KEY_LEN], char ret[KEY_TEXT_LEN + 1])
{
	print_key(public_prefix, key, ret);
}

void key_text_secret(const uint8_t key[KEY_LEN], char ret[KEY_TEXT_LEN + 1])
{
	print_key(secret_prefix, key, ret);
}

static int parse_key(const char *prefix, const char *s, size_t n, uint8_t ret[KEY_LEN],
	const char *what, struct err *err)
{
	uint8_t packed[PACKED_LEN], check[CHECK_LEN];
	size_t len;
	int r = 0;

	if (n < PREFIX_LEN || strncasecmp(s, prefix, PREFIX_LEN) != 0)
		return err_set(
			err, ERR_USAGE, "this is no %s key: one begins with %s", what, prefix);
	if (n != KEY_TEXT_LEN)
		return err_set(err, ERR_USAGE, "the %s key has %zu letters instead of %d", what, n,
			KEY_TEXT_LEN);
	if (!base32_decode(s + PREFIX_LEN, n - PREFIX_LEN, packed, &len)) {
		r = err_set(err, ERR_USAGE, "the %s key has letters that no key has", what);
	} else {
		key_text_check(prefix, packed, KEY_LEN, check, CHECK_LEN);
		if (sodium_memcmp(check, packed + KEY_LEN, CHECK_LEN) != 0)
			r = err_set(err, ERR_USAGE, "the %s key has a typing error", what);
	}
	if (r == 0)
		memcpy(ret, packed, KEY_LEN);
	sodium_memzero(packed, sizeof(packed));
	return r;
}

int key_text_parse_public(const char *s, size_t n, uint8_t ret[KEY_LEN], struct err *err)
{
	return parse_key(public_prefix, s, n, ret, "public", err);
}

int key_text_parse_secret(const char *s, size_t n, uint8_t ret[KEY_LEN], struct err *err)
{
	return parse_key(secret_prefix, s, n, ret, "secret", err);
}
