#include "protocol/base32.h"

/* All ones when a < b, else 0; both below 2^31. */
static uint32_t mask_less(uint32_t a, uint32_t b)
{
	return 0u - ((a - b) >> 31);
}

static char letter_of(uint32_t v)
{
	uint32_t alpha = mask_less(v, 26);

	return (char)(((v + 'a') & alpha) | ((v - 26 + '2') & ~alpha));
}

/* The value of a letter, with bit 31 set when it is none. */
static uint32_t value_of(uint8_t c)
{
	uint32_t lower = c | 0x20u;
	uint32_t alpha = ~mask_less(lower, 'a') & mask_less(lower, 'z' + 1) & mask_less(c, 0x80);
	uint32_t digit = ~mask_less(c, '2') & mask_less(c, '7' + 1);

	return ((lower - 'a') & alpha) | ((c - '2' + 26u) & digit) |
	       (~(alpha | digit) & UINT32_C(0x80000000));
}

void base32_encode(const uint8_t *bytes, size_t n, char *ret)
{
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < n; i++) {
		bits = (bits << 8) | bytes[i];
		for (held += 8; held >= 5; held -= 5)
			*ret++ = letter_of((bits >> (held - 5)) & 31);
	}
	if (held > 0)
		*ret = letter_of((bits << (5 - held)) & 31);
}

bool base32_decode(const char *text, size_t n, uint8_t *ret, size_t *ret_len)
{
	size_t len = n * 5 / 8, at = 0;
	uint32_t bits = 0, wrong = 0;
	unsigned held = 0;

	if (BASE32_LEN(len) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint32_t v = value_of((uint8_t)text[i]);

		wrong |= v & UINT32_C(0x80000000);
		bits = (bits << 5) | (v & 31);
		held += 5;
		if (held >= 8) {
			held -= 8;
			ret[at++] = (uint8_t)(bits >> held);
		}
	}
	wrong |= bits & ((1u << held) - 1);
	*ret_len = len;
	return wrong == 0;
}
