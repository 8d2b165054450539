#include "tests/unit/tree/hostile.h"

#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define MODE_AT 100
#define LINK_AT 157

static void list_outside(const struct hostile *p, struct buf *ret)
{
	CLEANUP(cleanup_free) char *outside = strdup(sample_path(p->top, "outside"));

	sample_tree_list(outside, ret);
}

int hostile_setup(void **state)
{
	struct hostile *p = calloc(1, sizeof(*p));

	p->top = temp_dir_make();
	p->root = sample_dir(p->top, "root");
	free(sample_dir(p->top, "outside"));
	sample_file(p->top, "outside/file", "as it was", 9);
	list_outside(p, &p->before);
	buf_init(&p->tar, TREE_TAR_MAX);
	*state = p;
	return 0;
}

int hostile_teardown(void **state)
{
	struct hostile *p = *state;
	struct buf after CLEANUP(buf_done);

	list_outside(p, &after);
	assert_string_equal(buf_bytes(&after), buf_bytes(&p->before));
	buf_done(&p->before);
	buf_done(&p->tar);
	temp_dir_remove(p->top);
	free(p->root);
	free(p);
	return 0;
}

/* Only whole files with names of their own may be left of a refused tar. */
void hostile_nothing_half(const struct hostile *p)
{
	DIR *d = opendir(p->root);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		assert_int_not_equal(strncmp(e->d_name, ".dray-", 6), 0);
	closedir(d);
}

int hostile_restore(struct hostile *p, struct tree_report *ret, struct err *err)
{
	const struct tree_restore_config config = tree_config(p->root, true);

	return tree_from_tar(&config, buf_bytes(&p->tar), buf_len(&p->tar), 700, ret, err);
}

void hostile_is_taken(struct hostile *p)
{
	struct err err;

	samples_end(&p->tar);
	assert_ok(hostile_restore(p, NULL, &err), &err);
	buf_clear(&p->tar);
}

void hostile_is_refused(struct hostile *p, enum err_code code, const char *why)
{
	struct err err;

	samples_end(&p->tar);
	assert_fails(hostile_restore(p, NULL, &err), &err, code);
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_null(strchr(err.text, '\n'));
	hostile_nothing_half(p);
	buf_clear(&p->tar);
}

void hostile_dir(struct hostile *p, const char *name)
{
	samples_header(&p->tar, name, '5', 0, 1);
	samples_patch(&p->tar, MODE_AT, "0000755", 7);
}

void hostile_link(struct hostile *p, const char *name, char type, const char *target)
{
	samples_header(&p->tar, name, type, 0, 1);
	samples_patch(&p->tar, LINK_AT, target, min_size(strlen(target), 100));
}

/* An extended header of these records, of which each gets its length. */
void hostile_pax(struct hostile *p, const char *const *records, size_t n)
{
	char body[16384];
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(records[i]) + 3, digits = 0;

		while ((size_t)snprintf(NULL, 0, "%zu", len + digits) != digits)
			digits++;
		at += (size_t)snprintf(body + at, sizeof(body) - at, "%zu %s\n",
			strlen(records[i]) + 2 + digits, records[i]);
	}
	samples_header(&p->tar, "pax", 'x', at, 1);
	samples_padded(&p->tar, body, at);
}
