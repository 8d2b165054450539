/*
 * One volume on its way from a session into the engine: offer, blob rebuilt and restored. Loop's
 * thread throughout. Ends in exactly one `over`, unless it is aborted. See uv_image_job.h, whose
 * functions these are like.
 */
#pragma once

#include "protocol/receiver.h"
#include "server/depot/uv_pin.h"
#include "server/engine/engine_port.h"

struct tree_job;

struct tree_job_ops {
	void (*send)(void *ctx, const struct message *m);
	/* TREE_DONE (err NULL) or FAIL was sent; the job is gone after the call. */
	void (*over)(void *ctx, struct tree_job *j, const struct err *err);
};

struct tree_job_config {
	uv_loop_t *loop;
	struct depot_domain *domain;
	struct engine_port *port;
	uint32_t port_job;
	const char *key;
	uint32_t grants;
	const struct tree_job_ops *ops;
	void *ctx;
};

int tree_job_start(const struct tree_job_config *config, const struct msg_tree_offer *offer,
	struct tree_job **ret, struct err *err) MUST_CHECK;
void tree_job_abort(struct tree_job *j);

uint32_t tree_job_number(const struct tree_job *j);
uint32_t tree_job_port_number(const struct tree_job *j);
const struct uv_pin *tree_job_pin(const struct tree_job *j);

void tree_job_begin(struct tree_job *j, const struct receiver_blob *blob);
void tree_job_recipes(struct tree_job *j, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names);
void tree_job_end(struct tree_job *j, const struct receiver_blob *blob);
void tree_job_commit(struct tree_job *j);
void tree_job_stored(struct tree_job *j, uint64_t segment);

/* The engine process is gone: the job ends with ERR_AGAIN. */
void tree_job_engine_lost(struct tree_job *j);
void tree_job_port(struct tree_job *j, const struct port_message *m);
