#include "common/base/options.h"
#include "tests/support/test.h"

#include <string.h>

static struct {
	bool quiet, verbose;
	const char *name;
	struct option_list images;
	uint64_t size, seconds;
} got;

static const struct option_row rows[] = {
	{ "quiet", 'q', OPTION_FLAG, &got.quiet, NULL, "say little" },
	{ "verbose", 'v', OPTION_FLAG, &got.verbose, NULL, "say much" },
	{ "name", 'n', OPTION_TEXT, &got.name, "NAME", "a name" },
	{ "image", 0, OPTION_LIST, &got.images, "PATTERN", "an image" },
	{ "size", 's', OPTION_SIZE, &got.size, "SIZE", "a size" },
	{ "time", 0, OPTION_SECONDS, &got.seconds, "TIME", "a time" },
	{ 0 },
};

static char *argv[80];
static int n_args;
static bool help;

/* Parses up to 7 words, ended by NULL. */
static int parse(struct err *err, const char *const *words)
{
	static char texts[8][64];
	int argc = 1;

	memset(&got, 0, sizeof(got));
	argv[0] = texts[7];
	for (; *words; words++) {
		strncpy(texts[argc - 1], *words, sizeof(texts[0]) - 1);
		argv[argc] = texts[argc - 1];
		argc++;
	}
	return options_parse(rows, argc, argv, &n_args, &help, err);
}

#define PARSE(err, ...) parse(err, (const char *const[]){ __VA_ARGS__, NULL })

static void values_are_taken_in_all_four_spellings(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(PARSE(&err, "--name", "web"), &err);
	assert_string_equal(got.name, "web");
	assert_ok(PARSE(&err, "--name=web=1"), &err);
	assert_string_equal(got.name, "web=1");
	assert_ok(PARSE(&err, "-n", "web"), &err);
	assert_string_equal(got.name, "web");
	assert_ok(PARSE(&err, "-nweb"), &err);
	assert_string_equal(got.name, "web");
	assert_ok(PARSE(&err, "--name="), &err);
	assert_string_equal(got.name, "");
}

static void flags_may_share_a_dash(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(PARSE(&err, "-qvnweb"), &err);
	assert_true(got.quiet && got.verbose);
	assert_string_equal(got.name, "web");
}

static void options_and_arguments_may_be_mixed(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(PARSE(&err, "a", "-q", "-", "--", "--name", "-v"), &err);
	assert_int_equal(n_args, 4);
	assert_string_equal(argv[1], "a");
	assert_string_equal(argv[2], "-");
	assert_string_equal(argv[3], "--name");
	assert_string_equal(argv[4], "-v");
	assert_true(got.quiet);
	assert_false(got.verbose);
}

static void lists_gather_and_stop_at_their_limit(void **state)
{
	char word[] = "--image=x", *many[OPTION_LIST_MAX + 3];
	struct err err = { 0 };

	(void)state;
	assert_ok(PARSE(&err, "--image", "a", "--image=b"), &err);
	assert_int_equal(got.images.n, 2);
	assert_string_equal(got.images.items[1], "b");
	got.images.n = 0;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = word;
	assert_ok(options_parse(rows, OPTION_LIST_MAX + 1, many, &n_args, &help, &err), &err);
	got.images.n = 0;
	assert_fails(options_parse(rows, OPTION_LIST_MAX + 2, many, &n_args, &help, &err), &err,
		ERR_USAGE);
}

static void sizes_and_times_are_checked(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(PARSE(&err, "-s10M", "--time", "15m"), &err);
	assert_int_equal(got.size, 10000000);
	assert_int_equal(got.seconds, 900);
	assert_fails(PARSE(&err, "--size", "big\n"), &err, ERR_USAGE);
	assert_string_equal(err.text, "--size: 'big\\x0a' is not a size; write 500k, 10M or 1.5G");
	assert_fails(PARSE(&err, "--time=soon"), &err, ERR_USAGE);
}

static void what_is_not_in_the_table_is_a_usage_error(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(PARSE(&err, "--nam", "x"), &err, ERR_USAGE);
	assert_string_equal(err.text, "unknown option '--nam'; see --help");
	assert_fails(PARSE(&err, "--bogus=secret"), &err, ERR_USAGE);
	assert_string_equal(err.text, "unknown option '--bogus'; see --help");
	assert_fails(PARSE(&err, "-qx"), &err, ERR_USAGE);
	assert_string_equal(err.text, "unknown option '-x'; see --help");
	assert_fails(PARSE(&err, "---quiet"), &err, ERR_USAGE);
	assert_fails(PARSE(&err, "--=x"), &err, ERR_USAGE);
}

static void missing_and_superfluous_values_are_usage_errors(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(PARSE(&err, "--name"), &err, ERR_USAGE);
	assert_string_equal(err.text, "--name needs a value (NAME); see --help");
	assert_fails(PARSE(&err, "-q", "-n"), &err, ERR_USAGE);
	assert_fails(PARSE(&err, "--quiet=yes"), &err, ERR_USAGE);
	assert_string_equal(err.text, "--quiet takes no value");
}

static void help_is_seen_in_both_spellings(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(PARSE(&err, "a"), &err);
	assert_false(help);
	assert_ok(PARSE(&err, "a", "--help"), &err);
	assert_true(help);
	assert_ok(PARSE(&err, "-h"), &err);
	assert_true(help);
	assert_ok(PARSE(&err, "--", "--help"), &err);
	assert_false(help);
}

RUN_TESTS(TEST(values_are_taken_in_all_four_spellings), TEST(flags_may_share_a_dash),
	TEST(options_and_arguments_may_be_mixed), TEST(lists_gather_and_stop_at_their_limit),
	TEST(sizes_and_times_are_checked), TEST(what_is_not_in_the_table_is_a_usage_error),
	TEST(missing_and_superfluous_values_are_usage_errors), TEST(help_is_seen_in_both_spellings))
