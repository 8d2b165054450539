/* What a session's jobs begin and end with: images, trees, calls. */
#include "common/base/log.h"
#include "common/base/text.h"
#include "protocol/grant.h"
#include "protocol/limits.h"
#include "server/peer/uv_peer_impl.h"

#include <string.h>

const struct peer_job *uv_peer_find_job(const struct uv_peer *p, uint32_t number)
{
	for (size_t i = 0; i < p->n_jobs; i++) {
		if (peer_job_number(&p->jobs[i]) == number)
			return &p->jobs[i];
	}
	return NULL;
}

static void remove_job(struct uv_peer *p, const void *job)
{
	for (size_t i = 0; i < p->n_jobs; i++) {
		if (p->jobs[i].any == job) {
			p->jobs[i] = p->jobs[--p->n_jobs];
			return;
		}
	}
}

void uv_peer_job_over(struct uv_peer *p, const void *job, uint32_t number, const char *what,
	const struct err *err)
{
	if (err) {
		log_warn("%s (%s): %s", p->name, p->where, err->text);
	} else {
		receiver_close_job(p->receiver, number);
		log_info("%s (%s): %s", p->name, p->where, what);
	}
	remove_job(p, job);
}

static void on_image_over(void *ctx, struct image_job *j, const struct err *err)
{
	uv_peer_job_over(ctx, j, image_job_number(j), "loaded and tagged", err);
}

static void on_tree_over(void *ctx, struct tree_job *j, const struct err *err)
{
	uv_peer_job_over(ctx, j, tree_job_number(j), "a volume is filled", err);
}

static void on_call_over(void *ctx, struct migrate_call *c, const struct err *err)
{
	uv_peer_job_over(
		ctx, c, migrate_call_number(c), "a call about a container is answered", err);
}

static const struct image_job_ops image_ops = { .send = uv_peer_send, .over = on_image_over };
static const struct tree_job_ops tree_ops = { .send = uv_peer_send, .over = on_tree_over };
static const struct migrate_call_ops call_ops = { .send = uv_peer_send, .over = on_call_over };

/* May this key load this image under these names? */
static int check_offer(const struct uv_peer *p, const struct msg_image_offer *o, struct err *err)
{
	const uint8_t *at = o->tags.raw;
	char tag[TAG_LEN_MAX + 1], shown[TAG_LEN_MAX + 1];
	wire_text t;

	if (!(p->entry->grants & GRANT_PUSH))
		return err_set(err, ERR_REFUSED, "key %s may not push images", p->name);
	while (wire_texts_next(&o->tags, &at, &t)) {
		memcpy(tag, t.s, t.n);
		tag[t.n] = '\0';
		if (!keyring_allows_image(p->entry, tag))
			return err_set(err, ERR_REFUSED, "key %s may not push %s", p->name,
				text_escape(shown, sizeof(shown), tag, t.n));
	}
	return 0;
}

void uv_peer_refuse_job(struct uv_peer *p, uint32_t job, const struct err *why)
{
	struct message m = message_fail(job, why);

	uv_peer_send(p, &m);
	log_warn("%s (%s): %s", p->name, p->where, why->text);
}

void uv_peer_add_job(struct uv_peer *p, struct peer_job job)
{
	p->jobs[p->n_jobs++] = job;
	peer_job_stored(job, p->stored);
}

void uv_peer_take_offer(struct uv_peer *p, const struct msg_image_offer *o)
{
	struct image_job_config config = { .loop = p->server->loop,
		.domain = depot_domain(p->server->depot, p->entry->group),
		.port = p->server->port,
		.port_job = p->server->next_port_job++,
		.key = p->name,
		.ops = &image_ops,
		.ctx = p };
	struct peer_job job = { .kind = PEER_JOB_IMAGE };
	char image[DIGEST_TEXT_LEN + 1];
	struct err err;

	if (p->server->stopping)
		err_set(&err, ERR_AGAIN, "the receiver is stopping");
	if (p->server->stopping || check_offer(p, o, &err) != 0 ||
		image_job_start(&config, o, &job.image, &err) != 0) {
		uv_peer_refuse_job(p, o->job, &err);
		return;
	}
	uv_peer_add_job(p, job);
	digest_text(&o->image, image);
	log_info("%s (%s): offers %s", p->name, p->where, image);
}

void uv_peer_take_tree_offer(struct uv_peer *p, const struct msg_tree_offer *o)
{
	struct tree_job_config config = { .loop = p->server->loop,
		.domain = depot_domain(p->server->depot, p->entry->group),
		.port = p->server->port,
		.port_job = p->server->next_port_job++,
		.key = p->name,
		.grants = p->entry->grants,
		.ops = &tree_ops,
		.ctx = p };
	struct peer_job job = { .kind = PEER_JOB_TREE };
	struct err err;

	if (p->server->stopping)
		err_set(&err, ERR_AGAIN, "the receiver is stopping");
	if (p->server->stopping || tree_job_start(&config, o, &job.tree, &err) != 0)
		uv_peer_refuse_job(p, o->job, &err);
	else
		uv_peer_add_job(p, job);
}

void uv_peer_take_call(struct uv_peer *p, const struct msg_migrate *m)
{
	struct migrate_call_config config = { .port = p->server->port,
		.port_job = p->server->next_port_job++,
		.key = p->name,
		.grants = p->entry->grants,
		.ops = &call_ops,
		.ctx = p };
	struct peer_job job = { .kind = PEER_JOB_CALL };
	struct err err;

	if (p->server->stopping)
		err_set(&err, ERR_AGAIN, "the receiver is stopping");
	if (p->server->stopping || migrate_call_start(&config, m, &job.call, &err) != 0)
		uv_peer_refuse_job(p, m->job, &err);
	else
		uv_peer_add_job(p, job);
}

void uv_peer_abort_job(struct uv_peer *p, struct peer_job job)
{
	remove_job(p, job.any);
	peer_job_abort(job);
}
