#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/tree_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

/* Without root a tree has less in it, and owners cannot be given; that is said, not passed over. */
static void say_what_is_skipped(void)
{
	if (!sample_is_root())
		fprintf(stderr,
			"# not root: devices, owners, capabilities and trusted attributes are "
			"skipped\n");
}

static void assert_no_notes(const struct tree_report *r)
{
	char text[TREE_SENTENCE_MAX];

	for (int i = 0; i < TREE_NOTE_KINDS; i++)
		if (r->notes[i].n > 0)
			fail_msg("%s", tree_note_text(r, (enum tree_note_kind)i, text));
}

static void a_tree_of_everything_comes_back_as_it_was(void **state)
{
	static const size_t steps[] = { 1u << 30, 512, 77 };
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	struct buf tar CLEANUP(buf_done);
	struct tree_report report;
	struct err err;

	say_what_is_skipped();
	sample_tree_make(from);
	report = tree_to_tar(from, &tar);
	assert_no_notes(&report);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char name[] = { 't', 'o', (char)('0' + i), '\0' };
		CLEANUP(cleanup_free) char *to = sample_dir(*state, name);
		const struct tree_restore_config config = tree_config(to, false);

		assert_ok(tree_from_tar(
				  &config, buf_bytes(&tar), buf_len(&tar), steps[i], &report, &err),
			&err);
		assert_no_notes(&report);
		sample_trees_equal(from, to);
	}
}

/* What another program makes of the tar, of all that it knows. */
static void gnu_tar_reads_the_same_tree(void **state)
{
	CLEANUP(cleanup_free) char *from = sample_dir(*state, "from");
	CLEANUP(cleanup_free) char *to = sample_dir(*state, "to");
	CLEANUP(cleanup_free) char *file = strdup(sample_path(*state, "tree.tar"));
	struct buf tar CLEANUP(buf_done);

	if (!sample_is_root()) {
		fprintf(stderr, "# not root: skipped\n");
		skip();
	}
	sample_tree_make(from);
	/* It does not know that a blank in a name is written another way. */
	assert_int_equal(removexattr(sample_path(from, "dir"), "user.on dir"), 0);
	sample_mtime(from, 1, 0);
	tree_to_tar(from, &tar);
	sample_write_at(file, buf_bytes(&tar), buf_len(&tar), 0);
	sample_run((const char *const[]){ "tar", "--warning=no-timestamp",
		"--warning=no-unknown-keyword", "-C", to, "--xattrs", "--xattrs-include=*",
		"--numeric-owner", "-xpf", file, NULL });
	sample_trees_equal(from, to);
}

RUN_TESTS(TEST_WITH(gnu_tar_reads_the_same_tree, temp_dir_setup, temp_dir_teardown),
	TEST_WITH(a_tree_of_everything_comes_back_as_it_was, temp_dir_setup, temp_dir_teardown))
