/*
 * One load, from OPEN to LOADED or FAILED. engine_load_job.c has its states, its beginning and its
 * failures, engine_load_members.c what happens while its members arrive, engine_load_calls.c the
 * engine's calls that they go to, engine_load_archive.c the documents of their archives,
 * engine_load_commit.c what comes after them.
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
	LOAD_WAITING,	/* all is here; the calls before the last one are not over */
	LOAD_CHECKING,	/* are the layers that did not come in the engine? */
	LOAD_APPLYING,	/* the archive is whole; the engine works */
	LOAD_VERIFYING, /* is it the image that was offered? */
	LOAD_TAGGING,
	LOAD_CLEARING, /* the image holds its layers: the prefixes go */
	LOAD_UNDOING,  /* failed or aborted; what it made is removed */
	LOAD_STATES
};

/* The member that arrives now. */
struct load_member {
	bool open;
	uint16_t index;
	uint64_t size, left;
	char name[DOCKER_ARCHIVE_NAME_MAX];
};

struct load_call;

/* One that is applied, one that comes next, one that is filled. */
#define LOAD_CALLS_MAX 3u

struct load_job {
	struct engine_job job;
	enum load_state state;
	struct digest *diff_ids, *chains;
	uint8_t *present; /* by layer, after CHECKING */
	size_t n;
	struct tag_list tags;
	char (*names)[DOCKER_ARCHIVE_NAME_MAX]; /* by layer: the member that holds it, or "" */
	struct archive_layer *blobs;		/* by layer: what the archive's manifest says */
	struct archive_layer *held;		/* by layer that is there: see have_check */
	bool *announced;			/* by layer, the config last: a MEMBER named it */
	struct buf config;			/* for the end of the last archive */
	bool have_config;

	struct load_member member;
	struct hasher *hasher;
	unsigned members;
	uint32_t credit; /* bytes that the net side may still send */

	struct load_call *calls[LOAD_CALLS_MAX]; /* by the engine's turn; members go to the last */
	size_t n_calls;
	struct load_entry entry;   /* as in the journal; owns its list */
	size_t there;		   /* so many of the lowest layers are in the engine */
	bool late;		   /* the connection broke behind a whole archive */
	uint64_t committed_before; /* the same, of an earlier try: Unix time; 0: no */

	bool calling;	     /* an engine call of this job is under way */
	bool ending, silent; /* on the way to UNDOING; silent: nobody wants to know why */
	struct err err;	     /* why */
	struct have_check have;
	struct tagging tagging;
	struct engine_undo undo;
};

/* The job fails with this error, or ends on an ABORT (`err` NULL): the load is broken off and
 * undone as soon as nothing of it is under way. The job may be gone after the call. */
void load_job_fail(struct load_job *j, const struct err *err);

/* On the way there, something that was under way is over. */
void load_job_settle(struct load_job *j);

/* While RECEIVING: the messages MEMBER and DATA. -1: the job is to fail. */
int load_member_begin(struct load_job *j, const struct port_member *m, struct err *err) MUST_CHECK;
int load_member_data(struct load_job *j, const struct port_data *m, struct err *err) MUST_CHECK;

/* Sends what is pending to the engine, as far as it takes it, and gives credit for the room. */
void load_job_pump(struct load_job *j);

/* What an archive makes: the image of this config and the `n_layers` lowest layers. */
struct load_archive {
	struct digest image;
	const void *config;
	size_t config_size, n_layers;
};

/* Adds the config, the documents and the end of the archive. */
int load_archive_end(struct load_job *j, const struct load_archive *a, struct buf *to,
	struct err *err) MUST_CHECK;

/* Does the engine call an image by its manifest, so that the ID is known only when all layers are?
 */
bool load_job_by_manifest(const struct load_job *j);

/* Finds out that ID: of the image of the layers that came and those that are there. */
int load_archive_identify(struct load_job *j, struct err *err) MUST_CHECK;

/* The ID is known, and whether the engine had the image before; for the entry in the journal. */
void load_job_identified(struct load_job *j, bool existed);

/* Starts a call for the members to come. */
int load_call_start(struct load_job *j, struct err *err) MUST_CHECK;

/* A layer of `size` bytes begins: the call for it, which may be a new one, while that for the
 * layers before it ends in a prefix. */
int load_call_for_layer(struct load_job *j, uint64_t size, struct err *err) MUST_CHECK;

/* Where its header and bytes go. It is part of the image's layers up to `above`. */
struct buf *load_call_bytes(struct load_job *j);
void load_call_holds(struct load_job *j, size_t above, uint64_t size);

/* Ends the archive of the last call: it makes the image itself. */
int load_call_finish(struct load_job *j, struct err *err) MUST_CHECK;

/* Breaks off what is not whole. True: no call is under way any more. */
bool load_calls_settled(struct load_job *j);

/* Frees what is left when no call is under way. */
void load_calls_done(struct load_job *j);

/* Puts j->entry into the journal. Prefixes that an earlier try of the same push left become this
 * one's. */
int load_prefixes_adopt(struct load_job *j, struct err *err) MUST_CHECK;

/* COMMIT. -1: the job is to fail. */
int load_job_commit(struct load_job *j, struct err *err) MUST_CHECK;

/* Of the calls, the last one has its turn: goes on if COMMIT came. */
void load_job_turn(struct load_job *j);

/* The engine says that it loaded the last archive. */
void load_job_verify(struct load_job *j);

/* Verified and tagged: removes the prefixes, says so and frees the job. */
void load_job_loaded(struct load_job *j);

/* Small things that both halves use. */
void load_job_enter(struct load_job *j, enum load_state state);
void load_job_phase(struct load_job *j, enum engine_phase phase);
void load_job_inspect(struct load_job *j, engine_image_fn *fn);	   /* by j->job.id */
int load_job_note(struct load_job *j, struct err *err) MUST_CHECK; /* the entry, in the journal */

/* To be called at the end of every engine call: false when the job ends, and may be gone. */
bool load_job_call_over(struct load_job *j, const struct err *err);
