#include "common/base/address.h"
#include "tests/support/test.h"

#include <string.h>

static void addresses_are_read_and_printed_whole(void **state)
{
	static const struct {
		const char *text, *host, *printed;
		uint16_t port;
	} cases[] = {
		{ "host", "host", "host:7747", 7747 },
		{ "host.example:1", "host.example", "host.example:1", 1 },
		{ "192.0.2.1:65535", "192.0.2.1", "192.0.2.1:65535", 65535 },
		{ "[::1]", "::1", "[::1]:7747", 7747 },
		{ "[2001:db8::1]:80", "2001:db8::1", "[2001:db8::1]:80", 80 },
		{ "[fe80::1%eth0]:80", "fe80::1%eth0", "[fe80::1%eth0]:80", 80 },
		{ "[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80", 80 },
		{ ":7000", "", ":7000", 7000 },
		{ "my_host-1:80", "my_host-1", "my_host-1:80", 80 },
	};
	char text[ADDRESS_TEXT_MAX + 1];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct address a;

		assert_ok(address_parse(cases[i].text, &a, &err), &err);
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
		assert_string_equal(address_print(&a, text), cases[i].printed);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const cases[] = { "", ":", "host:", "host:0", "host:65536",
		"host:123456", "host:+1", "host: 1", "host:1x", "host:-1", "::1", "2001:db8::1:80",
		"[::1", "[]", "[]:80", "[host]:80", "[::1]80", "[::1]x", "[::1%]", "[::1%a b]",
		"[1.2.3.4]:1", "ho st:1", "host\n", "-host:1", "h\xc3\xb6st", "host/path",
		"user@host", "http://host", "a:b:c" };
	struct address a = { .port = 42 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };

		if (address_parse(cases[i], &a, &err) == 0)
			fail_msg("'%s' was taken for an address", cases[i]);
		assert_int_equal(err.code, ERR_USAGE);
	}
	assert_int_equal(a.port, 42);
}

static void hosts_may_be_253_bytes_long(void **state)
{
	char text[ADDRESS_HOST_MAX + 2], printed[ADDRESS_TEXT_MAX + 1];
	struct err err = { 0 };
	struct address a;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[ADDRESS_HOST_MAX + 1] = '\0';
	assert_fails(address_parse(text, &a, &err), &err, ERR_USAGE);
	text[ADDRESS_HOST_MAX] = '\0';
	assert_ok(address_parse(text, &a, &err), &err);
	address_print(&a, printed);
	assert_int_equal(strlen(printed), ADDRESS_HOST_MAX + 5);
}

RUN_TESTS(TEST(addresses_are_read_and_printed_whole), TEST(what_is_no_address_is_refused),
	TEST(hosts_may_be_253_bytes_long))
