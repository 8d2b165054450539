#include "protocol/invite.h"

#include "common/base/cursor.h"
#include "protocol/base32.h"
#include "protocol/key_text.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#define PREFIX "dray-invite1:"
#define FAMILY "dray-invite"
#define VERSION 1
#define CHECK_LEN 4
#define FIXED_LEN (1 + 4 + KEY_LEN + TOKEN_ID_LEN + KEY_LEN + 1)
#define PACKED_MAX (FIXED_LEN + ADDRESS_TEXT_MAX + CHECK_LEN)
#define PSK_LABEL "dray1-pair-psk"

_Static_assert(ADDRESS_TEXT_MAX > UINT8_MAX, "any length byte fits the address");
_Static_assert(sizeof(PREFIX) + BASE32_LEN(PACKED_MAX) <= INVITE_TEXT_MAX, "the longest token");

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

char *invite_print(const struct invite *invite, char ret[INVITE_TEXT_MAX])
{
	uint8_t packed[PACKED_MAX], *at = packed;
	size_t address_len = strlen(invite->address), n;

	assert(address_len <= UINT8_MAX);
	*at++ = VERSION;
	for (unsigned shift = 0; shift < 32; shift += 8)
		*at++ = (uint8_t)(invite->expires >> shift);
	at = put(at, invite->server_key, KEY_LEN);
	at = put(at, invite->token_id, TOKEN_ID_LEN);
	at = put(at, invite->secret, KEY_LEN);
	*at++ = (uint8_t)address_len;
	at = put(at, invite->address, address_len);
	n = (size_t)(at - packed);
	key_text_check(PREFIX, packed, n, at, CHECK_LEN);
	n += CHECK_LEN;
	memcpy(ret, PREFIX, sizeof(PREFIX) - 1);
	base32_encode(packed, n, ret + sizeof(PREFIX) - 1);
	ret[sizeof(PREFIX) - 1 + BASE32_LEN(n)] = '\0';
	sodium_memzero(packed, sizeof(packed));
	return ret;
}

/* The fields before the check. */
static int read_fields(const uint8_t *packed, size_t n, struct invite *ret, struct err *err)
{
	struct cursor c = cursor_over(packed, n);
	const uint8_t *address;
	struct address form;
	struct err why;
	size_t len;

	if (cursor_u8(&c) != VERSION)
		return err_set(err, ERR_USAGE,
			"the token is of a version that this dray does not know; update dray");
	ret->expires = cursor_u32(&c);
	cursor_copy(&c, ret->server_key, KEY_LEN);
	cursor_copy(&c, ret->token_id, TOKEN_ID_LEN);
	cursor_copy(&c, ret->secret, KEY_LEN);
	len = cursor_u8(&c);
	address = cursor_bytes(&c, len);
	if (c.bad)
		return err_set(err, ERR_USAGE, "the token's fields do not fit its length");
	if (!cursor_end(&c))
		return err_set(err, ERR_USAGE, "the token has bytes behind its last field");
	memcpy(ret->address, address, len);
	ret->address[len] = '\0';
	if (strlen(ret->address) != len || address_parse(ret->address, &form, &why) != 0 ||
		form.host[0] == '\0')
		return err_set(err, ERR_USAGE, "the token's address of the server is malformed");
	return 0;
}

static int unpack(const uint8_t *packed, size_t n, struct invite *ret, struct err *err)
{
	uint8_t check[CHECK_LEN];

	if (n < FIXED_LEN + CHECK_LEN)
		return err_set(err, ERR_USAGE, "the token is too short: copy all of it");
	n -= CHECK_LEN;
	key_text_check(PREFIX, packed, n, check, CHECK_LEN);
	if (sodium_memcmp(check, packed + n, CHECK_LEN) != 0)
		return err_set(err, ERR_USAGE,
			"the token does not match its check: letters are wrong or missing");
	return read_fields(packed, n, ret, err);
}

int invite_parse(const char *s, size_t n, struct invite *ret, struct err *err)
{
	const size_t prefix = sizeof(PREFIX) - 1;
	uint8_t packed[PACKED_MAX];
	struct invite got;
	size_t len;
	int r;

	if (n < prefix || strncasecmp(s, FAMILY, sizeof(FAMILY) - 1) != 0)
		return err_set(err, ERR_USAGE, "this is no token: one begins with %s", PREFIX);
	if (strncasecmp(s, PREFIX, prefix) != 0)
		return err_set(err, ERR_USAGE,
			"the token is of a version that this dray does not know; update dray");
	if (n - prefix > BASE32_LEN(PACKED_MAX))
		return err_set(err, ERR_USAGE, "the token is too long: give it alone");
	memset(&got, 0, sizeof(got));
	if (base32_decode(s + prefix, n - prefix, packed, &len))
		r = unpack(packed, len, &got, err);
	else
		r = err_set(
			err, ERR_USAGE, "the token has letters that no token has: copy it whole");
	if (r == 0)
		*ret = got;
	sodium_memzero(packed, sizeof(packed));
	sodium_memzero(&got, sizeof(got));
	return r;
}

void invite_psk(const struct invite *invite, uint8_t ret[KEY_LEN])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, invite->secret, KEY_LEN, KEY_LEN);
	crypto_generichash_update(&state, (const uint8_t *)PSK_LABEL, sizeof(PSK_LABEL) - 1);
	crypto_generichash_update(&state, invite->server_key, KEY_LEN);
	crypto_generichash_update(&state, invite->token_id, TOKEN_ID_LEN);
	crypto_generichash_final(&state, ret, KEY_LEN);
	sodium_memzero(&state, sizeof(state));
}
