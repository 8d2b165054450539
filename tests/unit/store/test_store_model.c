/*
 * A cache under a writer that is killed at any moment, against a model: what was acknowledged for a
 * job that has not finished is there; whatever is there reads back right, or is wholly gone; the
 * cache keeps its size but for what is pinned.
 */
#include "tests/unit/store/store_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 40, JOBS = 4, RECORDS = 400, CHUNKS = 4, LEN = 65536, PACK_BYTES = 4 << 20 };
#define CACHE ((uint64_t)3 * PACK_BYTES)

/* What the writer says, before (a job's end) or after (an acknowledgement) it is so. */
struct event {
	enum { ACKED, FINISHED } what;
	unsigned job, record;
};

static struct {
	bool kept[JOBS][RECORDS]; /* acknowledged for a job that has not finished */
	unsigned checked;	  /* of those, how often one was looked for */
	struct digest names[RECORDS][CHUNKS];
} model;

struct writer {
	struct store *s;
	struct store_pin *pins[JOBS];
	bool pending[JOBS][RECORDS]; /* put, not synced */
	int say;
	unsigned seed;
};

static unsigned draw(struct writer *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static void tell(struct writer *w, struct event e)
{
	if (write(w->say, &e, sizeof e) != sizeof e)
		_exit(3);
}

static uint64_t number_of(unsigned record)
{
	return 2 * (uint64_t)record + 1;
}

static int begin_job(struct writer *w, unsigned job, struct err *err)
{
	struct digest owner = digest_of(&job, sizeof job);
	return store_pin_begin(w->s, &owner, &w->pins[job], err);
}

/* A record is put, or asked for chunk by chunk, as a push would. */
static int take_record(struct writer *w, unsigned job, unsigned record, struct err *err)
{
	struct sample sample;
	struct store_place at;
	bool all = true;
	sample_make(&sample, number_of(record), CHUNKS, LEN);
	int r = 0;
	for (uint32_t i = 0; r == 0 && all && i < sample.seg.n_rows; i++)
		r = store_find(w->s, &sample.seg.rows[i].name, w->pins[job], &at, &all, err);
	if (r == 0 && (!all || draw(w, 2)))
		r = store_put(w->s, &sample.seg, buf_bytes(&sample.record), w->pins[job], err);
	sample_done(&sample);
	w->pending[job][record] = true;
	return r;
}

static int acknowledge(struct writer *w, struct err *err)
{
	if (store_sync(w->s, err) != 0)
		return -1;
	for (unsigned job = 0; job < JOBS; job++)
		for (unsigned record = 0; record < RECORDS; record++)
			if (w->pending[job][record])
				tell(w, (struct event){ ACKED, job, record });
	memset(w->pending, 0, sizeof w->pending);
	return 0;
}

static int end_job(struct writer *w, unsigned job, bool finished, struct err *err)
{
	if (acknowledge(w, err) != 0)
		return -1;
	if (finished)
		tell(w, (struct event){ FINISHED, job, 0 });
	store_pin_end(w->s, w->pins[job], finished);
	w->pins[job] = NULL;
	return 0;
}

static int step(struct writer *w, struct err *err)
{
	unsigned job = draw(w, JOBS), dice = draw(w, 20);
	struct store_pruned gone;
	if (!w->pins[job])
		return begin_job(w, job, err);
	if (dice < 12)
		return take_record(w, job, job * 10 + draw(w, RECORDS - 40), err);
	if (dice < 16)
		return acknowledge(w, err);
	if (dice < 18)
		return end_job(w, job, dice == 16 || draw(w, 3) > 0, err);
	return dice == 18 && draw(w, 5) == 0 ? store_prune(w->s, draw(w, 2), &gone, err) : 0;
}

static void write_for_ever(const char *dir, unsigned seed, int say)
{
	static struct writer w;
	struct err err;
	w.say = say;
	w.seed = seed;
	if (store_open(dir, &w.s, &err) != 0)
		_exit(1);
	store_set_limits(w.s, &(struct store_limits){ .cache_max = CACHE });
	while (step(&w, &err) == 0)
		continue;
	_exit(2);
}

static void learn(const struct event *e)
{
	if (e->what == ACKED)
		model.kept[e->job][e->record] = true;
	else
		memset(model.kept[e->job], 0, sizeof model.kept[e->job]);
}

static void run_and_kill(const char *dir, unsigned seed, useconds_t microseconds)
{
	int ends[2], status = 0;
	struct event e;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		write_for_ever(dir, seed, ends[1]);
	}
	close(ends[1]);
	/* Nobody reads meanwhile; a pipe takes thousands of these. */
	usleep(microseconds);
	kill(child, SIGKILL);
	while (read(ends[0], &e, sizeof e) == sizeof e)
		learn(&e);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(ends[0]);
}

static size_t count_chunks(struct store *s, unsigned record)
{
	struct err err = { 0 };
	struct store_place at;
	size_t count = 0;
	for (size_t i = 0; i < CHUNKS; i++) {
		bool found = false;
		assert_ok(store_find(s, &model.names[record][i], NULL, &at, &found, &err), &err);
		count += found;
	}
	return count;
}

static unsigned check(const char *dir)
{
	struct store *s = fixture_open(dir);
	struct store_reader *r = fixture_reader(dir);
	unsigned there = 0;
	for (unsigned record = 0; record < RECORDS; record++) {
		bool kept = false;
		for (unsigned job = 0; job < JOBS; job++)
			kept = kept || model.kept[job][record];
		size_t found = count_chunks(s, record);
		model.checked += kept;
		if (kept && found == 0)
			fail_msg("record %u was acknowledged and is lost", record);
		assert_true(found == 0 || found == CHUNKS);
		if (found)
			sample_check(s, r, number_of(record), CHUNKS, LEN);
		there += found > 0;
	}
	/* A kill may have come between the end of a pin and what follows from it. */
	struct err err = { 0 };
	store_set_limits(s, &(struct store_limits){ .cache_max = CACHE });
	assert_ok(store_sync(s, &err), &err);
	struct store_stats stats = fixture_stats(s);
	assert_int_equal(stats.damaged, 0);
	/* One pack is being written, one may wait to go. */
	assert_true(
		stats.stored_bytes <= CACHE + stats.pinned_bytes + 2 * (PACK_BYTES + (1 << 20)));
	store_reader_free(r);
	store_close(s);
	return there;
}

static void what_is_acknowledged_for_a_job_survives_eviction_and_kills(void **state)
{
	(void)state;
	char *dir = fixture_quick_dir();
	unsigned seed = 11, there = 0;
	const char *chosen = getenv("DRAY_SEED");
	if (chosen)
		seed = (unsigned)strtoul(chosen, NULL, 10);
	print_message("# seed %u\n", seed);
	for (unsigned record = 0; record < RECORDS; record++)
		for (size_t i = 0; i < CHUNKS; i++)
			model.names[record][i] = sample_name(number_of(record), i, LEN);
	for (int round = 0; round < ROUNDS; round++) {
		run_and_kill(dir, seed + (unsigned)round, (useconds_t)(rand_r(&seed) % 150000));
		there = check(dir);
	}
	print_message("# %u records after %d kills; %u times one had to be there\n", there, ROUNDS,
		model.checked);
	assert_true(model.checked > 0);
	fixture_remove(dir);
}

RUN_TESTS(TEST(what_is_acknowledged_for_a_job_survives_eviction_and_kills))
