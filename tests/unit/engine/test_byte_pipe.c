#include "common/engine/byte_pipe.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static void count_room(void *ctx)
{
	atomic_int *n = ctx;

	atomic_fetch_add(n, 1);
}

static void bytes_come_out_in_order_and_then_the_end(void **state)
{
	atomic_int room = 0;
	struct byte_pipe *p = byte_pipe_new(16, count_room, &room);
	struct err err = { 0 };
	const void *bytes;
	size_t n;

	(void)state;
	assert_true(byte_pipe_put(p, "abcdef", 6));
	assert_true(byte_pipe_put(p, "ghijkl", 6));
	assert_ok(byte_pipe_get(p, &bytes, &n, &err), &err);
	assert_int_equal(n, 12);
	assert_memory_equal(bytes, "abcdefghijkl", 12);
	/* What the reader holds is not written over. */
	assert_false(byte_pipe_put(p, "12345678", 8));
	assert_memory_equal(bytes, "abcdefghijkl", 12);
	byte_pipe_end(p, NULL);
	assert_ok(byte_pipe_get(p, &bytes, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_int_equal(room, 1);
	byte_pipe_free(p);
}

static void a_put_that_does_not_fit_takes_nothing_and_room_is_told_once(void **state)
{
	atomic_int room = 0;
	struct byte_pipe *p = byte_pipe_new(8, count_room, &room);
	struct err err = { 0 };
	const void *bytes;
	size_t n;

	(void)state;
	assert_true(byte_pipe_put(p, "abcd", 4));
	assert_true(byte_pipe_put(p, "efgh", 4));
	assert_false(byte_pipe_put(p, "i", 1));
	assert_ok(byte_pipe_get(p, &bytes, &n, &err), &err);
	assert_int_equal(n, 8);
	assert_int_equal(room, 0);
	byte_pipe_end(p, NULL);
	assert_ok(byte_pipe_get(p, &bytes, &n, &err), &err);
	assert_int_equal(room, 1);
	byte_pipe_free(p);
}

static void an_error_comes_before_what_is_left(void **state)
{
	atomic_int room = 0;
	struct byte_pipe *p = byte_pipe_new(8, count_room, &room);
	struct err err = { 0 };
	const struct err gone = { .code = ERR_UNREACHABLE, .text = "gone" };
	const void *bytes;
	size_t n;

	(void)state;
	assert_true(byte_pipe_put(p, "abcd", 4));
	byte_pipe_end(p, &gone);
	assert_fails(byte_pipe_get(p, &bytes, &n, &err), &err, ERR_UNREACHABLE);
	byte_pipe_free(p);
}

struct stream {
	struct byte_pipe *pipe;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool room;
};

static void tell_room(void *ctx)
{
	struct stream *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->room = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

#define STREAM_LEN 1000000u

static void *write_stream(void *ctx)
{
	struct stream *s = ctx;
	uint8_t piece[7];
	size_t at = 0, n;

	while (at < STREAM_LEN) {
		n = min_size(at % sizeof(piece) + 1, STREAM_LEN - at);
		for (size_t i = 0; i < n; i++)
			piece[i] = (uint8_t)((at + i) * 31);
		pthread_mutex_lock(&s->lock);
		while (!byte_pipe_put(s->pipe, piece, n)) {
			while (!s->room)
				pthread_cond_wait(&s->changed, &s->lock);
			s->room = false;
		}
		pthread_mutex_unlock(&s->lock);
		at += n;
	}
	byte_pipe_end(s->pipe, NULL);
	return NULL;
}

static void a_stream_passes_between_threads_whole(void **state)
{
	struct stream s = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	pthread_t thread;
	struct err err = { 0 };
	const void *bytes;
	size_t n, at = 0;

	(void)state;
	s.pipe = byte_pipe_new(61, tell_room, &s);
	assert_int_equal(pthread_create(&thread, NULL, write_stream, &s), 0);
	do {
		assert_ok(byte_pipe_get(s.pipe, &bytes, &n, &err), &err);
		for (size_t i = 0; i < n; i++)
			if (((const uint8_t *)bytes)[i] != (uint8_t)((at + i) * 31))
				fail_msg("byte %zu is wrong", at + i);
		at += n;
	} while (n > 0);
	assert_int_equal(at, STREAM_LEN);
	pthread_join(thread, NULL);
	byte_pipe_free(s.pipe);
}

RUN_TESTS(TEST(bytes_come_out_in_order_and_then_the_end),
	TEST(a_put_that_does_not_fit_takes_nothing_and_room_is_told_once),
	TEST(an_error_comes_before_what_is_left), TEST(a_stream_passes_between_threads_whole))
