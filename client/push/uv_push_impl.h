/* What uv_push.c (offer, messages, end) and uv_push_pump.c (blobs and segments out) share. */
#pragma once

#include "client/push/uv_packer.h"
#include "client/push/uv_push.h"
#include "link/uv_wake.h"
#include "protocol/limits.h"

enum push_state { OFFERING, SENDING, COMMITTING, ENDING };

struct push {
	struct push_config c;
	struct push_ops ops;
	void *ctx;
	enum push_state state;
	struct push_result result;
	struct reader *reader; /* NULL when nothing is to be read any more */
	struct uv_wake *wake;
	struct sender *sender;
	struct packer *packer;
	struct level level;
	uint32_t next_blob;
	bool unsized;	     /* the blob that is being read: its size comes with its end */
	unsigned blobs_open; /* begun, and their BLOB_END not sent */
	uint16_t blob_layers[JOB_BLOBS_MAX]; /* where each of its blobs is in past->layers */
	uint64_t *done;			     /* of each of those, in this try */
	bool read_all;			     /* nothing more is coming */
	bool drained;			     /* and all that came was taken */
	bool pumping;
	struct err err; /* why it ends */
};

/* Ends the push from the loop; the first reason counts (NULL: none). */
void push_end(struct push *p, const struct err *err);

int push_tell(struct push *p, const struct message *m, struct err *err) MUST_CHECK;

/* Makes the sender and the packer. */
int push_pump_open(struct push *p, struct err *err) MUST_CHECK;

/* Moves what can be moved: batches to the sender, segments to the link, and the commit behind the
 * last. */
void push_pump(struct push *p);

/* Everything is sent: asks for the image to be loaded and named. */
void push_commit(struct push *p);
