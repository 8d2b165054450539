/*
 * The engine's calls of a load: each takes one archive, and an engine applies nothing of it before
 * it is whole. So the members are spread over several: while upper layers arrive, an archive with
 * those below is ended and makes a prefix (engine_prefix.h), whose layers the next one leaves out.
 * Happy path: the last call is filled -> enough came, and another large layer begins -> it waits
 * until the calls before it are over -> config and documents -> the engine answers -> the next
 * one's turn. Three at most are under way, because the engine unpacks bodies while it applies
 * layers: when one is over, the next is there whole. What arrives faster than it is applied gathers
 * in the last one, so that a fast link makes few calls, and one layer or small ones make none more.
 */
#include "common/cargo/image_config.h"
#include "protocol/limits.h"
#include "server/engine/engine_load_job.h"
#include "server/engine/engine_prefix.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CREDIT_STEP (ENGINE_CREDIT_MAX / 4)

/* What is pending beyond the credit: headers and padding of all members, config and documents.
 */
#define PENDING_MAX (2 * ENGINE_CREDIT_MAX + IMAGE_CONFIG_MAX)

enum call_state {
	CALL_FILLING,
	CALL_FULL,   /* waits for its turn */
	CALL_ENDING, /* the end of its archive is pending */
	CALL_WHOLE   /* the engine has it all */
};

struct load_call {
	struct load_job *job;
	enum call_state state;
	struct engine_load *load; /* NULL: over */
	struct buf pending;	  /* not yet taken by the engine's connection */
	uint64_t bytes;		  /* of its layers */
	size_t above;		  /* no layer from here on is among them */
	bool last;		  /* it makes the image */
};

static struct load_call *last_call(const struct load_job *j)
{
	return j->calls[j->n_calls - 1];
}

struct buf *load_call_bytes(struct load_job *j)
{
	return &last_call(j)->pending;
}

void load_call_holds(struct load_job *j, size_t above, uint64_t size)
{
	struct load_call *c = last_call(j);

	c->bytes += size;
	if (c->above < above)
		c->above = above;
}

/* --- the end of an archive --- */

static int end_archive(struct load_call *c, const struct load_archive *a, struct err *err)
{
	/* From now on the engine may make the image, whatever becomes of this process. */
	c->job->entry.committed = (uint64_t)time(NULL);
	if (load_job_note(c->job, err) != 0 || load_archive_end(c->job, a, &c->pending, err) != 0)
		return -1;
	c->state = CALL_ENDING;
	return 0;
}

/* The image of all layers below c->above. */
static int end_in_prefix(struct load_call *c, struct err *err)
{
	struct load_job *j = c->job;
	struct load_entry *e = &j->entry;
	struct load_archive a = { .n_layers = c->above };
	CLEANUP(cleanup_free) char *text = NULL;
	char label[40];

	snprintf(label, sizeof(label), "%016" PRIx64 ".%u", j->job.host->mark, (unsigned)e->job);
	if (image_config_partial(j->diff_ids, c->above, label, (uint64_t)time(NULL), &text, err) !=
		0)
		return -1;
	a.image = digest_of(text, strlen(text));
	a.config = text;
	a.config_size = strlen(text);
	e->prefixes[e->n_prefixes++] = a.image;
	return end_archive(c, &a, err);
}

int load_call_finish(struct load_job *j, struct err *err)
{
	struct load_archive a = { .image = j->job.image,
		.config = buf_bytes(&j->config),
		.config_size = buf_len(&j->config),
		.n_layers = j->n };

	last_call(j)->last = true;
	return end_archive(last_call(j), &a, err);
}

/* --- a call's beginning and end --- */

static void free_call(struct load_call *c)
{
	buf_done(&c->pending);
	free(c);
}

/* There is a prefix more. Gives the next call its turn. */
static void prefix_made(struct load_call *c)
{
	struct load_job *j = c->job;
	struct err err;
	int r;

	assert(c == j->calls[0]);
	j->there = c->above;
	j->n_calls--;
	memmove(&j->calls[0], &j->calls[1], j->n_calls * sizeof(j->calls[0]));
	free_call(c);
	j->entry.committed = j->committed_before;
	if (j->calls[0]->state == CALL_FULL)
		r = end_in_prefix(j->calls[0], &err);
	else
		r = load_job_note(j, &err);
	if (r != 0) {
		load_job_fail(j, &err);
		return;
	}
	load_job_pump(j);
	load_job_turn(j);
}

/* A layer that the engine had is gone: somebody pruned its images. All of it is loaded anew. */
static void explain(const struct load_job *j, struct err *err)
{
	struct err why = *err;

	if (err->code == ERR_ENGINE && j->there > 0 &&
		strstr(err->text, "no such file or directory"))
		err_set(err, ERR_AGAIN,
			"a layer that the engine had is not there any more, and is loaded again "
			"(%s)",
			why.text);
}

static void load_over(void *ctx, const struct err *err)
{
	struct load_call *c = ctx;
	struct load_job *j = c->job;
	struct err why = { 0 };

	c->load = NULL;
	if (err) {
		why = *err;
		explain(j, &why);
		if (c->state == CALL_WHOLE && err->code != ERR_ENGINE)
			j->late = true;
	} else if (c->state < CALL_ENDING) {
		err_set(&why, ERR_ENGINE, "the engine ended the load before it had everything");
	}
	if (j->ending)
		load_job_settle(j);
	else if (why.code != ERR_NONE)
		load_job_fail(j, &why);
	else if (c->last)
		load_job_verify(j);
	else
		prefix_made(c);
}

static void load_has_room(void *ctx)
{
	load_job_pump(((struct load_call *)ctx)->job);
}

int load_call_start(struct load_job *j, struct err *err)
{
	struct load_call *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	c->job = j;
	buf_init(&c->pending, PENDING_MAX);
	if (engine_load_start(j->job.host->engine, load_has_room, load_over, c, &c->load, err) !=
		0) {
		free_call(c);
		return -1;
	}
	j->calls[j->n_calls++] = c;
	return 0;
}

bool load_calls_settled(struct load_job *j)
{
	bool settled = true;

	for (size_t i = 0; i < j->n_calls; i++) {
		struct load_call *c = j->calls[i];

		if (c->load && c->state != CALL_WHOLE)
			engine_load_abort(c->load);
		settled = settled && !c->load;
	}
	return settled;
}

void load_calls_done(struct load_job *j)
{
	for (size_t i = 0; i < j->n_calls; i++)
		free_call(j->calls[i]);
	j->n_calls = 0;
}

/* --- prefixes --- */

/* How many of the lowest layers came or are there. */
static size_t reach(const struct load_job *j)
{
	size_t i = j->there;

	while (i < j->n && j->names[i][0])
		i++;
	return i;
}

/* Is what the last call has enough for a prefix, before a layer of this size? What it holds above a
 * layer that is still missing would be lost. */
static bool may_end(const struct load_job *j, uint64_t next)
{
	const struct load_call *c = last_call(j);
	size_t n = reach(j);

	return j->job.host->prefixes_pay && next >= PREFIX_NEXT_MIN && c->bytes >= PREFIX_MIN &&
	       c->above <= n && n < j->n && j->n_calls < LOAD_CALLS_MAX &&
	       j->entry.n_prefixes + LOAD_CALLS_MAX <= LOAD_PREFIXES_MAX;
}

int load_call_for_layer(struct load_job *j, uint64_t size, struct err *err)
{
	struct load_call *c = last_call(j);

	if (!may_end(j, size))
		return 0;
	c->above = reach(j);
	c->state = CALL_FULL;
	if (j->n_calls == 1 && end_in_prefix(c, err) != 0)
		return -1;
	return load_call_start(j, err);
}

static int take_over(struct load_job *j, struct load_entry *old, struct err *err)
{
	struct load_entry *e = &j->entry;
	size_t n = min_size(old->n_prefixes, LOAD_PREFIXES_MAX / 2 - e->n_prefixes);

	memcpy(&e->prefixes[e->n_prefixes], old->prefixes, n * sizeof(old->prefixes[0]));
	e->n_prefixes += n;
	if (e->committed < old->committed)
		e->committed = j->committed_before = old->committed;
	old->n_prefixes -= n;
	memmove(old->prefixes, old->prefixes + n, old->n_prefixes * sizeof(old->prefixes[0]));
	return load_job_note(j, err);
}

int load_prefixes_adopt(struct load_job *j, struct err *err)
{
	const char *dir = j->job.host->loads_dir;
	struct load_entry *list;
	size_t n, odd;
	int r = load_job_note(j, err);

	if (r != 0 || load_journal_list(dir, &list, &n, &odd, err) != 0)
		return -1;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!engine_prefix_is_earlier(&j->job, &list[i]))
			continue;
		r = take_over(j, &list[i], err);
		if (r == 0 && load_entry_settled(&list[i]))
			r = load_journal_remove(dir, &list[i].image, list[i].job, err);
		else if (r == 0)
			r = load_journal_write(dir, &list[i], err);
	}
	load_entries_free(list, n);
	return r;
}

/* --- to the engine --- */

static void give_credit(struct load_job *j)
{
	struct port_message m = { .type = PORT_CREDIT };
	size_t used = j->credit;

	for (size_t i = 0; i < j->n_calls; i++)
		used += buf_len(&j->calls[i]->pending);
	if (used + CREDIT_STEP > ENGINE_CREDIT_MAX)
		return;
	m.credit.job = j->job.number;
	m.credit.bytes = (uint32_t)(ENGINE_CREDIT_MAX - used);
	j->credit += m.credit.bytes;
	engine_job_reply(&j->job, &m);
}

static void pump_call(struct load_call *c)
{
	size_t taken;

	while (buf_len(&c->pending) > 0) {
		taken = engine_load_write(c->load, buf_bytes(&c->pending), buf_len(&c->pending));
		if (taken == 0)
			return;
		buf_consume(&c->pending, taken);
	}
	if (c->state == CALL_ENDING) {
		c->state = CALL_WHOLE;
		engine_load_end(c->load);
	}
}

void load_job_pump(struct load_job *j)
{
	if (j->ending)
		return;
	for (size_t i = 0; i < j->n_calls; i++)
		if (j->calls[i]->load)
			pump_call(j->calls[i]);
	if (j->state == LOAD_RECEIVING)
		give_credit(j);
}
