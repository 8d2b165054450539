/*
 * Base32 with the letters of RFC 4648 in lower case, without padding: for keys and tokens that
 * people copy. No branch and no table index depends on what is encoded, so it is fit for secrets;
 * only the length shows. Any thread.
 */
#pragma once

#include "common/base/base.h"

/* Letters that n bytes take. */
#define BASE32_LEN(n) (((n)*8 + 4) / 5)

/* Writes BASE32_LEN(n) letters, not terminated. */
void base32_encode(const uint8_t *bytes, size_t n, char *ret);

/* Reads n letters of either case into `ret`, which must hold n * 5 / 8 bytes, and gives that number
 * in *ret_len. False for letters outside the alphabet, a length that no number of bytes has, and
 * bits left over that are not zero: every byte string has one text. */
bool base32_decode(const char *text, size_t n, uint8_t *ret, size_t *ret_len) MUST_CHECK;
