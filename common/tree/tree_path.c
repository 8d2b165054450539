#include "common/tree/tree_path.h"

/* The end is lowest, then the slash, then all other bytes. */
static int rank(char c)
{
	if (c == '\0')
		return -1;
	return c == '/' ? 0 : (uint8_t)c;
}

int tree_path_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}
