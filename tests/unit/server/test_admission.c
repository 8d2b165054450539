#include "server/keys/admission.h"

#include "protocol/limits.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static struct admission *a;
static uint32_t dice; /* what admission's randomness gives */

static uint32_t roll(uint32_t bound)
{
	return dice < bound ? dice : bound - 1;
}

static int setup(void **state)
{
	(void)state;
	a = admission_new();
	assert_non_null(a);
	dice = UINT32_MAX; /* early drop: never */
	admission_set_random(a, roll);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	admission_free(a);
	return 0;
}

/* The address; valid until the next but three calls. */
static const struct sockaddr *at(const char *text)
{
	static struct sockaddr_storage ring[4];
	static size_t turn;
	struct sockaddr_storage *to = &ring[turn++ % 4];
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		memcpy(to, &in, sizeof(in));
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		memcpy(to, &in6, sizeof(in6));
	else
		fail_msg("%s", text);
	return (const struct sockaddr *)to;
}

/* The n-th of many sources. */
static const struct sockaddr *nth(unsigned n)
{
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.1", n / 256 % 256, n % 256);
	return at(text);
}

static bool ask(const char *source, uint64_t now)
{
	return admission_ask(a, at(source), now);
}

static void as_many_handshakes_of_a_source_as_a_session_has_lanes_may_be_under_way(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LANES_MAX; i++)
		assert_true(ask("192.0.2.1", 0));
	assert_false(ask("192.0.2.1", 0));
	assert_true(ask("192.0.2.2", 0));
	admission_passed(a, at("192.0.2.1"), 0);
	assert_true(ask("192.0.2.1", 0));
}

static void an_ipv6_source_is_a_56_and_a_mapped_one_is_ipv4(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ADMISSION_PER_SOURCE / 2; i++) {
		assert_true(ask("2001:db8:0:1::1", 0));
		assert_true(ask("2001:db8:0:ff::2", 0));
		assert_true(ask("192.0.2.1", 0));
		assert_true(ask("::ffff:192.0.2.1", 0));
	}
	assert_false(ask("2001:db8:0:7::3", 0));
	assert_true(ask("2001:db8:0:100::1", 0));
	assert_false(ask("192.0.2.1", 0));
}

static void those_who_succeed_may_come_as_often_as_they_like(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		assert_true(ask("192.0.2.1", 0));
		admission_passed(a, at("192.0.2.1"), 0);
	}
}

static void those_who_do_not_get_a_burst_at_once_and_two_a_second(void **state)
{
	unsigned admitted = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * ADMISSION_BURST; i++) {
		if (!ask("127.0.0.1", 1000))
			continue;
		admitted++;
		admission_failed(a, at("127.0.0.1"), false, 1000);
	}
	assert_int_equal(admitted, ADMISSION_BURST);
	assert_false(ask("127.0.0.1", 1499));
	assert_true(ask("127.0.0.1", 1500));
	assert_false(ask("127.0.0.1", 1999));
	assert_true(ask("127.0.0.1", 2000));
}

static void three_wrong_handshakes_are_free_and_the_fourth_costs_time(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_true(ask("192.0.2.1", 0));
		admission_failed(a, at("192.0.2.1"), true, 0);
	}
	assert_false(ask("192.0.2.1", 4999));
	assert_true(ask("192.0.2.1", 5000));
	assert_true(ask("192.0.2.9", 0));
}

static void penalties_add_up_to_ten_minutes_and_no_more(void **state)
{
	uint64_t now = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		while (!ask("192.0.2.1", now))
			now += 1000;
		admission_failed(a, at("192.0.2.1"), true, now);
	}
	/* However many went wrong, ten minutes later the source is free again. */
	assert_true(ask("192.0.2.1", now + ADMISSION_CAP_MS));
}

static void loopback_is_not_punished(void **state)
{
	uint64_t now = 0;

	(void)state;
	for (int i = 0; i < 100; i++, now += 500) {
		assert_true(ask("127.0.0.1", now));
		admission_failed(a, at("127.0.0.1"), true, now);
		assert_true(ask("::1", now));
		admission_failed(a, at("::1"), true, now);
	}
}

static void half_of_the_most_may_be_under_way_before_any_is_dropped(void **state)
{
	const unsigned soft = ADMISSION_HALF_OPEN_SOFT, most = ADMISSION_HALF_OPEN_MAX;

	(void)state;
	dice = 0; /* early drop: whenever it can */
	for (unsigned i = 0; i < soft; i++)
		assert_true(admission_ask(a, nth(i), 0));
	assert_false(admission_ask(a, nth(soft), 0));
	dice = soft - 1; /* below half of the range: still dropped */
	assert_false(admission_ask(a, nth(soft), 0));
	dice = soft;
	assert_true(admission_ask(a, nth(soft), 0));
	assert_false(admission_ask(a, nth(soft + 1), 0)); /* now there is one more */
	dice = UINT32_MAX;
	for (unsigned i = soft + 1; i < most; i++)
		assert_true(admission_ask(a, nth(i), 0));
	assert_false(admission_ask(a, nth(most), 0));
	admission_passed(a, nth(5), 0);
	assert_true(admission_ask(a, nth(most), 0));
}

static void a_thousand_begin_in_a_second_from_all_sources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(admission_ask(a, nth(i), 5000));
		admission_passed(a, nth(i), 5000);
	}
	assert_false(admission_ask(a, nth(1000), 5999));
	assert_true(admission_ask(a, nth(1000), 6000));
}

static void the_sources_seen_longest_ago_are_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_true(ask("192.0.2.1", 0));
		admission_failed(a, at("192.0.2.1"), true, 0);
	}
	assert_true(ask("192.0.2.2", 0)); /* under way: never forgotten */
	for (unsigned i = 0; i < ADMISSION_SOURCES_MAX - 2; i++) {
		assert_true(admission_ask(a, nth(i), i * 2));
		admission_passed(a, nth(i), i * 2);
	}
	assert_false(ask("192.0.2.1", 4000)); /* remembered, and now the newest */
	for (unsigned i = 0; i < 3 * ADMISSION_SOURCES_MAX; i++) {
		uint64_t now = 4000 + i / 500 * 1000;

		assert_true(admission_ask(a, nth(20000 + i), now));
		admission_passed(a, nth(20000 + i), now);
	}
	assert_true(ask("192.0.2.1", 4000 + 30000));
	admission_passed(a, at("192.0.2.2"), 34000);
	admission_passed(a, at("192.0.2.1"), 34000);
}

static void time_that_stands_still_or_goes_back_does_no_harm(void **state)
{
	(void)state;
	assert_true(ask("192.0.2.1", 10000));
	admission_failed(a, at("192.0.2.1"), true, 9000);
	assert_true(ask("192.0.2.1", 8500));
	admission_passed(a, at("192.0.2.1"), 8000);
}

#define WITH(name) TEST_WITH(name, setup, teardown)

RUN_TESTS(WITH(as_many_handshakes_of_a_source_as_a_session_has_lanes_may_be_under_way),
	WITH(an_ipv6_source_is_a_56_and_a_mapped_one_is_ipv4),
	WITH(those_who_succeed_may_come_as_often_as_they_like),
	WITH(those_who_do_not_get_a_burst_at_once_and_two_a_second),
	WITH(three_wrong_handshakes_are_free_and_the_fourth_costs_time),
	WITH(penalties_add_up_to_ten_minutes_and_no_more), WITH(loopback_is_not_punished),
	WITH(half_of_the_most_may_be_under_way_before_any_is_dropped),
	WITH(a_thousand_begin_in_a_second_from_all_sources),
	WITH(the_sources_seen_longest_ago_are_forgotten),
	WITH(time_that_stands_still_or_goes_back_does_no_harm))
