/*
 * One load, from OPEN to LOADED or FAILED. engine_load_job.c has its states, its beginning and its
 * failures, engine_load_members.c what happens while its members arrive, engine_load_archive.c the
 * archive's documents, engine_load_commit.c what comes after them.
 */
#pragma once

#include "common/base/buf.h"
#include "common/cargo/docker_archive.h"
#include "server/engine/engine_have.h"
#include "server/engine/engine_side.h"
#include "server/engine/engine_tags.h"

enum load_state {
	LOAD_OPENING,	/* waits for the replay, asks whether the image exists, begins */
	LOAD_RECEIVING, /* members arrive and go to the engine */
	LOAD_CHECKING,	/* are the layers that did not come in the engine? */
	LOAD_APPLYING,	/* the archive is whole; the engine works */
	LOAD_VERIFYING, /* is it the image that was offered? */
	LOAD_TAGGING,
	LOAD_UNDOING, /* failed or aborted; what it made is removed */
	LOAD_STATES
};

/* The member that arrives now. */
struct load_member {
	bool open;
	uint16_t index;
	uint64_t size, left;
	struct buf config; /* the config's bytes, to look into them */
	char name[DOCKER_ARCHIVE_NAME_MAX];
};

struct load_job {
	struct engine_job job;
	enum load_state state;
	struct digest *diff_ids, *chains;
	uint8_t *present; /* by layer, after CHECKING */
	size_t n;
	struct tag_list tags;
	char (*names)[DOCKER_ARCHIVE_NAME_MAX]; /* by layer: the member that holds it, or "" */
	struct archive_layer *blobs;		/* by layer: what the archive's manifest says */
	bool *announced;			/* by layer, the config last: a MEMBER named it */
	bool have_config;
	uint64_t config_size;

	struct load_member member;
	struct hasher *hasher;
	unsigned members;
	struct buf pending; /* of the archive, not yet taken by the engine's connection */
	uint32_t credit;    /* bytes that the net side may still send */

	struct engine_load *load; /* NULL when there is none (any more) */
	bool whole;		  /* the load got the end of the archive */
	bool found;		  /* the engine has an image of this config… */
	bool right;		  /* …and of the layers that were sent */
	struct digest id;	  /* what the engine calls the one that it made */
	bool calling;		  /* an engine call of this job is under way */
	bool ending, silent;	  /* on the way to UNDOING; silent: nobody wants to know why */
	struct err err;		  /* why */
	struct have_check have;
	struct tagging tagging;
	struct engine_undo undo;
};

/* The job fails with this error, or ends on an ABORT (`err` NULL): the load is broken off and
 * undone as soon as nothing of it is under way. The job may be gone after the call. */
void load_job_fail(struct load_job *j, const struct err *err);

/* While RECEIVING, or from the end of OPENING: the messages MEMBER and DATA. -1: the job is to
 * fail. */
int load_member_begin(struct load_job *j, const struct port_member *m, struct err *err) MUST_CHECK;
int load_member_data(struct load_job *j, const struct port_data *m, struct err *err) MUST_CHECK;

/* Sends what is pending to the engine, as far as it takes it, and gives credit for the room. */
void load_job_pump(struct load_job *j);

/* Adds the documents and the end of the archive to what is pending. */
int load_job_close_archive(struct load_job *j, struct err *err) MUST_CHECK;

/* COMMIT. -1: the job is to fail. */
int load_job_commit(struct load_job *j, struct err *err) MUST_CHECK;

/* The engine says that it loaded the archive. */
void load_job_verify(struct load_job *j);

/* Verified and tagged: says so and frees the job. */
void load_job_loaded(struct load_job *j);

/* Small things that both halves use. */
void load_job_enter(struct load_job *j, enum load_state state);
void load_job_phase(struct load_job *j, enum engine_phase phase);
void load_job_find(struct load_job *j, engine_image_fn *fn);
struct load_entry load_job_entry(const struct load_job *j);

/* To be called at the end of every engine call: false when the job ends, and may be gone. */
bool load_job_call_over(struct load_job *j, const struct err *err);
