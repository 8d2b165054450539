#include "common/base/queue.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdlib.h>

static int rooms, items_seen, dropped;

static void on_room(void *ctx)
{
	(void)ctx;
	rooms++;
}

static void on_item(void *ctx)
{
	(void)ctx;
	items_seen++;
}

static void drop(void *item)
{
	(void)item;
	dropped++;
}

static int things[4];

static void items_come_out_in_the_order_they_went_in(void **state)
{
	struct queue *q = queue_new(100);

	(void)state;
	assert_null(queue_try_pop(q));
	for (size_t i = 0; i < 4; i++)
		assert_true(queue_push(q, &things[i], 1));
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(queue_pop(q), &things[i]);
	assert_null(queue_try_pop(q));
	queue_free(q, NULL);
}

static void it_is_full_at_its_weight_and_post_goes_past_it(void **state)
{
	struct queue *q = queue_new(10);

	(void)state;
	assert_true(queue_push(q, &things[0], 9));
	assert_false(queue_full(q));
	assert_true(queue_push(q, &things[1], 50));
	assert_true(queue_full(q));
	assert_true(queue_post(q, &things[2], 1));
	assert_ptr_equal(queue_pop(q), &things[0]);
	assert_true(queue_full(q));
	assert_ptr_equal(queue_pop(q), &things[1]);
	assert_false(queue_full(q));
	assert_ptr_equal(queue_pop(q), &things[2]);
	queue_free(q, NULL);
}

static void the_wakers_fire_on_the_edges_only(void **state)
{
	struct queue *q = queue_new(10);

	(void)state;
	rooms = items_seen = 0;
	queue_set_wake(q, on_room, on_item, NULL);
	assert_true(queue_push(q, &things[0], 5));
	assert_int_equal(items_seen, 1);
	assert_true(queue_push(q, &things[1], 5));
	assert_int_equal(items_seen, 1);
	queue_pop(q);
	assert_int_equal(rooms, 1);
	queue_pop(q);
	assert_int_equal(rooms, 1);
	assert_true(queue_push(q, &things[2], 1));
	assert_int_equal(items_seen, 2);
	queue_pop(q);
	assert_int_equal(rooms, 1);
	queue_free(q, NULL);
}

static void a_closed_queue_gives_what_is_left_and_takes_nothing(void **state)
{
	struct queue *q = queue_new(10);

	(void)state;
	assert_true(queue_push(q, &things[0], 1));
	assert_false(queue_closed(q));
	queue_close(q);
	assert_true(queue_closed(q));
	assert_false(queue_push(q, &things[1], 1));
	assert_false(queue_post(q, &things[1], 1));
	assert_ptr_equal(queue_pop(q), &things[0]);
	assert_null(queue_pop(q));
	queue_free(q, NULL);
}

static void what_is_left_is_dropped(void **state)
{
	struct queue *q = queue_new(10);

	(void)state;
	dropped = 0;
	assert_true(queue_push(q, &things[0], 1));
	assert_true(queue_push(q, &things[1], 1));
	queue_free(q, drop);
	assert_int_equal(dropped, 2);
	queue_free(NULL, NULL);
}

#define MANY 2000

static void *produce(void *arg)
{
	static char token;

	for (int i = 0; i < MANY; i++) {
		if (!queue_push(arg, &token, 1))
			return arg;
	}
	return NULL;
}

static void a_slow_consumer_stops_its_producers(void **state)
{
	struct queue *q = queue_new(3);
	pthread_t producers[3];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(producers); i++)
		assert_int_equal(pthread_create(&producers[i], NULL, produce, q), 0);
	for (size_t i = 0; i < MANY * ARRAY_LEN(producers); i++)
		assert_non_null(queue_pop(q));
	assert_null(queue_try_pop(q));
	for (size_t i = 0; i < ARRAY_LEN(producers); i++) {
		void *refused;

		pthread_join(producers[i], &refused);
		assert_null(refused);
	}
	queue_free(q, NULL);
}

static void *consume(void *arg)
{
	size_t n = 0;

	while (queue_pop(arg))
		n++;
	return (void *)(uintptr_t)n;
}

static void closing_wakes_those_who_wait(void **state)
{
	struct queue *empty = queue_new(1), *full = queue_new(1);
	pthread_t waiter, pusher;
	void *got, *refused;

	(void)state;
	assert_true(queue_push(full, &things[0], 1));
	assert_int_equal(pthread_create(&waiter, NULL, consume, empty), 0);
	assert_int_equal(pthread_create(&pusher, NULL, produce, full), 0);
	queue_close(empty);
	queue_close(full);
	pthread_join(waiter, &got);
	pthread_join(pusher, &refused);
	assert_null(got);
	assert_ptr_equal(refused, full);
	queue_free(empty, NULL);
	queue_free(full, drop);
}

RUN_TESTS(TEST(items_come_out_in_the_order_they_went_in),
	TEST(it_is_full_at_its_weight_and_post_goes_past_it),
	TEST(the_wakers_fire_on_the_edges_only),
	TEST(a_closed_queue_gives_what_is_left_and_takes_nothing), TEST(what_is_left_is_dropped),
	TEST(a_slow_consumer_stops_its_producers), TEST(closing_wakes_those_who_wait))
