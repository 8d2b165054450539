#include "tests/unit/tree/tree_fixture.h"

static int keep_bytes(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct buf *to = ctx;

	buf_append(to, bytes, n);
	return buf_ok(to) ? 0 : err_nomem(err);
}

struct tree_report tree_to_tar(const char *root, struct buf *ret)
{
	const struct tree_scan_config config = { .root = root };
	struct tree_report report;
	struct tree_scan *t;
	struct err err;

	buf_init(ret, TREE_TAR_MAX);
	assert_ok(tree_scan_open(&config, &t, &err), &err);
	assert_ok(tree_scan_tar(t, keep_bytes, ret, &err), &err);
	report = *tree_scan_report(t);
	tree_scan_free(t);
	assert_int_equal(report.bytes, buf_len(ret));
	return report;
}

struct tree_restore_config tree_config(const char *root, bool update)
{
	return (struct tree_restore_config){ .root = root,
		.update = update,
		.devices = true,
		.bytes_max = UINT64_C(1) << 40,
		.entries_max = 1000000 };
}

int tree_from_tar(const struct tree_restore_config *config, const void *bytes, size_t n,
	size_t step, struct tree_report *ret, struct err *err)
{
	const uint8_t *at = bytes;
	struct tree_restore *r;
	int result = 0;

	if (tree_restore_open(config, &r, err) != 0)
		return -1;
	while (result == 0 && n > 0) {
		size_t k = min_size(n, step);

		result = tree_restore_feed(r, at, k, err);
		at += k;
		n -= k;
	}
	if (result == 0)
		result = tree_restore_end(r, err);
	if (ret)
		*ret = *tree_restore_report(r);
	tree_restore_free(r);
	return result;
}
