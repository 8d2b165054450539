#include "common/cargo/reference.h"
#include "tests/support/test.h"

#include <string.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_completed_as_docker_does(void **state)
{
	static const struct {
		const char *text, *full, *familiar;
	} cases[] = {
		{ "busybox", "docker.io/library/busybox:latest", "busybox:latest" },
		{ "busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36" },
		{ "web/app", "docker.io/web/app:latest", "web/app:latest" },
		{ "a/b/c:t", "docker.io/a/b/c:t", "a/b/c:t" },
		{ "docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest" },
		{ "docker.io/library/busybox", "docker.io/library/busybox:latest",
			"busybox:latest" },
		{ "index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest" },
		{ "library/busybox", "docker.io/library/busybox:latest", "busybox:latest" },
		{ "localhost/app", "localhost/app:latest", "localhost/app:latest" },
		{ "localhost:5000/app:T", "localhost:5000/app:T", "localhost:5000/app:T" },
		{ "reg.example/a", "reg.example/a:latest", "reg.example/a:latest" },
		{ "Reg.Example:1/a", "Reg.Example:1/a:latest", "Reg.Example:1/a:latest" },
		{ "[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest" },
		{ "host:5000", "docker.io/library/host:5000", "host:5000" },
		{ "a-b__c.d---e", "docker.io/library/a-b__c.d---e:latest", "a-b__c.d---e:latest" },
		{ "x@sha256:" HEX64, "docker.io/library/x@sha256:" HEX64, "x@sha256:" HEX64 },
		{ "x:1@sha256:" HEX64, "docker.io/library/x:1@sha256:" HEX64, "x:1@sha256:" HEX64 },
		{ "docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest" },
		{ "docker.io/localhost/c", "docker.io/localhost/c:latest",
			"docker.io/localhost/c:latest" },
	};
	char text[REFERENCE_TEXT_MAX + 1];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reference r, again;

		assert_ok(reference_parse(cases[i].text, &r, &err), &err);
		assert_string_equal(reference_full(&r, text), cases[i].full);
		assert_string_equal(reference_familiar(&r, text), cases[i].familiar);
		assert_ok(reference_parse(text, &again, &err), &err);
		assert_memory_equal(&r, &again, sizeof(r));
	}
}

static void hostile_names_are_refused(void **state)
{
	static const char *const cases[] = { "", " ", "/", "//", ":", "@", ":tag", "@sha256:" HEX64,
		"Web/app", "web/App", "web//app", "/web", "web/", "web/../app", "..", "../x",
		"x/..", "./x", "docker.io/library/..", "docker.io/../x", "docker.io/",
		"docker.io//x", "web/app:", "web/app:.t", "web/app:-t", "web/app:a/b", "web/app:t@",
		"web app", "web\tapp", "web\n", "web\x1b[31m", "web/\xc3\xa9",
		"w\xd0\xb5"
		"b/app",
		"a..b", "a___b", "a._b", "a-_b", "-a", "a-", ".a", "a.", "_a", "a_", "a?b", "a*b",
		"a%2fb", "a\\b", "a#b", "a&b", "a;b", "$(a)", "-x.y/a", "x-.y/a", ".x/a", "x./a",
		"x..y/a", "x.y:/a", "x.y:port/a", "x.y:123456/a", "[::1/a", "::1/a", "[zz]/a:b",
		"[]/a", "user@host.x/a", "http://host.x/a", "x@sha256:" HEX64 "0", "x@sha256:abc",
		"x@sha512:" HEX64, "x@SHA256:" HEX64, "x@sha256:" HEX64 "@sha256:" HEX64, HEX64,
		"x@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef" };
	struct reference r = { .host = "untouched" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };

		if (reference_parse(cases[i], &r, &err) == 0)
			fail_msg("'%s' was taken for a name", cases[i]);
		assert_int_equal(err.code, ERR_USAGE);
		for (const char *at = err.text; *at; at++)
			assert_true(*at >= 0x20 && *at < 0x7f);
	}
	assert_string_equal(r.host, "untouched");
}

static void names_may_be_as_long_as_the_limits_and_no_longer(void **state)
{
	char text[600], full[REFERENCE_TEXT_MAX + 1];
	struct err err = { 0 };
	struct reference r;

	(void)state;
	/* "docker.io/library/" takes 18 of 255. */
	memset(text, 'a', sizeof(text));
	text[237] = '\0';
	assert_ok(reference_parse(text, &r, &err), &err);
	text[237] = 'a';
	text[238] = '\0';
	assert_fails(reference_parse(text, &r, &err), &err, ERR_USAGE);
	memset(text, 'a', sizeof(text));
	memcpy(text, "h.x/", 4);
	text[255] = ':';
	text[256 + 128] = '\0';
	assert_int_equal(strlen(text), REFERENCE_MAX);
	assert_ok(reference_parse(text, &r, &err), &err);
	assert_string_equal(reference_full(&r, full), text);
	text[254] = ':';
	assert_fails(reference_parse(text, &r, &err), &err, ERR_USAGE);
	memset(text, 'a', sizeof(text) - 1);
	text[599] = '\0';
	assert_fails(reference_parse(text, &r, &err), &err, ERR_USAGE);
}

static void names_and_ids_may_be_typed(void **state)
{
	static const char *const good[] = { "web", "web:1", "ce35", "ce351a85bbec", HEX64,
		"sha256:" HEX64, "sha256:ce351a85bbec", "x@sha256:" HEX64,
		"h.x:5000/a__b/c---d:T" };
	static const char *const bad[] = { "", " ", "Web", "web:", "web/", "sha256:" HEX64 "/",
		HEX64 "0/A", "x@md5:abc", "-x" };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(reference_check_typed(good[i], &err), &err);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fails(reference_check_typed(bad[i], &err), &err, ERR_USAGE);
}

RUN_TESTS(TEST(names_and_ids_may_be_typed), TEST(names_are_completed_as_docker_does),
	TEST(hostile_names_are_refused), TEST(names_may_be_as_long_as_the_limits_and_no_longer))
