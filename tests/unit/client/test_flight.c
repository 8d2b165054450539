#include "client/flight.h"
#include "tests/support/test.h"

static void acknowledgements_take_segments_out_of_flight_in_order(void **state)
{
	struct flight f;
	struct err err = { 0 };
	uint64_t number;

	(void)state;
	flight_init(&f);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_ok(flight_add(&f, 100 * i, &number, &err), &err);
		assert_int_equal(number, i);
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
	uint64_t number;

	(void)state;
	flight_init(&f);
	assert_fails(flight_acked(&f, 1, &err), &err, ERR_PROTOCOL);
	assert_ok(flight_add(&f, 1, &number, &err), &err);
	assert_fails(flight_acked(&f, UINT64_MAX, &err), &err, ERR_PROTOCOL);
	assert_ok(flight_acked(&f, 1, &err), &err);
	flight_done(&f);
}

RUN_TESTS(TEST(acknowledgements_take_segments_out_of_flight_in_order),
	TEST(a_segment_that_was_not_sent_cannot_be_acknowledged))
