/*
 * One backup on its way from a session into a snapshot: offer, blobs checked and recorded, snapshot
 * written. It needs no engine. Loop's thread throughout. Ends in exactly one `over`, unless it is
 * aborted. See uv_image_job.h, whose functions these are like.
 */
#pragma once

#include "protocol/receiver.h"
#include "server/depot/uv_pin.h"

struct backup_job;

struct backup_job_ops {
	void (*send)(void *ctx, const struct message *m);
	/* BACKUP_DONE (err NULL) or FAIL was sent; the job is gone after the call. */
	void (*over)(void *ctx, struct backup_job *j, const struct err *err);
};

struct backup_job_config {
	uv_loop_t *loop;
	struct depot_domain *domain;
	const char *key;
	uint32_t grants;
	const struct backup_job_ops *ops;
	void *ctx;
};

/* The offer was checked by the receiver. ERR_REFUSED: the key may not. */
int backup_job_start(const struct backup_job_config *config, const struct msg_backup_offer *offer,
	struct backup_job **ret, struct err *err) MUST_CHECK;
void backup_job_abort(struct backup_job *j);

uint32_t backup_job_number(const struct backup_job *j);
const struct uv_pin *backup_job_pin(const struct backup_job *j);

void backup_job_begin(struct backup_job *j, const struct receiver_blob *blob);
void backup_job_recipes(struct backup_job *j, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names);
void backup_job_end(struct backup_job *j, const struct receiver_blob *blob);
void backup_job_commit(struct backup_job *j, const struct msg_backup_commit *commit);
void backup_job_stored(struct backup_job *j, uint64_t segment);
