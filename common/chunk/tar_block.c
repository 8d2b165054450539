#include "common/chunk/tar_block.h"

#include <string.h>

#define SUM_AT 148
#define SUM_LEN 8

static bool parse_octal(const uint8_t *field, size_t n, uint64_t *ret)
{
	size_t i = 0;
	uint64_t v = 0;

	while (i < n && field[i] == ' ')
		i++;
	for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(field[i] - '0');
	for (; i < n; i++)
		if (field[i] != ' ' && field[i] != '\0')
			return false;
	*ret = v;
	return true;
}

bool tar_block_number(const uint8_t *field, size_t n, uint64_t *ret)
{
	uint64_t v = field[0] & 0x7f;

	if (!(field[0] & 0x80))
		return parse_octal(field, n, ret);
	for (size_t i = 1; i < n; i++) {
		if (v > (UINT64_MAX >> 9))
			return false;
		v = v << 8 | field[i];
	}
	*ret = v;
	return true;
}

bool tar_block_sum_is_right(const uint8_t *block)
{
	uint64_t stated;
	int64_t plain = 0, with_sign = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		uint8_t c = i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : block[i];

		plain += c;
		with_sign += (int8_t)c;
	}
	return parse_octal(block + SUM_AT, SUM_LEN, &stated) &&
	       ((int64_t)stated == plain || (int64_t)stated == with_sign);
}

bool tar_block_is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}
