/*
 * The cutover against a world in which everything may be lost, late or killed: messages are
 * delivered at any later time or never, either end stops anywhere and goes on from its journal, the
 * user turns back or goes on whenever he likes. All of its states are walked through.
 */
#include "client/migrate/cutover.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* The target, as server/container has it. */
enum target { T_PREPARED, T_COMMITTED, T_LIVE, T_DOWN_AGAIN, T_UNDONE, TARGETS };

/* What is on its way to the agent. */
enum answer { A_NONE, A_LIVE, A_UNDONE, A_OTHER, ANSWERS };

struct world {
	uint8_t stage; /* the agent's, in its journal */
	uint8_t target;
	bool source_up, target_up;
	bool commit_on_its_way, undo_on_its_way; /* sent; may arrive at any time, also again */
	uint8_t answer;
};

#define WORLDS (CUTOVER_STAGES * TARGETS * ANSWERS * 16)

static bool seen[WORLDS];
static struct world queue[WORLDS];
static size_t n_queued, n_edges;
static uint16_t *edges_from, *edges_to;
#define EDGES_MAX (WORLDS * 24)

static size_t number(const struct world *w)
{
	size_t n = w->stage;

	n = n * TARGETS + w->target;
	n = n * ANSWERS + w->answer;
	n = n * 2 + w->source_up;
	n = n * 2 + w->target_up;
	n = n * 2 + w->commit_on_its_way;
	return n * 2 + w->undo_on_its_way;
}

static void check(const struct world *w)
{
	if (w->source_up && w->target_up)
		fail_msg("two live copies: agent %s, target %d", cutover_name(w->stage), w->target);
	/* Never none for good once it is over. */
	if (w->stage == CUTOVER_OVER && w->source_up == w->target_up)
		fail_msg("over, and no copy is live: target %d, a COMMIT %d and an UNDO %d late",
			w->target, w->commit_on_its_way, w->undo_on_its_way);
}

static void reach(const struct world *from, const struct world *to)
{
	size_t n = number(to);

	check(to);
	assert_true(n_edges < EDGES_MAX);
	edges_from[n_edges] = (uint16_t)number(from);
	edges_to[n_edges++] = (uint16_t)n;
	if (seen[n])
		return;
	seen[n] = true;
	queue[n_queued++] = *to;
}

/* An event takes the agent on, if it has a place. */
static bool happens(struct world *w, enum cutover_event event)
{
	enum cutover_stage to;

	if (!cutover_next((enum cutover_stage)w->stage, event, &to))
		return false;
	w->stage = (uint8_t)to;
	return true;
}

/* One step of the agent: what it does is journaled first, so it may be killed between the two. */
static void step(const struct world *from, enum cutover_step step)
{
	struct world w = *from, killed;

	switch (step) {
	case CUTOVER_TRANSFER:
		if (happens(&w, CUTOVER_TAKE_DOWN)) {
			reach(from, &w);
			w.source_up = false;
			reach(from, &w);
		}
		w = *from;
		/* COMMIT is sent only with the source down. */
		if (!w.source_up && happens(&w, CUTOVER_SEND)) {
			reach(from, &w);
			w.commit_on_its_way = true;
			reach(from, &w);
		}
		break;
	case CUTOVER_ASK_COMMIT:
		w.commit_on_its_way = true;
		reach(from, &w);
		break;
	case CUTOVER_ASK_UNDO:
		assert_true(happens(&w, CUTOVER_TURN_BACK));
		reach(from, &w);
		w.undo_on_its_way = true;
		reach(from, &w);
		break;
	case CUTOVER_START_SOURCE:
		if (w.stage != CUTOVER_BACK && !happens(&w, CUTOVER_GIVE_UP))
			fail_msg("the source is to be started in stage %s", cutover_name(w.stage));
		reach(from, &w);
		w.undo_on_its_way = true; /* or not: it is told if it can be */
		reach(from, &w);
		w.source_up = true;
		reach(from, &w);
		killed = w;
		killed.undo_on_its_way = from->undo_on_its_way;
		reach(from, &killed);
		assert_true(happens(&w, CUTOVER_STARTED));
		reach(from, &w);
		break;
	case CUTOVER_CLOSE:
		assert_true(happens(&w, CUTOVER_FINISHED));
		reach(from, &w);
		break;
	case CUTOVER_NOTHING:
		break;
	}
}

/* What is on its way may arrive now, and once more later. */
static void deliver(const struct world *from)
{
	struct world w = *from;

	if (from->commit_on_its_way) {
		if (w.target == T_PREPARED || w.target == T_DOWN_AGAIN || w.target == T_COMMITTED) {
			w.target = T_COMMITTED;
			w.target_up = true;
		}
		w.answer = w.target == T_LIVE ? A_LIVE : A_OTHER;
		reach(from, &w);
		w.commit_on_its_way = false;
		reach(from, &w);
	}
	w = *from;
	if (from->undo_on_its_way) {
		w.target = T_UNDONE;
		w.target_up = false;
		w.answer = A_UNDONE;
		reach(from, &w);
		w.undo_on_its_way = false;
		reach(from, &w);
	}
	w = *from;
	w.commit_on_its_way = w.undo_on_its_way = false; /* lost */
	reach(from, &w);
}

/* The target comes up, or does not. */
static void target_goes_on(const struct world *from)
{
	struct world w = *from;

	if (from->target != T_COMMITTED)
		return;
	w.target = T_LIVE;
	w.answer = A_LIVE;
	reach(from, &w);
	w.answer = A_NONE; /* nobody hears of it */
	reach(from, &w);
	w = *from;
	w.target = T_DOWN_AGAIN;
	w.target_up = false;
	w.answer = A_OTHER;
	reach(from, &w);
	w.answer = A_NONE;
	reach(from, &w);
}

static void agent_hears(const struct world *from)
{
	static const enum cutover_event events[ANSWERS] = { [A_NONE] = CUTOVER_SILENT,
		[A_LIVE] = CUTOVER_IS_LIVE,
		[A_UNDONE] = CUTOVER_IS_UNDONE,
		[A_OTHER] = CUTOVER_SILENT };
	struct world w = *from;

	w.answer = A_NONE;
	if (happens(&w, events[from->answer]))
		reach(from, &w);
}

static void walk(void)
{
	struct world start = { .stage = CUTOVER_OPEN, .target = T_PREPARED, .source_up = true };

	memset(seen, 0, sizeof(seen));
	n_queued = n_edges = 0;
	seen[number(&start)] = true;
	queue[n_queued++] = start;
	for (size_t i = 0; i < n_queued; i++) {
		struct world w = queue[i];

		step(&w, cutover_forward((enum cutover_stage)w.stage));
		step(&w, cutover_backward((enum cutover_stage)w.stage));
		deliver(&w);
		target_goes_on(&w);
		agent_hears(&w);
	}
}

static void there_are_never_two_live_copies(void **state)
{
	(void)state;
	walk();
	assert_true(n_queued > 50);
}

/* From everywhere a way leads to an end, at which one copy is live. */
static void there_is_always_a_way_to_one_live_copy(void **state)
{
	bool *ends = calloc(WORLDS, sizeof(*ends)), more = true;

	(void)state;
	assert_non_null(ends);
	walk();
	for (size_t i = 0; i < n_queued; i++)
		ends[number(&queue[i])] = queue[i].stage == CUTOVER_OVER;
	while (more) {
		more = false;
		for (size_t i = 0; i < n_edges; i++) {
			if (ends[edges_to[i]] && !ends[edges_from[i]])
				more = ends[edges_from[i]] = true;
		}
	}
	for (size_t i = 0; i < n_queued; i++) {
		if (!ends[number(&queue[i])])
			fail_msg("no way out: agent %s, target %d", cutover_name(queue[i].stage),
				queue[i].target);
	}
	free(ends);
}

static void once_commit_is_sent_nothing_leads_back_but_an_undo_that_is_answered(void **state)
{
	enum cutover_stage to;

	(void)state;
	for (unsigned e = 0; e < CUTOVER_EVENTS; e++) {
		if (!cutover_next(CUTOVER_SENT, (enum cutover_event)e, &to))
			continue;
		assert_true(to == CUTOVER_SENT || (e == CUTOVER_IS_LIVE && to == CUTOVER_LIVE) ||
			    (e == CUTOVER_TURN_BACK && to == CUTOVER_UNDOING));
	}
	assert_false(cutover_next(CUTOVER_UNDOING, CUTOVER_GIVE_UP, &to));
	assert_false(cutover_next(CUTOVER_OVER, CUTOVER_SEND, &to));
}

static void stages_are_read_back_by_their_names(void **state)
{
	enum cutover_stage stage;

	(void)state;
	for (unsigned i = 0; i < CUTOVER_STAGES; i++) {
		assert_true(cutover_parse(cutover_name((enum cutover_stage)i), &stage));
		assert_int_equal(stage, i);
	}
	assert_false(cutover_parse("", &stage));
	assert_false(cutover_parse("Live", &stage));
}

static int make_edges(void **state)
{
	(void)state;
	edges_from = calloc(EDGES_MAX, sizeof(*edges_from));
	edges_to = calloc(EDGES_MAX, sizeof(*edges_to));
	return edges_from && edges_to ? 0 : -1;
}

static int drop_edges(void **state)
{
	(void)state;
	free(edges_from);
	free(edges_to);
	return 0;
}

#define CASE(name) TEST_WITH(name, make_edges, drop_edges)

RUN_TESTS(CASE(there_are_never_two_live_copies), CASE(there_is_always_a_way_to_one_live_copy),
	TEST(once_commit_is_sent_nothing_leads_back_but_an_undo_that_is_answered),
	TEST(stages_are_read_back_by_their_names))
