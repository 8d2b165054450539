#include "common/engine/load_reply.h"
#include "tests/support/test.h"

#include <string.h>

static int reply(const char *text, struct err *err)
{
	struct load_reply r;
	int result;

	load_reply_init(&r);
	load_reply_feed(&r, text, strlen(text));
	result = load_reply_end(&r, err);
	load_reply_done(&r);
	return result;
}

static void a_line_that_says_loaded_is_success(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(reply("{\"stream\":\"Loaded image: web:1\\n\"}\r\n", &err), &err);
	assert_ok(reply("{\"stream\":\"Loaded image ID: sha256:00\\n\"}\n", &err), &err);
	assert_ok(reply("{\"status\":\"x\"}\r\n\r\n{\"stream\":\"Loaded image: a\"}", &err), &err);
}

static void an_error_in_a_200_is_a_failure(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(reply("{\"errorDetail\":{\"message\":\"open x: no such file\"},"
			   "\"error\":\"open x: no such file\"}\r\n",
			     &err),
		&err, ERR_ENGINE);
	assert_non_null(strstr(err.text, "open x: no such file"));
	assert_fails(reply("{\"error\":\"bad\"}", &err), &err, ERR_ENGINE);
	assert_fails(reply("{\"errorDetail\":7}", &err), &err, ERR_ENGINE);
	assert_fails(reply("{\"error\":null}", &err), &err, ERR_ENGINE);
}

static void an_error_after_loaded_is_a_failure(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(reply("{\"stream\":\"Loaded image: x\\n\"}\r\n"
			   "{\"stream\":\"Error unpacking image x: NotFound\\n\"}\r\n",
			     &err),
		&err, ERR_ENGINE);
	assert_non_null(strstr(err.text, "Error unpacking image x: NotFound"));
}

static void an_answer_without_loaded_is_a_failure(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(reply("", &err), &err, ERR_ENGINE);
	assert_fails(reply("{\"stream\":\"Loading\"}\n", &err), &err, ERR_ENGINE);
	assert_fails(reply("{\"stream\":7}\n", &err), &err, ERR_ENGINE);
}

static void what_is_no_json_object_is_a_failure(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(reply("<html>\n{\"stream\":\"Loaded image: x\"}\n", &err), &err, ERR_ENGINE);
	assert_fails(reply("[1]\n{\"stream\":\"Loaded image: x\"}\n", &err), &err, ERR_ENGINE);
}

static void a_message_is_escaped(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(reply("{\"error\":\"a\\u001b[31mb\"}", &err), &err, ERR_ENGINE);
	assert_null(strchr(err.text, '\x1b'));
}

static void bytes_may_be_cut_anywhere(void **state)
{
	static const char text[] =
		"{\"stream\":\"Loaded image: web:1\\n\"}\r\n{\"status\":\"s\"}\r\n";
	struct err err = { 0 };

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct load_reply r;

		load_reply_init(&r);
		load_reply_feed(&r, text, cut);
		load_reply_feed(&r, text + cut, sizeof(text) - 1 - min_size(cut, sizeof(text) - 1));
		assert_ok(load_reply_end(&r, &err), &err);
		load_reply_done(&r);
	}
}

static void a_line_over_the_limit_is_a_failure(void **state)
{
	static char line[LOAD_REPLY_LINE_MAX + 1];
	struct load_reply r;
	struct err err = { 0 };

	(void)state;
	memset(line, ' ', sizeof(line));
	load_reply_init(&r);
	load_reply_feed(&r, line, LOAD_REPLY_LINE_MAX);
	assert_false(r.failed);
	load_reply_feed(&r, line, 1);
	assert_true(r.failed);
	assert_fails(load_reply_end(&r, &err), &err, ERR_ENGINE);
	load_reply_done(&r);
}

RUN_TESTS(TEST(a_line_that_says_loaded_is_success), TEST(an_error_in_a_200_is_a_failure),
	TEST(an_error_after_loaded_is_a_failure), TEST(an_answer_without_loaded_is_a_failure),
	TEST(what_is_no_json_object_is_a_failure), TEST(a_message_is_escaped),
	TEST(bytes_may_be_cut_anywhere), TEST(a_line_over_the_limit_is_a_failure))
