/* Any bytes: the parts cover them all and do not depend on how they are fed. The first byte says in
 * what pieces the second scanner gets them. */
#include "common/chunk/tar_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Part and end of each byte, one number a byte. */
static void scan(const uint8_t *bytes, size_t n, size_t step, uint8_t *ret)
{
	struct tar_scan *t = tar_scan_new();

	check(t != NULL);
	for (size_t i = 0; i < n;) {
		size_t room = min_size(step, n - i), k;
		enum tar_part part;
		bool ends;

		k = tar_scan_next(t, bytes + i, room, &part, &ends);
		check(k >= 1 && k <= room && (part == TAR_FILE || !ends));
		for (size_t b = 0; b < k; b++)
			ret[i + b] = (uint8_t)part;
		i += k;
		if (ends)
			ret[i - 1] |= 0x80;
	}
	tar_scan_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t *whole, *pieces;

	if (n < 2 || n > 1u << 20)
		return 0;
	whole = malloc(n);
	pieces = malloc(n);
	check(whole && pieces);
	scan(bytes + 1, n - 1, n, whole);
	scan(bytes + 1, n - 1, 1 + (size_t)bytes[0] * 5, pieces);
	for (size_t i = 0; i + 1 < n; i++)
		check(whole[i] == pieces[i]);
	free(whole);
	free(pieces);
	return 0;
}
