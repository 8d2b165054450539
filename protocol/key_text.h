/*
 * Keys as text: "dray-pk1:" or "dray-sk1:" and the base32 of the 32 bytes and of a check, which is
 * the first 2 bytes of BLAKE2b-256(prefix || key). The check is for typing errors; the prefix in it
 * keeps the two kinds apart. Constant time in the key. Any thread.
 */
#pragma once

#include "common/base/err.h"
#include "protocol/session.h" /* KEY_LEN */

#define KEY_TEXT_LEN 64 /* letters, both kinds */

void key_text_public(const uint8_t key[KEY_LEN], char ret[KEY_TEXT_LEN + 1]);

/* The text is as secret as the key: the caller wipes it. */
void key_text_secret(const uint8_t key[KEY_LEN], char ret[KEY_TEXT_LEN + 1]);

/* Read the n bytes at `s`, which must be the whole text; letters of either case. ERR_USAGE says
 * what is wrong and never what was given. */
int key_text_parse_public(
	const char *s, size_t n, uint8_t ret[KEY_LEN], struct err *err) MUST_CHECK;
int key_text_parse_secret(
	const char *s, size_t n, uint8_t ret[KEY_LEN], struct err *err) MUST_CHECK;

/* The first `len` (at most 32) bytes of BLAKE2b-256(prefix || bytes): the check of every text form.
 */
void key_text_check(const char *prefix, const uint8_t *bytes, size_t n, uint8_t *ret, size_t len);
