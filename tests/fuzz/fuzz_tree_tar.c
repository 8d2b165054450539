/* Any bytes as a tar: what is given out keeps the rules, and does not depend on how the bytes are
 * fed. The first byte says in what pieces the second reader gets them. */
#include "common/tree/tree_limits.h"
#include "common/tree/tree_tar.h"

#include "common/chunk/digest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* What came so far. */
struct told {
	struct hasher *all;
	bool open;   /* an entry is */
	uint64_t at; /* nothing before it comes any more */
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Names that cannot lead anywhere else. */
static void check_path(const char *path)
{
	size_t n = strlen(path);

	check(n <= TREE_PATH_MAX);
	while (n > 0) {
		size_t k = strcspn(path, "/");

		check(k > 0 && k <= TREE_NAME_MAX);
		check(!(k == 1 && path[0] == '.') && !(k == 2 && memcmp(path, "..", 2) == 0));
		if (path[k] == '\0')
			break;
		path += k + 1;
		check(*path != '\0');
	}
}

static int on_entry(void *ctx, const struct tree_tar_entry *e, struct err *err)
{
	struct told *t = ctx;

	(void)err;
	check(!t->open);
	check_path(e->path);
	check(e->path[0] != '\0' || e->type == TREE_DIR);
	if (e->type == TREE_HARD_LINK)
		check_path(e->link);
	check(e->type != TREE_SYMLINK || e->link[0] != '\0');
	check((e->mode & ~07777u) == 0 && e->mtime.tv_nsec >= 0 && e->mtime.tv_nsec < 1000000000);
	check(e->xattrs.n <= TREE_XATTRS_MAX);
	for (size_t i = 0; i < e->xattrs.n; i++) {
		const char *name = tree_xattr_name(&e->xattrs, i);

		check(tree_xattr_carried(name, strlen(name)));
		hasher_update(t->all, tree_xattr_value(&e->xattrs, i), e->xattrs.at[i].len);
	}
	hasher_update(t->all, e->path, strlen(e->path) + 1);
	hasher_update(t->all, e->link, strlen(e->link) + 1);
	t->open = true;
	t->at = 0;
	return 0;
}

static int on_bytes(void *ctx, const struct tree_tar_entry *e, uint64_t at, const uint8_t *bytes,
	size_t n, struct err *err)
{
	struct told *t = ctx;

	(void)err;
	check(t->open && e->type == TREE_FILE && at >= t->at && at <= e->size && n <= e->size - at);
	hasher_update(t->all, bytes, n);
	t->at = at + n;
	return 0;
}

static int on_end(void *ctx, const struct tree_tar_entry *e, struct err *err)
{
	struct told *t = ctx;

	(void)err;
	check(t->open && (e->sparse || e->type != TREE_FILE || t->at == e->size));
	t->open = false;
	return 0;
}

/* Returns 0, or the error's code. */
static int read_all(const uint8_t *bytes, size_t n, size_t step, struct digest *ret)
{
	static const struct tree_tar_ops ops = { on_entry, on_bytes, on_end };
	struct told told = { .all = hasher_new() };
	struct tree_tar *t = tree_tar_new(&ops, &told);
	struct err err;
	int r = 0;

	check(t && told.all);
	while (r == 0 && n > 0) {
		size_t k = min_size(n, step);

		r = tree_tar_feed(t, bytes, k, &err);
		bytes += k;
		n -= k;
	}
	if (r == 0)
		r = tree_tar_end(t, &err);
	*ret = hasher_end(told.all);
	hasher_free(told.all);
	tree_tar_free(t);
	return r == 0 ? 0 : (int)err.code;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct digest whole, pieces;

	if (n < 2 || n > 1u << 20)
		return 0;
	check(read_all(bytes + 1, n - 1, n, &whole) ==
		read_all(bytes + 1, n - 1, 1 + (size_t)bytes[0] * 5, &pieces));
	check(digest_equal(&whole, &pieces));
	return 0;
}
