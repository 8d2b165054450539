#include "common/cargo/image_config.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(const char *text, size_t n, struct err *err)
{
	struct digest layers[2] = { digest_of("a", 1), digest_of("b", 1) };

	return image_config_check(text, strlen(text), layers, n, err);
}

static const char *config(const char *fmt)
{
	static char text[600];
	struct digest layers[2] = { digest_of("a", 1), digest_of("b", 1) };
	char a[DIGEST_TEXT_LEN + 1], b[DIGEST_TEXT_LEN + 1];

	digest_text(&layers[0], a);
	digest_text(&layers[1], b);
	snprintf(text, sizeof(text), "{%s\"rootfs\":{\"diff_ids\":[\"%s\",\"%s\"]}}", fmt, a, b);
	return text;
}

static void the_offered_layers_in_their_order_pass(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(check(config(""), 2, &err), &err);
	assert_ok(check("{\"rootfs\":{\"diff_ids\":null}}", 0, &err), &err);
	assert_ok(check("{}", 0, &err), &err);
}

static void other_layers_are_refused(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(check(config(""), 1, &err), &err, ERR_VERIFY);
	assert_fails(check("{}", 2, &err), &err, ERR_VERIFY);
	assert_fails(check("{\"rootfs\":{\"diff_ids\":[7,8]}}", 2, &err), &err, ERR_VERIFY);
	assert_fails(check("{\"rootfs\":{\"diff_ids\":{}}}", 0, &err), &err, ERR_VERIFY);
}

static void a_repeated_key_or_no_object_is_refused(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_fails(check(config("\"rootfs\":{\"diff_ids\":[]},"), 2, &err), &err, ERR_VERIFY);
	assert_fails(check("", 0, &err), &err, ERR_VERIFY);
	assert_fails(check("[]", 0, &err), &err, ERR_VERIFY);
	assert_fails(check("{", 0, &err), &err, ERR_VERIFY);
}

static void a_partial_config_has_these_layers_and_the_label_and_nothing_else_to_run(void **state)
{
	struct digest layers[2] = { digest_of("a", 1), digest_of("b", 1) };
	struct err err = { 0 };
	char *text = NULL;

	(void)state;
	assert_ok(image_config_partial(layers, 2, "x.1", 1700000000, &text, &err), &err);
	assert_ok(image_config_check(text, strlen(text), layers, 2, &err), &err);
	assert_non_null(strstr(text, "\"Labels\":{\"dray.partial\":\"x.1\"}"));
	assert_non_null(strstr(text, "\"created\":\"2023-11-14T22:13:20Z\""));
	assert_null(strstr(text, "Cmd"));
	free(text);
}

RUN_TESTS(TEST(the_offered_layers_in_their_order_pass), TEST(other_layers_are_refused),
	TEST(a_repeated_key_or_no_object_is_refused),
	TEST(a_partial_config_has_these_layers_and_the_label_and_nothing_else_to_run))
