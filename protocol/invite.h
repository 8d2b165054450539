/*
 * The one-time token that `drayd invite` prints and `dray pair` reads: "dray-invite1:" and the
 * base32 of
 *
 *   u8 version (1) | u32 expiry | server_key[32] | token_id[16] | secret[32] |
 *   u8 length and that many bytes of the address | check[4]
 *
 * Little-endian; expiry in seconds since 1970 UTC; the check is the first 4 bytes of
 * BLAKE2b-256("dray-invite1:" || everything before it). A token is a secret as long as it can be
 * used: texts and structs are wiped by whoever holds them. Any thread.
 */
#pragma once

#include "common/base/address.h"
#include "protocol/session.h" /* KEY_LEN */

#define TOKEN_ID_LEN 16

struct invite {
	uint32_t expires; /* seconds since 1970 UTC */
	uint8_t server_key[KEY_LEN];
	uint8_t token_id[TOKEN_ID_LEN];
	uint8_t secret[KEY_LEN];
	char address[ADDRESS_TEXT_MAX + 1];
};

#define INVITE_TEXT_MAX 592 /* with the terminator */

/* Returns `ret`. */
char *invite_print(const struct invite *invite, char ret[INVITE_TEXT_MAX]);

/* Reads the n bytes at `s`, which must be the whole token; letters of either case. ERR_USAGE says
 * what is wrong and never what was given. Whether it has expired is the server's to say. */
int invite_parse(const char *s, size_t n, struct invite *ret, struct err *err) MUST_CHECK;

/* The pre-shared key of the pairing handshake. */
void invite_psk(const struct invite *invite, uint8_t ret[KEY_LEN]);
