/*
 * The receiver role: holds every message of a sender against what may come now, and keeps for each
 * blob the names of its recipe chunks, in order. Pure. Whoever owns it answers the questions from a
 * store, keeps the segments and rebuilds the blobs. README.md section 6.
 */
#pragma once

#include "common/chunk/recipe.h"
#include "protocol/message.h"
#include "protocol/sender.h" /* the roles, flags and outcomes of the wire */

struct receiver_blob {
	uint32_t job, number;
	enum blob_role role;
	bool digest_known, ended;
	struct digest digest;  /* from BLOB_BEGIN if known there, always after BLOB_END */
	uint64_t size;	       /* likewise; UINT64_MAX until known */
	size_t n_recipes[2];   /* recipe chunks named so far, by enum recipe_stream */
	uint64_t last_segment; /* after BLOB_END */
};

struct receiver;

struct receiver *receiver_new(void); /* NULL when out of memory */
void receiver_free(struct receiver *r);

/*
 * Checks a message of the sender and keeps what it says. Takes IMAGE_OFFER, IMAGE_COMMIT, MIGRATE,
 * TREE_OFFER, TREE_COMMIT, BACKUP_OFFER, BACKUP_COMMIT, SNAPSHOTS, FORGET, RESTORE, RESTORE_PART,
 * RESTORE_DONE, BLOB_BEGIN, ASK_RECIPES, ASK_CHUNKS, ASK_CHUNKS_FULL, BLOB_END, SEGMENT
 * and FAIL; others are ERR_PROTOCOL. On success *ret_blob is the blob that the message is about
 * (NULL if none), valid until the next call; its job may have failed meanwhile.
 */
int receiver_take(struct receiver *r, const struct message *m, struct receiver_blob **ret_blob,
	struct err *err) MUST_CHECK;

/* The question was answered (or needed no answer): gives its place in ASK_OPEN_MAX back. */
void receiver_answered(struct receiver *r);

/* A segment of this number came before. One that comes again (a lane died, and it was sent over
 * another) is let pass without receiver_take. */
bool receiver_has_segment(const struct receiver *r, uint64_t number);

/* One more segment was stored, and all up to `number` are: its bytes no longer count against
 * IN_FLIGHT_MAX, and numbers up to SEGMENTS_AHEAD_MAX beyond are taken. */
void receiver_stored(struct receiver *r, uint64_t number, size_t record_len);

/* The job is done and forgotten. One that failed is not closed here: what the sender had on its way
 * is let pass until its own FAIL for the job. */
void receiver_close_job(struct receiver *r, uint32_t job);
