#include "common/cargo/image_config.h"
#include "tests/support/test.h"

#include <stdio.h>
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

RUN_TESTS(TEST(the_offered_layers_in_their_order_pass), TEST(other_layers_are_refused),
	TEST(a_repeated_key_or_no_object_is_refused))
