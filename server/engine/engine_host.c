#include "server/engine/engine_host.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "protocol/limits.h"
#include "server/container/engine_migrate.h"
#include "server/engine/uv_engine_port.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* --- jobs --- */

/* The key's name is asked about as a string: it must be all of the text. */
static int take_key(struct engine_job *j, const wire_text *key, struct err *err)
{
	if (key->n > KEY_NAME_MAX || memchr(key->s, '\0', key->n))
		return err_set(err, ERR_PROTOCOL, "a key's name that is none");
	j->key = wire_text_dup(key);
	return j->key ? 0 : err_nomem(err);
}

struct engine_job *engine_job_new(struct engine_host *host, size_t size,
	const struct engine_job_ops *ops, uint32_t number, const wire_text *key,
	const struct digest *image)
{
	struct engine_job *j = calloc(1, size);
	struct err err;

	if (!j || take_key(j, key, &err) != 0) {
		if (!j)
			err_nomem(&err);
		engine_side_failed(host, number, &err);
		free(j);
		return NULL;
	}
	j->host = host;
	j->ops = ops;
	j->number = number;
	j->image = *image;
	j->next = host->jobs;
	host->jobs = j;
	return j;
}

void engine_job_free(struct engine_job *j)
{
	struct engine_job **at = &j->host->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	engine_host_maybe_idle(j->host);
	free(j->key);
	free(j);
}

static bool must_wait(const struct engine_job *j)
{
	if (j->host->replay.running)
		return true;
	for (const struct engine_undo *u = j->host->undos; u; u = u->next)
		if (digest_equal(&u->entry.image, &j->image))
			return true;
	for (const struct engine_job *o = j->host->jobs; o; o = o->next)
		if (o != j && o->leaves && digest_equal(&o->image, &j->image) &&
			strcmp(o->key, j->key) == 0)
			return true;
	return false;
}

void engine_job_wait(struct engine_job *j, void (*go)(struct engine_job *j))
{
	if (must_wait(j))
		j->go = go;
	else
		go(j);
}

/* A job that goes may end and take others with it: begin anew after each. */
void engine_jobs_wake(struct engine_host *h)
{
	struct engine_job *j = h->jobs;

	while (j) {
		void (*go)(struct engine_job * j) = j->go;

		if (!go || must_wait(j)) {
			j = j->next;
			continue;
		}
		j->go = NULL;
		go(j);
		j = h->jobs;
	}
}

static struct engine_job *find_job(struct engine_host *h, uint32_t number)
{
	for (struct engine_job *j = h->jobs; j; j = j->next)
		if (j->number == number && !j->orphan)
			return j;
	return NULL;
}

/* --- saying things --- */

static void reply(struct engine_host *h, const struct port_message *m)
{
	struct err err;

	/* A net process that is gone is told of by the port. */
	if (!h->closing && engine_port_send(h->port, m, &err) != 0 && err.code != ERR_AGAIN)
		log_error("engine side: %s", err.text);
}

void engine_job_reply(struct engine_job *j, const struct port_message *m)
{
	if (!j->orphan)
		reply(j->host, m);
}

/* An engine that is away comes back: to the client that is a matter of time. */
void engine_side_failed(struct engine_host *h, uint32_t number, const struct err *err)
{
	struct port_message m = { .type = PORT_FAILED };
	enum err_code code = err->code == ERR_UNREACHABLE ? ERR_AGAIN : err->code;

	m.failed.job = number;
	m.failed.code = (uint16_t)code;
	m.failed.text = wire_text_of(err->text, strnlen(err->text, FAIL_TEXT_MAX));
	reply(h, &m);
}

void engine_job_failed(struct engine_job *j, const struct err *err)
{
	if (!j->orphan)
		engine_side_failed(j->host, j->number, err);
}

/* --- dispatch --- */

static bool is_key(const char *key, const wire_text *text)
{
	return strlen(key) == text->n && memcmp(key, text->s, text->n) == 0;
}

static void begin_job(
	struct engine_host *h, uint32_t number, const wire_text *key, const struct port_message *m)
{
	size_t n = 0, of_key = 0;
	struct err err;

	for (const struct engine_job *j = h->jobs; j; j = j->next) {
		n++;
		of_key += is_key(j->key, key);
	}
	if (h->stopping) {
		err_set(&err, ERR_AGAIN, "the receiver is stopping");
		engine_side_failed(h, number, &err);
	} else if (find_job(h, number)) {
		err_set(&err, ERR_PROTOCOL, "engine job %u is under way already", (unsigned)number);
		engine_side_failed(h, number, &err);
	} else if (n >= ENGINE_JOBS_MAX || of_key >= ENGINE_JOBS_OF_KEY_MAX) {
		err_set(&err, ERR_AGAIN, "the receiver is busy with %zu images%s: try again later",
			n >= ENGINE_JOBS_MAX ? n : of_key,
			n >= ENGINE_JOBS_MAX ? "" : " of this key");
		engine_side_failed(h, number, &err);
	} else if (m->type == PORT_HAVE) {
		engine_have_take(h, &m->have);
	} else if (m->type == PORT_OPEN) {
		engine_load_take(h, &m->open);
	} else if (m->type == PORT_MIGRATE) {
		engine_migrate_take(h, &m->migrate);
	} else if (m->type == PORT_TREE) {
		engine_tree_take(h, &m->tree);
	} else {
		engine_tag_take(h, &m->tag);
	}
}

/* Messages for a job that is gone were sent before its end was heard of. */
static void pass_to_job(struct engine_host *h, uint32_t number, const struct port_message *m)
{
	struct engine_job *j = find_job(h, number);

	if (j && m->type == PORT_ABORT) {
		j->again = m->abort.again != 0;
		j->ops->abort(j);
	} else if (j && j->ops->message) {
		j->ops->message(j, m);
	}
}

static void on_message(void *ctx, const struct port_message *m)
{
	struct engine_host *h = ctx;

	if (h->closing)
		return;
	switch (m->type) {
	case PORT_HAVE:
		begin_job(h, m->have.job, &m->have.key, m);
		break;
	case PORT_OPEN:
		begin_job(h, m->open.job, &m->open.key, m);
		break;
	case PORT_TAG:
		begin_job(h, m->tag.job, &m->tag.key, m);
		break;
	case PORT_MIGRATE:
		begin_job(h, m->migrate.job, &m->migrate.key, m);
		break;
	case PORT_TREE:
		begin_job(h, m->tree.job, &m->tree.key, m);
		break;
	case PORT_MEMBER:
		pass_to_job(h, m->member.job, m);
		break;
	case PORT_DATA:
		pass_to_job(h, m->data.job, m);
		break;
	case PORT_COMMIT:
		pass_to_job(h, m->commit.job, m);
		break;
	case PORT_ABORT:
		pass_to_job(h, m->abort.job, m);
		break;
	case PORT_HAVE_REPLY:
	case PORT_CREDIT:
	case PORT_MATCHED:
	case PORT_PHASE:
	case PORT_LOADED:
	case PORT_FAILED:
	case PORT_MIGRATED:
	case PORT_FILLED:
		break; /* the port lets none through */
	}
}

/* --- net processes --- */

/* An abort may end other jobs, too: begin anew after each. Returns how many there were. */
static unsigned break_off_all(struct engine_host *h)
{
	unsigned n = 0;
	struct engine_job *j = h->jobs;

	while (j) {
		if (j->orphan) {
			j = j->next;
			continue;
		}
		j->orphan = j->again = true;
		n++;
		j->ops->abort(j);
		j = h->jobs;
	}
	return n;
}

static void on_lost(void *ctx, const struct err *why)
{
	struct engine_host *h = ctx;
	unsigned n = break_off_all(h);

	if (n > 0)
		log_warn("%s: %u of its jobs broken off", why->text, n);
	else
		log_debug("%s", why->text); /* as at every stop */
}

void engine_host_attach(struct engine_host *h, int control, int bodies)
{
	engine_port_attach(h->port, control, bodies);
	if (h->joined)
		log_info("joined to a new network process");
	h->joined = true;
}

/* --- stopping --- */

static void on_idle(uv_idle_t *idle)
{
	struct engine_host *h = idle->data;
	void (*fn)(void *ctx) = h->on_idle;

	uv_idle_stop(idle);
	h->on_idle = NULL;
	if (fn)
		fn(h->idle_ctx);
}

void engine_host_maybe_idle(struct engine_host *h)
{
	if (h->on_idle && !h->closing && !h->jobs && !h->replay.running)
		uv_idle_start(&h->idle, on_idle);
}

void engine_host_stop(struct engine_host *h, bool break_off, void (*idle)(void *ctx), void *ctx)
{
	if (!h->stopping) {
		h->on_idle = idle;
		h->idle_ctx = ctx;
	}
	h->stopping = true;
	engine_replay_start(h); /* nothing waits any more */
	if (break_off)
		break_off_all(h);
	engine_host_maybe_idle(h);
}

/* --- the host --- */

static void free_host(struct engine_host *h)
{
	engine_images_held_free(h);
	free(h->loads_dir);
	free(h);
}

static int open_parts(struct engine_host *h, uv_loop_t *loop, const struct engine_address *engine,
	const char *state_dir, struct err *err)
{
	static const struct engine_port_ops ops = { .message = on_message, .lost = on_lost };

	h->loads_dir = file_join(state_dir, "loads");
	if (!h->loads_dir)
		return err_nomem(err);
	if (file_make_dir(h->loads_dir, 0700, err) != 0 ||
		engine_open(loop, engine, &h->engine, err) != 0)
		return -1;
	file_drop_temporaries(h->loads_dir);
	if (engine_port_new(loop, PORT_END_ENGINE, &ops, h, &h->port, err) != 0) {
		engine_close(h->engine, NULL, NULL);
		return -1;
	}
	if (migrations_open(h, loop, state_dir, &h->migrations, err) != 0) {
		engine_close(h->engine, NULL, NULL);
		engine_port_close(h->port, NULL, NULL);
		return -1;
	}
	uv_idle_init(loop, &h->idle);
	h->idle.data = h;
	engine_replay_init(h, loop);
	return 0;
}

int engine_host_start(uv_loop_t *loop, const struct engine_address *engine, const char *state_dir,
	engine_may_tag_fn *may_tag, engine_may_see_fn *may_see, engine_grants_fn *grants_of,
	void *ctx, struct engine_host **ret, struct err *err)
{
	struct engine_host *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->may_tag = may_tag;
	h->may_see = may_see;
	h->grants_of = grants_of;
	h->ctx = ctx;
	h->started = (uint64_t)time(NULL);
	if (getrandom(&h->mark, sizeof(h->mark), 0) != sizeof(h->mark)) {
		free_host(h);
		return err_errno(err, errno, "no random numbers");
	}
	if (open_parts(h, loop, engine, state_dir, err) != 0) {
		free_host(h);
		return -1;
	}
	engine_replay_start(h);
	*ret = h;
	return 0;
}

static void idle_closed(uv_handle_t *handle)
{
	struct engine_host *h = handle->data;
	void (*done)(void *ctx) = h->on_closed;
	void *done_ctx = h->closed_ctx;

	free_host(h);
	if (done)
		done(done_ctx);
}

static void timer_closed(uv_handle_t *handle)
{
	struct engine_host *h = handle->data;

	uv_close((uv_handle_t *)&h->idle, idle_closed);
}

static void migrations_closed(void *ctx)
{
	struct engine_host *h = ctx;

	uv_close((uv_handle_t *)&h->replay.timer, timer_closed);
}

static void port_closed(void *ctx)
{
	struct engine_host *h = ctx;

	migrations_close(h->migrations, migrations_closed, h);
}

/* Every call of every job has come back by now, and each job ended with it. */
static void engine_closed(void *ctx)
{
	struct engine_host *h = ctx;

	assert(!h->jobs && !h->replay.running);
	engine_port_close(h->port, port_closed, h);
}

void engine_host_close(struct engine_host *h, void (*done)(void *ctx), void *ctx)
{
	h->closing = true;
	h->on_closed = done;
	h->closed_ctx = ctx;
	engine_close(h->engine, engine_closed, h);
}
