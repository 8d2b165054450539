#include "tests/unit/tree/scanned.h"

#include "common/tree/tree_scan_impl.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

int scanned_setup(void **state)
{
	struct scan_place *p = calloc(1, sizeof(*p));

	p->top = temp_dir_make();
	p->root = sample_dir(p->top, "root");
	p->cache = strdup(sample_path(p->top, "cache"));
	*state = p;
	return 0;
}

int scanned_teardown(void **state)
{
	struct scan_place *p = *state;

	/* No scan leaves anything beside its cache. */
	unlink(p->cache);
	sample_run((const char *const[]){ "rm", "-r", p->root, NULL });
	assert_int_equal(rmdir(p->top), 0);
	free(p->top);
	free(p->root);
	free(p->cache);
	free(p);
	return 0;
}

static int64_t in_a_minute(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec + 60) * INT64_C(1000000000) + now.tv_nsec;
}

static int keep(void *ctx, struct batch *b, struct err *err)
{
	struct scanned *s = ctx;

	(void)err;
	assert_true(s->n < SCANNED_BATCHES_MAX);
	s->batches[s->n++] = b;
	return 0;
}

/* `later`: long after everything in the tree was written. */
void scan_tree_with(
	const struct scan_place *p, const char *cache, bool reread, bool later, struct scanned *ret)
{
	const struct tree_scan_config config = {
		.root = p->root, .cache = cache, .reread = reread
	};
	struct err err;

	memset(ret, 0, sizeof(*ret));
	assert_ok(tree_scan_open(&config, &ret->scan, &err), &err);
	if (later)
		ret->scan->now = in_a_minute;
	assert_ok(tree_scan_split(ret->scan, keep, ret, &ret->digest, &ret->size, &err), &err);
	ret->report = *tree_scan_report(ret->scan);
	assert_int_equal(ret->size, ret->report.bytes);
}

void scan_tree(const struct scan_place *p, struct scanned *ret)
{
	scan_tree_with(p, p->cache, false, true, ret);
}

/* As sample_tree_make, but nothing is changed in the future only. */
void scan_make_tree(const struct scan_place *p)
{
	sample_tree_make(p->root);
	sample_mtime(sample_path(p->root, "one block"), 1, 0);
}

void scanned_done(struct scanned *s)
{
	for (size_t i = 0; i < s->n; i++)
		batch_free(s->batches[i]);
	tree_scan_free(s->scan);
	memset(s, 0, sizeof(*s));
}

/* The same as a scan without a cache gives. */
void scanned_is_right(const struct scan_place *p, const struct scanned *s)
{
	static struct scanned plain;

	scan_tree_with(p, NULL, false, true, &plain);
	assert_true(digest_equal(&s->digest, &plain.digest));
	assert_int_equal(s->size, plain.size);
	assert_int_equal(s->n, plain.n);
	for (size_t i = 0; i < s->n; i++)
		assert_true(digest_equal(&s->batches[i]->name, &plain.batches[i]->name));
	scanned_done(&plain);
}

const struct batch_chunk *scanned_find(
	const struct scanned *s, const struct digest *name, const struct batch **ret)
{
	for (size_t i = 0; i < s->n; i++) {
		*ret = s->batches[i];
		for (size_t c = 0; c < (*ret)->n_chunks; c++)
			if (digest_equal(&(*ret)->chunks[c].name, name))
				return &(*ret)->chunks[c];
	}
	return NULL;
}
