#include "server/peer/peer_job.h"

uint32_t peer_job_number(const struct peer_job *j)
{
	switch (j->kind) {
	case PEER_JOB_IMAGE:
		return image_job_number(j->image);
	case PEER_JOB_TREE:
		return tree_job_number(j->tree);
	case PEER_JOB_BACKUP:
		return backup_job_number(j->backup);
	case PEER_JOB_SNAPSHOTS:
		return snapshot_call_number(j->snapshots);
	case PEER_JOB_RESTORE:
		return restore_job_number(j->restore);
	case PEER_JOB_CALL:
	default:
		return migrate_call_number(j->call);
	}
}

bool peer_job_port_number(const struct peer_job *j, uint32_t *ret)
{
	if (j->kind == PEER_JOB_IMAGE)
		*ret = image_job_port_number(j->image);
	else if (j->kind == PEER_JOB_TREE)
		*ret = tree_job_port_number(j->tree);
	else if (j->kind == PEER_JOB_CALL)
		*ret = migrate_call_port_number(j->call);
	else
		return false;
	return true;
}

const struct uv_pin *peer_job_pin(const struct peer_job *j)
{
	switch (j->kind) {
	case PEER_JOB_IMAGE:
		return image_job_pin(j->image);
	case PEER_JOB_TREE:
		return tree_job_pin(j->tree);
	case PEER_JOB_BACKUP:
		return backup_job_pin(j->backup);
	case PEER_JOB_RESTORE:
	case PEER_JOB_SNAPSHOTS:
	case PEER_JOB_CALL:
	default:
		return NULL;
	}
}

void peer_job_abort(struct peer_job j)
{
	switch (j.kind) {
	case PEER_JOB_IMAGE:
		image_job_abort(j.image);
		break;
	case PEER_JOB_TREE:
		tree_job_abort(j.tree);
		break;
	case PEER_JOB_BACKUP:
		backup_job_abort(j.backup);
		break;
	case PEER_JOB_SNAPSHOTS:
		snapshot_call_abort(j.snapshots);
		break;
	case PEER_JOB_RESTORE:
		restore_job_abort(j.restore);
		break;
	case PEER_JOB_CALL:
		migrate_call_abort(j.call);
		break;
	}
}

void peer_job_stored(struct peer_job j, uint64_t segment)
{
	if (j.kind == PEER_JOB_IMAGE)
		image_job_stored(j.image, segment);
	else if (j.kind == PEER_JOB_TREE)
		tree_job_stored(j.tree, segment);
	else if (j.kind == PEER_JOB_BACKUP)
		backup_job_stored(j.backup, segment);
}

static void image_blob(
	struct image_job *j, const struct message *m, const struct receiver_blob *blob)
{
	if (m->type == MSG_BLOB_BEGIN)
		image_job_begin(j, blob);
	else if (m->type == MSG_BLOB_END)
		image_job_end(j, blob);
	else if (m->type == MSG_ASK_RECIPES)
		image_job_recipes(
			j, blob, (enum recipe_stream)m->ask_recipes.stream, &m->ask_recipes.names);
}

static void tree_blob(struct tree_job *j, const struct message *m, const struct receiver_blob *blob)
{
	if (m->type == MSG_BLOB_BEGIN)
		tree_job_begin(j, blob);
	else if (m->type == MSG_BLOB_END)
		tree_job_end(j, blob);
	else if (m->type == MSG_ASK_RECIPES)
		tree_job_recipes(
			j, blob, (enum recipe_stream)m->ask_recipes.stream, &m->ask_recipes.names);
}

static void backup_blob(
	struct backup_job *j, const struct message *m, const struct receiver_blob *blob)
{
	if (m->type == MSG_BLOB_BEGIN)
		backup_job_begin(j, blob);
	else if (m->type == MSG_BLOB_END)
		backup_job_end(j, blob);
	else if (m->type == MSG_ASK_RECIPES)
		backup_job_recipes(
			j, blob, (enum recipe_stream)m->ask_recipes.stream, &m->ask_recipes.names);
}

void peer_job_blob(struct peer_job j, const struct message *m, const struct receiver_blob *blob)
{
	if (j.kind == PEER_JOB_IMAGE)
		image_blob(j.image, m, blob);
	else if (j.kind == PEER_JOB_TREE)
		tree_blob(j.tree, m, blob);
	else if (j.kind == PEER_JOB_BACKUP)
		backup_blob(j.backup, m, blob);
}

void peer_job_commit(struct peer_job j, const struct message *m)
{
	if (j.kind == PEER_JOB_IMAGE)
		image_job_commit(j.image);
	else if (j.kind == PEER_JOB_TREE)
		tree_job_commit(j.tree);
	else if (j.kind == PEER_JOB_BACKUP)
		backup_job_commit(j.backup, &m->backup_commit);
}

void peer_job_port(struct peer_job j, const struct port_message *m)
{
	if (j.kind == PEER_JOB_IMAGE)
		image_job_port(j.image, m);
	else if (j.kind == PEER_JOB_TREE)
		tree_job_port(j.tree, m);
	else if (j.kind == PEER_JOB_CALL)
		migrate_call_port(j.call, m);
}

bool peer_job_engine_lost(struct peer_job j)
{
	if (j.kind == PEER_JOB_IMAGE)
		return image_job_engine_lost(j.image);
	if (j.kind == PEER_JOB_TREE)
		tree_job_engine_lost(j.tree);
	else if (j.kind == PEER_JOB_CALL)
		migrate_call_engine_lost(j.call);
	else
		return false;
	return true;
}
