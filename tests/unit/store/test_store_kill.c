/* A writer killed at any moment loses nothing that it had synced. */
#include "common/store/pack.h"
#include "tests/unit/store/store_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 30, SHAPES = 4, RECENT = 60 };

static const struct {
	size_t n, len;
} shapes[SHAPES] = { { 1, 1 }, { 30, 3000 }, { 200, 50 }, { 1, 200000 } };

/* Puts records from `next` on for ever, and says after each sync which was the last. */
static void write_for_ever(const char *dir, uint64_t next, int say)
{
	struct err err;
	struct store *s;
	if (store_open(dir, &s, &err) != 0)
		_exit(1);
	for (uint64_t i = next;; i++) {
		struct sample sample;
		sample_make(&sample, i, shapes[i % SHAPES].n, shapes[i % SHAPES].len);
		if (store_put(s, &sample.seg, buf_bytes(&sample.record), NULL, &err) != 0)
			_exit(2);
		sample_done(&sample);
		if (i % 5 != 0)
			continue;
		if (store_sync(s, &err) != 0 || write(say, &i, sizeof i) != sizeof i)
			_exit(3);
	}
}

/* Runs a writer for so long, kills it, and returns the last record that it had synced. */
static uint64_t run_and_kill(const char *dir, uint64_t next, useconds_t microseconds)
{
	int ends[2], status = 0;
	uint64_t said, last = next - 1;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		write_for_ever(dir, next, ends[1]);
	}
	close(ends[1]);
	usleep(microseconds);
	kill(child, SIGKILL);
	while (read(ends[0], &said, sizeof said) == sizeof said)
		last = said;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(ends[0]);
	return last;
}

/* Returns the first record that is not there. */
static uint64_t check(const char *dir, uint64_t first, uint64_t last)
{
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	for (uint64_t i = first; i <= last; i++)
		sample_check(s, r, i, shapes[i % SHAPES].n, shapes[i % SHAPES].len);
	assert_int_equal(fixture_stats(s).damaged, 0);
	/* What came after may be there, but only whole, and without gaps. */
	uint64_t next = last + 1;
	for (;; next++) {
		size_t n = shapes[next % SHAPES].n;
		size_t found = sample_count(s, next, n, shapes[next % SHAPES].len);
		if (found == 0)
			break;
		assert_int_equal(found, n);
		sample_check(s, r, next, n, shapes[next % SHAPES].len);
	}
	store_reader_free(r);
	store_close(s);
	return next;
}

static void nothing_synced_is_lost_by_kill_9(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	uint64_t next = 1, synced = 0;
	srand(7);
	for (int round = 0; round < ROUNDS; round++) {
		useconds_t time = (useconds_t)(rand() % 60000);
		uint64_t last = run_and_kill(dir, next, time);
		if (round % 3 == 2)
			unlink(fixture_path(dir, "index.db"));
		synced = last > synced ? last : synced;
		next = check(dir, synced > RECENT ? synced - RECENT : 1, synced);
	}
	check(dir, 1, synced);
	print_message("# %llu records after %d kills\n", (unsigned long long)next - 1, ROUNDS);
	fixture_remove(dir);
}

RUN_TESTS(TEST(nothing_synced_is_lost_by_kill_9))
