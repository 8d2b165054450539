#include "client/cmd/exit_code.h"

int exit_code_merge(const int *codes, size_t n)
{
	bool same = true;
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		if (codes[i] == EXIT_INTERRUPTED)
			return EXIT_INTERRUPTED;
		same = same && codes[i] == codes[0];
		done += codes[i] == 0;
	}
	if (same)
		return codes[0];
	return done > 0 ? EXIT_PARTLY : 1;
}
