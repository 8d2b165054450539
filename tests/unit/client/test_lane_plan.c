#include "client/push/lane_plan.h"
#include "common/chunk/limits.h"
#include "tests/support/test.h"

/* A link that carries so much for each lane, and so much at most. */
struct link {
	struct lane_plan plan;
	struct lane_sample sample;
	uint64_t per_lane, in_all; /* bytes a second */
	unsigned blocked_percent;
};

static void pass(struct link *k, unsigned ms)
{
	for (unsigned at = 0; at < ms; at += 100) {
		uint64_t rate = min_u64(k->per_lane * k->plan.wanted, k->in_all);

		k->sample.now_ms += 100;
		k->sample.acked_bytes += rate / 10;
		k->sample.blocked_ms += k->blocked_percent;
		k->sample.open = k->plan.wanted;
		lane_plan_look(&k->plan, &k->sample);
	}
}

static struct link far_link(uint64_t per_lane, uint64_t in_all)
{
	struct link k = { .per_lane = per_lane, .in_all = in_all, .blocked_percent = 90 };

	lane_plan_start(&k.plan, 0, 16, 40000);
	return k;
}

static void a_near_link_begins_with_one_lane_and_a_far_one_with_several(void **state)
{
	struct lane_plan p;

	(void)state;
	lane_plan_start(&p, 0, 16, 300);
	assert_int_equal(p.wanted, 1);
	lane_plan_start(&p, 0, 16, LANE_PLAN_FAR_US);
	assert_int_equal(p.wanted, LANE_PLAN_FIRST);
	lane_plan_start(&p, 0, 1, LANE_PLAN_FAR_US); /* an older target */
	assert_int_equal(p.wanted, 1);
}

static void a_number_that_was_given_stays(void **state)
{
	struct link k = far_link(100000, 10000000);

	(void)state;
	lane_plan_start(&k.plan, 3, 16, 40000);
	k.sample.retransmitted = 100;
	pass(&k, 10000);
	assert_int_equal(k.plan.wanted, 3);
	lane_plan_start(&k.plan, 16, 8, 40000);
	assert_int_equal(k.plan.wanted, 8);
}

static void a_target_that_takes_fewer_has_the_last_word(void **state)
{
	struct link k = far_link(100000, 10000000);

	(void)state;
	lane_plan_limit(&k.plan, 2);
	assert_int_equal(k.plan.wanted, 2);
	pass(&k, 10000);
	assert_int_equal(k.plan.wanted, 2);
	lane_plan_limit(&k.plan, 0);
	assert_int_equal(k.plan.wanted, 1);
}

static void lanes_are_added_while_that_raises_the_rate(void **state)
{
	struct link k = far_link(1000000, 100000000);

	(void)state;
	pass(&k, 10000);
	assert_int_equal(k.plan.wanted, 16);
}

static void lanes_that_did_not_help_are_the_last(void **state)
{
	struct link k = far_link(1000000, 4200000);

	(void)state;
	pass(&k, 20000);
	assert_int_equal(k.plan.wanted, 8);
	assert_true(k.plan.settled);
}

static void a_link_that_does_not_hold_up_gets_no_more_lanes(void **state)
{
	struct link k = far_link(1000000, 100000000);

	(void)state;
	k.blocked_percent = 10;
	pass(&k, 10000);
	assert_int_equal(k.plan.wanted, LANE_PLAN_FIRST);
}

static void losses_on_a_far_link_call_for_all_lanes_at_once(void **state)
{
	struct link k = far_link(1000000, 100000000);

	(void)state;
	k.sample.retransmitted = 1;
	pass(&k, 100);
	assert_int_equal(k.plan.wanted, 16);
}

static void a_congestion_control_that_losses_do_not_slow_needs_no_more(void **state)
{
	struct link k = far_link(1000000, 1000000);

	(void)state;
	k.sample.retransmitted = 1;
	k.sample.own_congestion = true;
	pass(&k, 300);
	assert_int_equal(k.plan.wanted, LANE_PLAN_FIRST);
}

static void a_lane_that_dies_with_its_account_does_no_harm(void **state)
{
	struct link k = far_link(1000000, 100000000);

	(void)state;
	pass(&k, 400);
	k.sample.acked_bytes = 0;
	pass(&k, 10000);
	assert_int_equal(k.plan.wanted, 16);
}

static void segments_are_as_large_as_a_lane_sends_in_half_a_second(void **state)
{
	struct link k = far_link(600000, 600000);

	(void)state;
	assert_int_equal(lane_plan_segment(&k.plan, 4), 256u << 10);
	lane_plan_start(&k.plan, 1, 16, 40000);
	pass(&k, 5000);
	assert_in_range(lane_plan_segment(&k.plan, 1), 290000, 310000);
	assert_int_equal(lane_plan_segment(&k.plan, 16), 128u << 10);
	lane_plan_start(&k.plan, 0, 16, 100);
	assert_int_equal(lane_plan_segment(&k.plan, 1), SEGMENT_RAW_MAX);
}

RUN_TESTS(TEST(a_near_link_begins_with_one_lane_and_a_far_one_with_several),
	TEST(a_number_that_was_given_stays), TEST(a_target_that_takes_fewer_has_the_last_word),
	TEST(lanes_are_added_while_that_raises_the_rate),
	TEST(lanes_that_did_not_help_are_the_last),
	TEST(a_link_that_does_not_hold_up_gets_no_more_lanes),
	TEST(losses_on_a_far_link_call_for_all_lanes_at_once),
	TEST(a_congestion_control_that_losses_do_not_slow_needs_no_more),
	TEST(a_lane_that_dies_with_its_account_does_no_harm),
	TEST(segments_are_as_large_as_a_lane_sends_in_half_a_second))
