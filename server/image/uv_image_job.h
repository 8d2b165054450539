/*
 * One image on its way from a session into the engine: offer, what is there already, blobs rebuilt
 * and loaded, tags. Loop's thread throughout. Every job ends in exactly one `over`, unless it is
 * aborted.
 */
#pragma once

#include "protocol/receiver.h"
#include "server/depot/uv_pin.h"
#include "server/engine/engine_port.h"

struct image_job;

struct image_job_ops {
	void (*send)(void *ctx, const struct message *m);
	/* IMAGE_DONE (err NULL) or FAIL was sent; the job is gone after the call. */
	void (*over)(void *ctx, struct image_job *j, const struct err *err);
};

struct image_job_config {
	uv_loop_t *loop;
	struct depot_domain *domain;
	struct engine_port *port;
	uint32_t port_job; /* unique among all jobs of the port */
	const char *key;   /* the key's name, for the engine side's own check */
	const struct image_job_ops *ops;
	void *ctx;
};

/* The offer was checked (receiver_take) and is allowed. Asks the store and the engine at once. */
int image_job_start(const struct image_job_config *config, const struct msg_image_offer *offer,
	struct image_job **ret, struct err *err) MUST_CHECK;

/* The session is over: drops the load and frees (from the loop). */
void image_job_abort(struct image_job *j);

uint32_t image_job_number(const struct image_job *j);	   /* the session's number for it */
uint32_t image_job_port_number(const struct image_job *j); /* the port's */

/* What keeps the job's chunks, for its questions and segments: as long as the job. */
const struct uv_pin *image_job_pin(const struct image_job *j);

/* Messages of the session that concern this job, checked by the receiver. */
void image_job_begin(struct image_job *j, const struct receiver_blob *blob);
void image_job_recipes(struct image_job *j, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names);
void image_job_end(struct image_job *j, const struct receiver_blob *blob);
void image_job_commit(struct image_job *j);

/* Segments of the session up to this number are in the store. */
void image_job_stored(struct image_job *j, uint64_t segment);

/* The engine process is gone. A job that it owes something ends with ERR_AGAIN, and true is
 * returned; one that only waits for its client goes on. */
bool image_job_engine_lost(struct image_job *j) MUST_CHECK;

/* What the engine side sent for this job. */
void image_job_port(struct image_job *j, const struct port_message *m);
