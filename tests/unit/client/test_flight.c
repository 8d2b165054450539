#include "client/push/flight.h"
#include "protocol/limits.h"
#include "tests/support/test.h"

#include <stdlib.h>

static void add(struct flight *f, size_t len, uint16_t lane, bool keep)
{
	struct packed *packed = keep ? calloc(1, sizeof(*packed)) : NULL;
	struct err err = { 0 };

	assert_ok(flight_add(f, len, lane, packed, &err), &err);
}

static void acknowledgements_take_segments_out_of_flight_in_order(void **state)
{
	struct flight f;
	struct err err = { 0 };

	(void)state;
	flight_init(&f);
	for (size_t i = 1; i <= 3; i++) {
		add(&f, 100 * i, 0, false);
		assert_int_equal(f.number, i);
	}
	assert_int_equal(f.bytes, 600);
	assert_ok(flight_acked(&f, 2, &err), &err);
	assert_int_equal(f.bytes, 300);
	assert_ok(flight_acked(&f, 2, &err), &err);
	assert_int_equal(f.bytes, 300);
	flight_done(&f);
	assert_int_equal(f.bytes, 0);
}

static void a_segment_that_was_not_sent_cannot_be_acknowledged(void **state)
{
	struct flight f;
	struct err err = { 0 };

	(void)state;
	flight_init(&f);
	assert_fails(flight_acked(&f, 1, &err), &err, ERR_PROTOCOL);
	add(&f, 1, 0, false);
	assert_fails(flight_acked(&f, UINT64_MAX, &err), &err, ERR_PROTOCOL);
	assert_ok(flight_acked(&f, 1, &err), &err);
	flight_done(&f);
}

static void what_a_dead_lane_had_is_to_be_sent_again_in_order(void **state)
{
	struct flight f;
	struct err err = { 0 };

	(void)state;
	flight_init(&f);
	add(&f, 10, 1, true);
	add(&f, 10, 2, true);
	add(&f, 10, 1, true);
	add(&f, 10, 0, false);
	assert_null(flight_first_lost(&f));
	flight_lane_died(&f, 1);
	assert_int_equal(f.lost, 2);
	assert_int_equal(flight_first_lost(&f)->number, 1);
	flight_sent_again(&f, flight_first_lost(&f), 2);
	assert_int_equal(flight_first_lost(&f)->number, 3);
	flight_lane_died(&f, 2); /* and the one it went over now, too */
	assert_int_equal(f.lost, 3);
	assert_int_equal(flight_first_lost(&f)->number, 1);
	assert_ok(flight_acked(&f, 3, &err), &err); /* they had arrived after all */
	assert_int_equal(f.lost, 0);
	assert_null(flight_first_lost(&f));
	assert_int_equal(f.bytes, 10);
	flight_done(&f);
}

static void bytes_and_number_in_flight_are_limited(void **state)
{
	struct flight f;

	(void)state;
	flight_init(&f);
	assert_true(flight_takes(&f, IN_FLIGHT_MAX));
	assert_false(flight_takes(&f, (size_t)IN_FLIGHT_MAX + 1));
	add(&f, IN_FLIGHT_MAX - 5, 0, false);
	assert_true(flight_takes(&f, 5));
	assert_false(flight_takes(&f, 6));
	for (size_t i = 1; i < SEGMENTS_AHEAD_MAX; i++) {
		assert_true(flight_takes(&f, 0));
		add(&f, 0, 0, false);
	}
	assert_false(flight_takes(&f, 0));
	flight_done(&f);
}

RUN_TESTS(TEST(acknowledgements_take_segments_out_of_flight_in_order),
	TEST(a_segment_that_was_not_sent_cannot_be_acknowledged),
	TEST(what_a_dead_lane_had_is_to_be_sent_again_in_order),
	TEST(bytes_and_number_in_flight_are_limited))
