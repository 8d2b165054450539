/* The jobs of a session that only the store has to do with: backups, lists of snapshots, restores.
 */
#include "server/peer/uv_peer_impl.h"

#include "common/base/log.h"

static void on_backup_over(void *ctx, struct backup_job *j, const struct err *err)
{
	uv_peer_job_over(ctx, j, backup_job_number(j), "a backup is kept", err);
}

static void on_snapshots_over(void *ctx, struct snapshot_call *c, const struct err *err)
{
	uv_peer_job_over(
		ctx, c, snapshot_call_number(c), "a call about snapshots is answered", err);
}

static void on_restore_over(void *ctx, struct restore_job *j, const struct err *err)
{
	uv_peer_job_over(ctx, j, restore_job_number(j), "a snapshot was read", err);
}

static const struct backup_job_ops backup_ops = { .send = uv_peer_send, .over = on_backup_over };
static const struct snapshot_call_ops snapshots_ops = { .send = uv_peer_send,
	.over = on_snapshots_over };
static const struct restore_job_ops restore_ops = { .send = uv_peer_send, .over = on_restore_over };

static struct depot_domain *domain_of(const struct uv_peer *p)
{
	return depot_domain(p->server->depot, p->entry->group);
}

static int start_backup(
	struct uv_peer *p, const struct message *m, struct peer_job *job, struct err *err)
{
	struct backup_job_config config = { .loop = p->server->loop,
		.domain = domain_of(p),
		.key = p->name,
		.grants = p->entry->grants,
		.ops = &backup_ops,
		.ctx = p };

	job->kind = PEER_JOB_BACKUP;
	return backup_job_start(&config, &m->backup_offer, &job->backup, err);
}

static int start_snapshots(
	struct uv_peer *p, const struct message *m, struct peer_job *job, struct err *err)
{
	struct snapshot_call_config config = { .domain = domain_of(p),
		.key = p->name,
		.grants = p->entry->grants,
		.ops = &snapshots_ops,
		.ctx = p };

	job->kind = PEER_JOB_SNAPSHOTS;
	return snapshot_call_start(&config, m, &job->snapshots, err);
}

static int start_restore(
	struct uv_peer *p, const struct message *m, struct peer_job *job, struct err *err)
{
	struct restore_job_config config = { .loop = p->server->loop,
		.domain = domain_of(p),
		.conn = p->conn,
		.segments = &p->sent_segments,
		.key = p->name,
		.grants = p->entry->grants,
		.ops = &restore_ops,
		.ctx = p };

	job->kind = PEER_JOB_RESTORE;
	return restore_job_start(&config, &m->restore, &job->restore, err);
}

static void start(struct uv_peer *p, const struct message *m)
{
	struct peer_job job = { 0 };
	struct err err;
	int r;

	if (p->server->stopping)
		r = err_set(&err, ERR_AGAIN, "the receiver is stopping");
	else if (m->type == MSG_BACKUP_OFFER)
		r = start_backup(p, m, &job, &err);
	else if (m->type == MSG_RESTORE)
		r = start_restore(p, m, &job, &err);
	else
		r = start_snapshots(p, m, &job, &err);
	if (r != 0)
		uv_peer_refuse_job(p, m->backup_offer.job, &err); /* all begin with it */
	else
		uv_peer_add_job(p, job);
}

bool uv_peer_take_store(struct uv_peer *p, const struct message *m)
{
	const struct peer_job *j;

	if (m->type == MSG_BACKUP_OFFER || m->type == MSG_SNAPSHOTS || m->type == MSG_FORGET ||
		m->type == MSG_RESTORE) {
		start(p, m);
		return true;
	}
	if (m->type != MSG_RESTORE_PART && m->type != MSG_RESTORE_DONE)
		return false;
	j = uv_peer_find_job(p, m->restore_part.job); /* both begin with it */
	if (j && m->type == MSG_RESTORE_PART)
		restore_job_part(j->restore, m->restore_part.part);
	else if (j)
		restore_job_done(j->restore);
	return true;
}

void uv_peer_room(struct uv_peer *p)
{
	struct peer_job jobs[JOBS_MAX];
	size_t n = p->n_jobs;

	/* One that ends leaves the list, and ends no other. */
	for (size_t i = 0; i < n; i++)
		jobs[i] = p->jobs[i];
	for (size_t i = 0; i < n; i++) {
		if (jobs[i].kind == PEER_JOB_RESTORE)
			restore_job_room(jobs[i].restore);
	}
}
