#include "server/engine_host.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "protocol/limits.h"
#include "server/engine_side.h"
#include "server/uv_engine_port.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
		if (j->number == number)
			return j;
	return NULL;
}

/* --- saying things --- */

void engine_side_reply(struct engine_host *h, const struct port_message *m)
{
	struct err err;

	if (!h->closing && engine_port_reply(h->port, m, &err) != 0)
		log_error("engine side: %s", err.text);
}

void engine_side_failed(struct engine_host *h, uint32_t number, const struct err *err)
{
	struct port_message m = { .type = PORT_FAILED };

	m.failed.job = number;
	m.failed.code = (uint16_t)err->code;
	m.failed.text = wire_text_of(err->text, strnlen(err->text, FAIL_TEXT_MAX));
	engine_side_reply(h, &m);
}

/* --- tags --- */

void tag_list_done(struct tag_list *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->at[i]);
	free(t->at);
	*t = (struct tag_list){ 0 };
}

/* Printable ASCII without spaces; what else a tag must be is the engine's business. */
static bool is_tag_text(const wire_text *t)
{
	if (t->n == 0 || t->n > TAG_LEN_MAX)
		return false;
	for (uint16_t i = 0; i < t->n; i++)
		if (t->s[i] <= ' ' || t->s[i] >= 0x7f)
			return false;
	return true;
}

static int take_tag(struct tag_list *list, struct engine_host *h, const char *key,
	const wire_text *text, struct err *err)
{
	char *tag;

	if (!is_tag_text(text))
		return err_set(
			err, ERR_PROTOCOL, "a tag that is empty, too long or not plain text");
	tag = wire_text_dup(text);
	if (!tag)
		return err_nomem(err);
	list->at[list->n++] = tag;
	if (!h->may_tag(h->ctx, key, tag))
		return err_set(err, ERR_REFUSED, "this key may not push %s", tag);
	return 0;
}

int tag_list_take(struct tag_list *ret, struct engine_host *h, const char *key,
	const wire_texts *tags, struct err *err)
{
	const uint8_t *at = tags->raw;
	wire_text text;

	*ret = (struct tag_list){ 0 };
	if (tags->n > OFFER_TAGS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u tags", OFFER_TAGS_MAX);
	ret->at = calloc(tags->n + 1u, sizeof(ret->at[0]));
	if (!ret->at)
		return err_nomem(err);
	while (ret->n < tags->n && wire_texts_next(tags, &at, &text)) {
		if (take_tag(ret, h, key, &text, err) != 0) {
			tag_list_done(ret);
			return -1;
		}
	}
	return 0;
}

/* --- dispatch --- */

static void begin_job(struct engine_host *h, uint32_t number, const struct port_message *m)
{
	struct err err;
	size_t n = 0;

	for (const struct engine_job *j = h->jobs; j; j = j->next)
		n++;
	if (find_job(h, number)) {
		err_set(&err, ERR_PROTOCOL, "engine job %u is under way already", (unsigned)number);
		engine_side_failed(h, number, &err);
	} else if (n >= ENGINE_JOBS_MAX) {
		err_set(&err, ERR_LIMIT, "the receiver is busy with %u images: try again later",
			ENGINE_JOBS_MAX);
		engine_side_failed(h, number, &err);
	} else if (m->type == PORT_HAVE) {
		engine_have_take(h, &m->have);
	} else if (m->type == PORT_OPEN) {
		engine_load_take(h, &m->open);
	} else {
		engine_tag_take(h, &m->tag);
	}
}

/* Messages for a job that is gone were sent before its end was heard of. */
static void pass_to_job(struct engine_host *h, uint32_t number, const struct port_message *m)
{
	struct engine_job *j = find_job(h, number);

	if (j && m->type == PORT_ABORT)
		j->ops->abort(j);
	else if (j && j->ops->message)
		j->ops->message(j, m);
}

static void on_message(void *ctx, const struct port_message *m)
{
	struct engine_host *h = ctx;

	if (h->closing)
		return;
	switch (m->type) {
	case PORT_HAVE:
		begin_job(h, m->have.job, m);
		break;
	case PORT_OPEN:
		begin_job(h, m->open.job, m);
		break;
	case PORT_TAG:
		begin_job(h, m->tag.job, m);
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
		log_error("engine side: a message of type %d, which is for the net side", m->type);
		break;
	}
}

/* --- the host --- */

static void free_host(struct engine_host *h)
{
	free(h->loads_dir);
	free(h);
}

static int open_parts(struct engine_host *h, uv_loop_t *loop, const char *engine,
	const char *state_dir, engine_port_fn *net, void *net_ctx, struct err *err)
{
	h->loads_dir = file_join(state_dir, "loads");
	if (!h->loads_dir)
		return err_nomem(err);
	if (file_make_dir(h->loads_dir, 0700, err) != 0 ||
		engine_open(loop, engine, &h->engine, err) != 0)
		return -1;
	if (engine_port_open(loop, net, net_ctx, on_message, h, &h->port, err) != 0) {
		engine_close(h->engine, NULL, NULL);
		return -1;
	}
	return 0;
}

int engine_host_start(uv_loop_t *loop, const char *engine, const char *state_dir,
	engine_may_tag_fn *may_tag, engine_may_see_fn *may_see, void *ctx, engine_port_fn *net,
	void *net_ctx, struct engine_port **ret, struct err *err)
{
	struct engine_host *h = calloc(1, sizeof(*h));

	if (!h)
		return err_nomem(err);
	h->may_tag = may_tag;
	h->may_see = may_see;
	h->ctx = ctx;
	if (open_parts(h, loop, engine, state_dir, net, net_ctx, err) != 0) {
		free_host(h);
		return -1;
	}
	h->replay.due = true;
	engine_replay_start(h);
	*ret = h->port;
	return 0;
}

static void port_closed(void *ctx)
{
	struct engine_host *h = ctx;
	void (*done)(void *ctx) = h->on_closed;
	void *done_ctx = h->closed_ctx;

	free_host(h);
	if (done)
		done(done_ctx);
}

/* Every call of every job has come back by now, and each job ended with it. */
static void engine_closed(void *ctx)
{
	struct engine_host *h = ctx;

	assert(!h->jobs && !h->replay.running);
	engine_port_close(h->port, port_closed, h);
}

void engine_host_close(struct engine_port *port, void (*done)(void *ctx), void *ctx)
{
	struct engine_host *h = engine_port_end(port);

	h->closing = true;
	h->on_closed = done;
	h->closed_ctx = ctx;
	engine_close(h->engine, engine_closed, h);
}
