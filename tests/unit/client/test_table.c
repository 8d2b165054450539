#include "client/view/table.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define ESCAPE "\033["

static const struct terminal pipe_end = { .columns = 20, .rows = 24, .utf8 = true };
static const struct terminal narrow = {
	.columns = 20, .rows = 24, .is_terminal = true, .utf8 = true
};

static const struct table_column columns[] = { { .head = "NAME" },
	{ .head = "SIZE", .right = true }, { .head = "MADE BY", .least = 4 } };

/* What is printed of a table with these rows of three cells; the caller frees it. */
static char *printed(const struct terminal *terminal, const char *const *cells, size_t n)
{
	struct table t;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	table_start(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < n; i++)
		table_cell(&t, i % 3 == 2 ? TONE_GOOD : TONE_PLAIN, "%s", cells[i]);
	assert_true(table_print(&t, terminal, to));
	fclose(to);
	return text;
}

static void columns_are_aligned_and_lines_end_without_blanks(void **state)
{
	static const char *const cells[] = { "a", "1B", "x", "bbbbbb", "12345B", "" };
	char *text = printed(&pipe_end, cells, ARRAY_LEN(cells));

	(void)state;
	assert_string_equal(text, "NAME      SIZE  MADE BY\n"
				  "a           1B  x\n"
				  "bbbbbb  12345B\n");
	free(text);
}

static void a_narrow_terminal_shortens_what_may_be_shortened(void **state)
{
	static const char *const cells[] = { "a", "1B", "a long command" };
	struct terminal ascii = narrow;
	char *text = printed(&narrow, cells, ARRAY_LEN(cells));

	(void)state;
	assert_string_equal(text, "NAME  SIZE  MADE BY\n"
				  "a       1B  a long \u2026\n");
	free(text);
	ascii.utf8 = false;
	text = printed(&ascii, cells, ARRAY_LEN(cells));
	assert_string_equal(text, "NAME  SIZE  MADE BY\n"
				  "a       1B  a lon...\n");
	free(text);
	/* Elsewhere nothing is taken away. */
	text = printed(&pipe_end, cells, ARRAY_LEN(cells));
	assert_non_null(strstr(text, "a long command\n"));
	free(text);
}

static void colour_is_only_where_the_terminal_has_it(void **state)
{
	static const char *const cells[] = { "a", "1B", "x" };
	struct terminal coloured = narrow;
	char *text = printed(&narrow, cells, ARRAY_LEN(cells));

	(void)state;
	assert_null(strchr(text, '\033'));
	free(text);
	coloured.colour = true;
	text = printed(&coloured, cells, ARRAY_LEN(cells));
	assert_string_equal(text, ESCAPE "2mNAME" ESCAPE "0m  " ESCAPE "2mSIZE" ESCAPE "0m  " ESCAPE
					 "2mMADE BY" ESCAPE "0m\n"
					 "a       1B  " ESCAPE "32mx" ESCAPE "0m\n");
	free(text);
}

static void the_widest_columns_give_way_first(void **state)
{
	static const struct table_column three[] = { { .least = 5 }, { .least = 0 },
		{ .least = 8 } };
	static const size_t natural[] = { 10, 30, 20 };
	size_t got[3];

	(void)state;
	table_fit(three, natural, 3, 64, got);
	assert_memory_equal(got, natural, sizeof(got));
	table_fit(three, natural, 3, 56, got);
	assert_int_equal(got[0] + got[1] + got[2], 52);
	assert_int_equal(got[2], 12);
	assert_int_equal(got[0], 10);
	table_fit(three, natural, 3, 0, got); /* never below the least */
	assert_int_equal(got[0], 5);
	assert_int_equal(got[1], 30);
	assert_int_equal(got[2], 8);
}

static void text_is_cut_between_characters(void **state)
{
	bool cut;

	(void)state;
	assert_int_equal(table_width("\u2713\u2026x"), 3);
	assert_int_equal(table_shorten("\u2713\u2713\u2713", 3, true, &cut), 9);
	assert_false(cut);
	assert_int_equal(table_shorten("\u2713\u2713\u2713\u2713", 3, true, &cut), 6);
	assert_true(cut);
	assert_int_equal(table_shorten("abcdef", 5, false, &cut), 2);
	assert_true(cut);
	assert_int_equal(table_shorten("abcdef", 2, false, &cut), 0);
	assert_int_equal(table_shorten("", 0, false, &cut), 0);
	assert_false(cut);
}

static void lines_are_broken_between_words(void **state)
{
	(void)state;
	assert_int_equal(table_line("", 10), 0);
	assert_int_equal(table_line("one two", 10), 7);
	assert_int_equal(table_line("one two", 7), 7);
	assert_int_equal(table_line("one two", 6), 3);
	assert_int_equal(table_line("one two", 3), 3);
	assert_int_equal(table_line("one  two", 7), 3);
	assert_int_equal(table_line("onetwothree", 4), 4); /* a word that is too long */
	assert_int_equal(table_line("x", 0), 1);
}

RUN_TESTS(TEST(columns_are_aligned_and_lines_end_without_blanks),
	TEST(a_narrow_terminal_shortens_what_may_be_shortened),
	TEST(colour_is_only_where_the_terminal_has_it), TEST(the_widest_columns_give_way_first),
	TEST(text_is_cut_between_characters), TEST(lines_are_broken_between_words))
