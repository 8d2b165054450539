/*
 * A snapshot on its way back to a client: the sender role, which asks nothing, since the client has
 * nothing. RESTORE is answered with what the snapshot is, and each RESTORE_PART with one of its
 * blobs. Loop's thread. Ends in exactly one `over`, unless it is aborted.
 */
#pragma once

#include "link/uv_conn.h"
#include "server/depot/uv_pin.h"

struct restore_job;

struct restore_job_ops {
	void (*send)(void *ctx, const struct message *m);
	/* RESTORE_DONE came (err NULL) or FAIL was sent; the job is gone after the call. */
	void (*over)(void *ctx, struct restore_job *j, const struct err *err);
};

struct restore_job_config {
	uv_loop_t *loop;
	struct depot_domain *domain;
	const struct uv_conn *conn; /* for its room */
	uint64_t *segments;	    /* sent so far in the session */
	const char *key;
	uint32_t grants;
	const struct restore_job_ops *ops;
	void *ctx;
};

int restore_job_start(const struct restore_job_config *config, const struct msg_restore *m,
	struct restore_job **ret, struct err *err) MUST_CHECK;
void restore_job_abort(struct restore_job *j);

uint32_t restore_job_number(const struct restore_job *j);
const struct uv_pin *restore_job_pin(const struct restore_job *j);

/* May end the job. */
void restore_job_part(struct restore_job *j, uint32_t part);
void restore_job_done(struct restore_job *j);

/* The connection takes more. May end the job. */
void restore_job_room(struct restore_job *j);
