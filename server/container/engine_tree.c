/*
 * TREE: fills a volume with a tar that comes in pieces. Happy path: the volume is there, or is made
 * -> a thread of its own that restores (common/tree) -> credit for what it has taken -> COMMIT ->
 * FILLED. Failure modes: a volume that holds something of somebody else; a tar that is no good,
 * which leaves the volume half filled, for the next try or for UNDO; an ABORT, after which the
 * thread is waited for.
 */
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/tree/tree_restore.h"
#include "link/uv_worker.h"
#include "server/container/container_grants.h"
#include "server/container/engine_migrate.h"

#include <stdlib.h>
#include <string.h>

struct tree_job {
	struct engine_job job;
	struct migration *m;
	char volume[VOLUME_NAME_MAX + 1];
	struct container_target target;
	struct container_request request;
	json_t *version;
	bool fresh; /* made by this migration, or to be overwritten: what is in it may go */
	struct uv_worker *worker;     /* NULL: not begun, or ended */
	struct tree_restore *restore; /* the worker's, while there is one */
	atomic_bool stop;
	bool calling; /* the engine is asked something */
	bool member, committed, ending, silent;
	struct err err; /* why it ends; ERR_NONE: well */
};

/* Some bytes for the worker, or the end. */
struct piece {
	struct uv_task task;
	struct tree_job *j;
	bool last;
	int result;
	struct err err;
	size_t n;
	uint8_t bytes[];
};

/* --- the end --- */

static void job_free(struct tree_job *j)
{
	if (j->m)
		j->m->busy = false;
	tree_restore_free(j->restore);
	json_decref(j->version);
	container_target_done(&j->target);
	container_request_done(&j->request);
	engine_job_free(&j->job);
}

static void finish(void *ctx)
{
	struct tree_job *j = ctx;
	struct port_message m = { .type = PORT_FILLED };

	m.filled.job = j->job.number;
	if (j->err.code != ERR_NONE && !j->silent)
		engine_job_failed(&j->job, &j->err);
	else if (!j->silent)
		engine_job_reply(&j->job, &m);
	job_free(j);
}

/* Pieces that are queued come back before the worker is gone, and so does what the engine was
 * asked.
 */
static void end(struct tree_job *j, const struct err *err)
{
	struct uv_worker *w = j->worker;

	if (j->ending)
		return;
	j->ending = true;
	if (err)
		j->err = *err;
	atomic_store(&j->stop, err != NULL);
	j->worker = NULL;
	if (w)
		uv_worker_stop(w, finish, j);
	else if (!j->calling)
		finish(j);
}

/* --- pieces --- */

static void run_piece(struct uv_task *task)
{
	struct piece *p = (struct piece *)task;
	struct tree_job *j = p->j;

	if (p->last)
		p->result = tree_restore_end(j->restore, &p->err);
	else
		p->result = tree_restore_feed(j->restore, p->bytes, p->n, &p->err);
	if (p->result != 0) /* after a failure nothing more may be fed */
		atomic_store(&j->stop, true);
}

static void skip_piece(struct uv_task *task)
{
	struct piece *p = (struct piece *)task;

	if (!atomic_load(&p->j->stop)) {
		run_piece(task);
		return;
	}
	p->result = err_set(&p->err, ERR_INTERRUPTED, "broken off");
}

static void give_credit(struct tree_job *j, size_t n)
{
	struct port_message m = { .type = PORT_CREDIT };

	m.credit.job = j->job.number;
	m.credit.bytes = (uint32_t)n;
	engine_job_reply(&j->job, &m);
}

static void log_filled(const struct tree_job *j)
{
	const struct tree_report *r = tree_restore_report(j->restore);

	log_info("volume of %s: %llu files written, %llu were the same, %llu removed",
		container_order_name(&j->m->order), (unsigned long long)r->files_written,
		(unsigned long long)r->files_left, (unsigned long long)r->deleted);
}

static void piece_done(struct uv_task *task)
{
	struct piece *p = (struct piece *)task;
	struct tree_job *j = p->j;
	bool last = p->last;
	size_t n = p->n;
	int r = p->result;
	struct err err = p->err;

	free(p);
	if (j->ending)
		return;
	if (r != 0) {
		err_wrap(&err, "volume");
		end(j, &err);
	} else if (last) {
		log_filled(j);
		end(j, NULL);
	} else {
		give_credit(j, n);
	}
}

static int post(struct tree_job *j, const void *bytes, size_t n, bool last, struct err *err)
{
	struct piece *p = malloc(sizeof(*p) + n);

	if (!p)
		return err_nomem(err);
	*p = (struct piece){
		.task = { .run = skip_piece, .done = piece_done }, .j = j, .last = last, .n = n
	};
	if (n > 0)
		memcpy(p->bytes, bytes, n);
	uv_worker_post(j->worker, &p->task);
	return 0;
}

/* --- messages --- */

static int take(struct tree_job *j, const struct port_message *m, struct err *err)
{
	if (!j->worker || j->committed)
		return err_set(err, ERR_PROTOCOL, "a volume's bytes out of place");
	if (m->type == PORT_MEMBER && !j->member) {
		j->member = true;
		return 0;
	}
	if (!j->member || m->type == PORT_MEMBER)
		return err_set(err, ERR_PROTOCOL, "a volume's bytes out of place");
	if (m->type == PORT_DATA && m->data.bytes.n > PORT_DATA_MAX)
		return err_set(err, ERR_PROTOCOL, "too many bytes at once");
	if (m->type == PORT_DATA)
		return post(j, m->data.bytes.p, m->data.bytes.n, false, err);
	j->committed = true;
	return post(j, NULL, 0, true, err);
}

static void take_message(struct engine_job *job, const struct port_message *m)
{
	struct tree_job *j = (struct tree_job *)job;
	struct err err;

	if (!j->ending && take(j, m, &err) != 0)
		end(j, &err);
}

static void take_abort(struct engine_job *job)
{
	struct tree_job *j = (struct tree_job *)job;
	struct err err;

	j->silent = true;
	atomic_store(&j->stop, true);
	err_set(&err, ERR_INTERRUPTED, "broken off");
	end(j, &err);
}

static const struct engine_job_ops ops = { .message = take_message, .abort = take_abort };

/* --- the beginning --- */

/* At the end of every engine call: false when the job ends, and may be gone. */
static bool went_well(struct tree_job *j, const struct err *failed)
{
	j->calling = false;
	if (j->ending)
		finish(j);
	else if (failed)
		end(j, failed);
	else
		return true;
	return false;
}

static int start(struct tree_job *j, const char *root, struct err *err)
{

	struct tree_restore_config config = { .root = root,
		.update = j->fresh,
		.devices = j->job.host->grants_of(j->job.host->ctx, j->job.key) & GRANT_DEVICE,
		.bytes_max = UINT64_MAX,
		.entries_max = UINT64_MAX,
		.stop = &j->stop };
	char shown[4 * VOLUME_NAME_MAX + 1];

	text_escape(shown, sizeof(shown), j->volume, strlen(j->volume));
	if (!root)
		return err_set(
			err, ERR_FAILED, "volume %s: the engine does not say where it lies", shown);
	if (tree_restore_open(&config, &j->restore, err) != 0)
		return err_wrap(err, "volume %s", shown);
	return uv_worker_start(j->job.host->idle.loop, "dray-volume", &j->worker, err);
}

static void fill(struct tree_job *j, const char *root)
{
	struct err err;

	if (start(j, root, &err) != 0)
		end(j, &err);
	else
		give_credit(j, ENGINE_CREDIT_MAX);
}

static void volume_there(void *ctx, json_t *o, const struct err *failed)
{
	struct tree_job *j = ctx;

	if (went_well(j, failed))
		fill(j, migrate_mountpoint(o));
}

/* What is made is in the journal before it is. */
static int make(struct tree_job *j, struct err *err)
{
	json_t *body = migrate_volume_body(&j->request, j->volume);

	if (!body)
		return err_set(err, ERR_PROTOCOL, "a volume that the container does not have");
	if (migration_will_make(j->m->volumes, j->volume, err) != 0 ||
		migration_journal(j->job.host, j->m, err) != 0)
		return -1;
	j->fresh = true;
	j->calling = true;
	engine_create_volume(j->job.host->engine, body, volume_there, j);
	return 0;
}

static void volume_seen(void *ctx, json_t *o, const struct err *failed)
{
	struct tree_job *j = ctx;
	struct err err;

	if (!went_well(j, failed && failed->code != ERR_NOT_FOUND ? failed : NULL))
		return;
	if (!failed) {
		j->fresh = j->m->overwrite || migration_made(j->m->volumes, j->volume);
		fill(j, migrate_mountpoint(o));
	} else if (make(j, &err) != 0) {
		end(j, &err);
	}
}

static void ask_volume(struct tree_job *j)
{
	j->calling = true;
	engine_inspect_volume(j->job.host->engine, j->volume, volume_seen, j);
}

static void info_known(void *ctx, json_t *o, const struct err *failed)
{
	struct tree_job *j = ctx;
	struct container_choice choice = j->m->order.choice;
	struct err err;

	if (!went_well(j, failed))
		return;
	if (container_target_read(j->version, o, &j->target, &err) != 0 ||
		container_request_build(
			j->m->order.manifest, &j->target, &choice, &j->request, &err) != 0)
		end(j, &err);
	else
		ask_volume(j);
}

static void version_known(void *ctx, json_t *o, const struct err *failed)
{
	struct tree_job *j = ctx;

	if (!went_well(j, failed))
		return;
	j->version = json_incref(o);
	j->calling = true;
	engine_info_object(j->job.host->engine, info_known, j);
}

static int check(struct tree_job *j, const struct port_tree *m, struct err *err)
{
	struct engine_host *h = j->job.host;
	struct migration *found = migration_find(h->migrations, j->job.key, m->migration.bytes);

	if (m->volume.n == 0 || m->volume.n > VOLUME_NAME_MAX ||
		memchr(m->volume.s, '\0', m->volume.n))
		return err_set(err, ERR_PROTOCOL, "a volume's name that is none");
	memcpy(j->volume, m->volume.s, m->volume.n);
	if (!found)
		return err_set(err, ERR_NOT_FOUND,
			"the target knows nothing of this migration (any more)");
	if (found->busy)
		return err_set(err, ERR_AGAIN, "the target is at work on this migration");
	if (found->stage != STAGE_OFFERED && found->stage != STAGE_PREPARED)
		return err_set(
			err, ERR_USAGE, "the container was started: its volumes are its own");
	if (!migrate_volume_travels(&found->order, j->volume))
		return err_set(err, ERR_PROTOCOL, "a volume that the container does not have");
	j->m = found;
	found->busy = true;
	return container_grants_check(h->grants_of(h->ctx, j->job.key), &found->order, err);
}

/* A bind mount's directory: made with those above it. */
static int prepare_bind(struct tree_job *j, struct err *err)
{
	if (migrate_check_bind(j->m, j->m->overwrite, j->volume, err) != 0 ||
		migration_will_make(j->m->binds, j->volume, err) != 0 ||
		migration_journal(j->job.host, j->m, err) != 0)
		return -1;
	j->fresh = true;
	return file_make_dir(j->volume, 0755, err);
}

static void go(struct engine_job *job)
{
	struct tree_job *j = (struct tree_job *)job;
	struct err err;

	if (j->volume[0] == '/') {
		if (prepare_bind(j, &err) != 0)
			end(j, &err);
		else
			fill(j, j->volume);
		return;
	}
	j->calling = true;
	engine_version_object(job->host->engine, version_known, j);
}

void engine_tree_take(struct engine_host *h, const struct port_tree *m)
{
	const struct digest none = { { 0 } };
	struct tree_job *j = (struct tree_job *)engine_job_new(
		h, sizeof(*j), &ops, m->job, &m->key, &none);
	struct err err;

	if (!j)
		return;
	if (check(j, m, &err) != 0)
		end(j, &err);
	else
		engine_job_wait(&j->job, go);
}
