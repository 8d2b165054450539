/*
 * A job of a session, whatever it is about: an image, a volume, a backup or a call. The session
 * deals with all of them alike. Loop's thread; functions that may end the job say so.
 */
#pragma once

#include "server/backup/snapshot_call.h"
#include "server/backup/uv_backup_job.h"
#include "server/backup/uv_restore_job.h"
#include "server/container/migrate_call.h"
#include "server/container/uv_tree_job.h"
#include "server/image/uv_image_job.h"

enum peer_job_kind {
	PEER_JOB_IMAGE,
	PEER_JOB_TREE,
	PEER_JOB_CALL,
	PEER_JOB_BACKUP,
	PEER_JOB_SNAPSHOTS,
	PEER_JOB_RESTORE
};

struct peer_job {
	enum peer_job_kind kind;
	union {
		struct image_job *image;
		struct tree_job *tree;
		struct migrate_call *call;
		struct backup_job *backup;
		struct snapshot_call *snapshots;
		struct restore_job *restore;
		void *any; /* for comparing */
	};
};

uint32_t peer_job_number(const struct peer_job *j);

/* False: it has nothing to do with the engine. */
bool peer_job_port_number(const struct peer_job *j, uint32_t *ret);

/* NULL: nothing is stored for it. */
const struct uv_pin *peer_job_pin(const struct peer_job *j);

void peer_job_abort(struct peer_job j);
void peer_job_stored(struct peer_job j, uint64_t segment);

/* A message of the session that is about a blob of the job; may end it. */
void peer_job_blob(struct peer_job j, const struct message *m, const struct receiver_blob *blob);

/* IMAGE_COMMIT, TREE_COMMIT or BACKUP_COMMIT; may end it. */
void peer_job_commit(struct peer_job j, const struct message *m);

/* May end it. */
void peer_job_port(struct peer_job j, const struct port_message *m);

/* The engine process is gone. True: it has ended for it. */
bool peer_job_engine_lost(struct peer_job j) MUST_CHECK;
