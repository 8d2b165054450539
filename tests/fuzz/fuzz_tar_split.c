/* Any line: what is made of it lies in the line, and there is no other end than an entry or an
 * error.
 */
#include "common/engine/tar_split_line.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct tar_split_part p = { 0 };
	struct err err = { 0 };
	char *line = malloc(n + 1), *end = line + n;

	check(line != NULL);
	memcpy(line, bytes, n);
	line[n] = '!'; /* not the line's */
	if (tar_split_line(line, n, &p, &err) != 0) {
		check(err.code == ERR_CORRUPT);
	} else if (p.kind == TAR_SPLIT_BYTES) {
		check((const char *)p.bytes >= line &&
			p.size <= (size_t)(end - (const char *)p.bytes));
	} else {
		check(p.kind == TAR_SPLIT_FILE && p.name >= line && p.name < end && p.name[0]);
		check(memchr(p.name, '\0', (size_t)(end - p.name)) != NULL);
	}
	check(line[n] == '!');
	free(line);
	return 0;
}
