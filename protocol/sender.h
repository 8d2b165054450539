/*
 * The sender role: asks what the receiver lacks and says what is to be packed. Pure; it holds the
 * batches that wait for an answer. Used by the client for a push, by the server for a restore.
 * README.md section 6.
 *
 * A blob's life: sender_begin, any number of sender_batch, sender_end. For each batch that the
 * receiver does not hold whole, `pack` is called with the chunks that it lacks; when all batches of
 * an ended blob are settled, `flush` is called, and when the owner has sent the segments of
 * everything packed so far, sender_flushed sends BLOB_END. `done` tells the receiver's verdict.
 *
 * The operations are called from within sender_* functions; they may call sender_* only where it
 * says so.
 */
#pragma once

#include "common/chunk/splitter.h"
#include "protocol/message.h"

enum blob_role {
	ROLE_LAYER = 1,
	ROLE_CONFIG = 2,
	ROLE_TREE = 3, /* a directory's tar, of a job that TREE_OFFER began */
};

enum blob_flags {
	BLOB_DIGEST_KNOWN = 1, /* BLOB_BEGIN names the digest; else only BLOB_END does */
	BLOB_SIZE_KNOWN = 2,
};

enum ask_flags {
	ASK_NO_ANSWER = 1, /* everything follows unasked: small blobs, to save round trips */
};

enum blob_outcome {
	BLOB_STORED = 0,  /* rebuilt, verified, recorded */
	BLOB_AGAIN = 1,	  /* a short name stood for another chunk: ask with full names */
	BLOB_DAMAGED = 2, /* the rebuilt bytes do not hash to the digest */
};

/* A blob of up to this many bytes is sent without asking. */
#define SENDER_EAGER_MAX (64u << 10)

/* A settled batch on its way to a segment: owned by whoever `pack` gave it to. */
struct sender_parcel {
	uint32_t blob;
	struct batch *batch;
	bool recipe_wanted;
	uint8_t *wanted; /* one byte a chunk of the batch: 1 = to be packed */
};

void sender_parcel_free(struct sender_parcel *p);

struct sender_ops {
	int (*send)(void *ctx, const struct message *m, struct err *err);
	/* Takes over the parcel. */
	void (*pack)(void *ctx, struct sender_parcel *p);
	/* A batch's answer came. `skipped`: the receiver has all of it, and the batch is freed
	 * after the call; else its parcel goes to `pack` next. */
	void (*settled)(void *ctx, uint32_t blob, const struct batch *b, bool skipped);
	/* Everything of the blob was given to `pack`: seal what is open, send it, call
	 * sender_flushed. */
	void (*flush)(void *ctx, uint32_t blob);
	void (*done)(void *ctx, uint32_t blob, enum blob_outcome outcome);
};

struct sender;

/* `full_names`: ask with whole digests (after BLOB_AGAIN). Blobs are numbered from `first_blob`, so
 * that jobs that follow each other in a session may have a sender each: the next one begins when
 * every answer of this one has come, or leaves out those to blobs before its own. NULL when out of
 * memory. */
struct sender *sender_new(
	const struct sender_ops *ops, void *ctx, bool full_names, uint32_t first_blob);
/* The receiver has nothing: every batch is sent without asking. Before the first one. */
void sender_assume_nothing(struct sender *s);

void sender_free(struct sender *s);

/* Blob numbers are the caller's, `first_blob` and up without gaps. `digest` NULL and size
 * UINT64_MAX: not known yet. */
int sender_begin(struct sender *s, uint32_t job, uint32_t blob, enum blob_role role,
	const struct digest *digest, uint64_t size, struct err *err) MUST_CHECK;

/* Takes over the batch, also on failure. */
int sender_batch(struct sender *s, uint32_t blob, struct batch *b, struct err *err) MUST_CHECK;

/* Sends the questions gathered so far: call it when no further batch is at hand. */
int sender_ask(struct sender *s, struct err *err) MUST_CHECK;

int sender_end(struct sender *s, uint32_t blob, const struct digest *digest, uint64_t size,
	struct err *err) MUST_CHECK;

/* After `flush`: all parcels of the blob are in segments with numbers up to `last_segment`. */
int sender_flushed(
	struct sender *s, uint32_t blob, uint64_t last_segment, struct err *err) MUST_CHECK;

/* Takes TELL_RECIPES, TELL_CHUNKS and BLOB_DONE. Anything that was not asked is ERR_PROTOCOL. */
int sender_take(struct sender *s, const struct message *m, struct err *err) MUST_CHECK;

/* Batches that wait for an answer. The owner gives no more while there are SENDER_WAITING_MAX: that
 * keeps the open questions under ASK_OPEN_MAX. */
#define SENDER_WAITING_MAX 512u
size_t sender_waiting(const struct sender *s);
