#include "common/tree/tree_links.h"

#include "common/tree/tree_limits.h"

#include <assert.h>

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384u

struct node {
	struct node *next;
	dev_t dev;
	ino_t ino;
	uint64_t left; /* names that were not seen yet */
	char path[];
};

struct tree_links {
	struct node *buckets[BUCKETS];
	struct node *gone; /* whose last name was seen just now */
	size_t n, bytes;
};

struct tree_links *tree_links_new(void)
{
	return calloc(1, sizeof(struct tree_links));
}

void tree_links_free(struct tree_links *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (l->buckets[i]) {
			struct node *node = l->buckets[i];

			l->buckets[i] = node->next;
			free(node);
		}
	}
	free(l->gone);
	free(l);
}

/* Where the file's node hangs; what hangs there is NULL when it has none. */
static struct node **find(struct tree_links *l, const struct stat *st)
{
	uint64_t mixed = (st->st_ino ^ st->st_dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
	struct node **at = &l->buckets[mixed >> 50];

	static_assert(BUCKETS == 1u << (64 - 50), "the hash's high bits");
	while (*at && ((*at)->ino != st->st_ino || (*at)->dev != st->st_dev))
		at = &(*at)->next;
	return at;
}

static struct node *unhook(struct tree_links *l, struct node **at)
{
	struct node *node = *at;

	*at = node->next;
	l->n--;
	l->bytes -= strlen(node->path) + 1;
	return node;
}

int tree_links_see(struct tree_links *l, const struct stat *st, const char *path,
	const char **ret_first, bool *ret_full, struct err *err)
{
	struct node **at = find(l, st), *node = *at;
	size_t n = strlen(path) + 1;

	free(l->gone);
	l->gone = NULL;
	*ret_first = NULL;
	*ret_full = false;
	if (node) {
		*ret_first = node->path;
		if (--node->left == 0)
			l->gone = unhook(l, at);
		return 0;
	}
	*ret_full = l->n == TREE_LINKS_MAX || n > TREE_LINK_BYTES_MAX - l->bytes;
	if (*ret_full)
		return 0;
	node = malloc(sizeof(*node) + n);
	if (!node)
		return err_nomem(err);
	*node = (struct node){ .dev = st->st_dev, .ino = st->st_ino, .left = st->st_nlink - 1 };
	memcpy(node->path, path, n);
	*at = node;
	l->n++;
	l->bytes += n;
	return 0;
}
