#include "tests/unit/chunk/samples.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

void samples_random(uint8_t *to, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		to[i] = (uint8_t)(seed >> 56);
	}
}

/* Writes the checksum of the last block. */
static void set_sum(uint8_t *block)
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
	block[155] = ' ';
}

void samples_header(struct buf *to, const char *name, char type, uint64_t size, uint64_t mtime)
{
	uint8_t block[BLOCK] = { 0 };

	snprintf((char *)block, 100, "%s", name);
	memcpy(block + 100, "0000644", 8);
	memcpy(block + 108, "0000000", 8);
	memcpy(block + 116, "0000000", 8);
	snprintf((char *)block + 124, 12, "%011llo", (unsigned long long)size & 077777777777);
	snprintf((char *)block + 136, 12, "%011llo", (unsigned long long)mtime);
	block[156] = (uint8_t)type;
	memcpy(block + 257,
		"ustar\0"
		"00",
		8);
	set_sum(block);
	buf_append(to, block, BLOCK);
}

void samples_patch(struct buf *to, size_t at, const void *bytes, size_t n)
{
	uint8_t *block = buf_bytes(to) + buf_len(to) - BLOCK;

	assert(at + n <= BLOCK);
	memcpy(block + at, bytes, n);
	set_sum(block);
}

void samples_padded(struct buf *to, const void *bytes, size_t n)
{
	static const uint8_t zeros[BLOCK];

	buf_append(to, bytes, n);
	buf_append(to, zeros, (BLOCK - n % BLOCK) % BLOCK);
}

void samples_file(struct buf *to, const char *name, const void *bytes, size_t n, uint64_t mtime)
{
	samples_header(to, name, '0', n, mtime);
	samples_padded(to, bytes, n);
}

void samples_end(struct buf *to)
{
	static const uint8_t zeros[2 * BLOCK];

	buf_append(to, zeros, sizeof(zeros));
}
