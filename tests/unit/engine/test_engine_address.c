#include "common/engine/engine_address.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static void assert_tcp(const char *text, const char *base)
{
	struct engine_address a;
	struct err err;
	char shown[400];

	if (engine_address_parse(text, &a, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	assert_null(a.socket);
	assert_string_equal(a.base, base);
	snprintf(shown, sizeof(shown), "tcp://%s", base);
	assert_string_equal(a.shown, shown);
	assert_false(a.tls || a.verify || a.podmans);
	assert_false(engine_address_is_local(&a));
	assert_true(engine_address_is_open(&a));
	engine_address_done(&a);
}

static void assert_refused(const char *text, const char *why)
{
	struct engine_address a;
	struct err err;

	if (engine_address_parse(text, &a, &err) == 0)
		fail_msg("%s is taken for %s", text, a.shown);
	assert_int_equal(err.code, ERR_USAGE);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", text, err.text);
}

static void a_unix_socket_has_a_path(void **state)
{
	struct engine_address a;

	(void)state;
	assert_int_equal(engine_address_parse("unix:///run/x.sock", &a, NULL), 0);
	assert_string_equal(a.socket, "/run/x.sock");
	assert_string_equal(a.shown, "unix:///run/x.sock");
	assert_true(engine_address_is_local(&a));
	assert_false(engine_address_is_open(&a));
	engine_address_done(&a);
	assert_null(a.shown);
	assert_int_equal(engine_address_parse("unix://", &a, NULL), 0);
	assert_string_equal(a.socket, ENGINE_SOCKET);
	engine_address_done(&a);
}

static void a_socket_with_an_odd_name_is_shown_escaped(void **state)
{
	struct engine_address a;

	(void)state;
	assert_int_equal(engine_address_parse("unix:///run/\x1b[31m", &a, NULL), 0);
	assert_string_equal(a.shown, "unix:///run/\\x1b[31m");
	assert_string_equal(a.socket, "/run/\x1b[31m");
	engine_address_done(&a);
}

static void tcp_addresses_are_read_as_docker_reads_them(void **state)
{
	(void)state;
	assert_tcp("tcp://", "127.0.0.1:2375");
	assert_tcp("tcp://:9999", "127.0.0.1:9999");
	assert_tcp("tcp://web01", "web01:2375");
	assert_tcp("tcp://web01:", "web01:2375");
	assert_tcp("tcp://10.0.0.5:2376", "10.0.0.5:2376");
	assert_tcp("tcp://web-01.example_net:2376/", "web-01.example_net:2376");
	assert_tcp("tcp://web01:2376/engines/a_b.c~d-e//", "web01:2376/engines/a_b.c~d-e");
	assert_tcp("tcp://web01/a", "web01:2375/a");
	assert_tcp("tcp://[::1]", "[::1]:2375");
	assert_tcp("tcp://[fe80::a:1.2.3.4]:1/x", "[fe80::a:1.2.3.4]:1/x");
	assert_tcp("web01", "web01:2375");
	assert_tcp("web01:1234", "web01:1234");
	assert_tcp("  tcp://web01:1234\n", "web01:1234");
	assert_tcp("tcp://web01:65535", "web01:65535");
}

static void what_is_no_address_says_so(void **state)
{
	static const char *const bad[] = { "tcp://web01:0", "tcp://web01:65536",
		"tcp://web01:123456", "tcp://web01:x", "tcp://user@web01", "tcp://web01:1?x",
		"tcp://web01:1/a b", "tcp://web01:1/a%2fb", "tcp://[::1", "tcp://[]:1",
		"tcp://[x]:1", "tcp://::1", "tcp://tcp://x", "a b", "tcp://web\\01",
		"tcp://[::1]x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(bad[i], "is not understood");
	assert_refused("/var/run/docker.sock", "put unix:// before the path");
	assert_refused("unix://docker.sock", "no absolute path");
	assert_refused("gopher://x", "is not supported");
	assert_refused("://x", "is not supported");
	assert_refused("TCP://x", "is not supported");
}

static void what_cannot_be_reached_from_here_says_what_to_do_instead(void **state)
{
	(void)state;
	assert_refused("ssh://root@web01", "run dray on that host");
	assert_refused("npipe:////./pipe/docker_engine", "Windows");
	assert_refused("fd://", "use unix://");
	assert_refused("http://web01:2375", "tcp://HOST:PORT");
	assert_refused("https://web01:2376", "DOCKER_TLS_VERIFY");
}

static void limits_hold(void **state)
{
	char text[2000];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "unix:///", 8);
	text[8 + 120] = '\0';
	assert_refused(text, "too long");
	memset(text, 'a', sizeof(text));
	memcpy(text, "tcp://", 6);
	text[6 + 256] = '\0';
	assert_refused(text, "is not understood");
	memset(text, 'a', sizeof(text));
	memcpy(text, "tcp://h/", 8);
	text[sizeof(text) - 1] = '\0';
	assert_refused(text, "is not understood");
}

RUN_TESTS(TEST(a_unix_socket_has_a_path), TEST(a_socket_with_an_odd_name_is_shown_escaped),
	TEST(tcp_addresses_are_read_as_docker_reads_them), TEST(what_is_no_address_says_so),
	TEST(what_cannot_be_reached_from_here_says_what_to_do_instead), TEST(limits_hold))
