/* Which layers, and which image, the engine holds as far as a key may see. */
#pragma once

#include "common/cargo/docker_archive.h"
#include "common/engine/engine.h"
#include "server/engine/engine_side.h"

/* The caller fills in the upper part, with `present` zeroed; it lives until `fn`. */
struct have_check {
	const struct engine_job *job;  /* whose key and image it is about */
	const struct digest *diff_ids; /* of the image's layers */
	const struct digest *chains;   /* the same with what is below */
	size_t n;
	uint8_t *present;	    /* n bytes: 1 for a layer that a load may leave out */
	struct archive_layer *held; /* n: how containerd's store has those */
	engine_done_fn *fn;
	void *ctx;

	bool image_present;
	bool journal_read;
	struct load_entry *journal; /* once read */
	size_t n_journal;
};

void have_check_start(struct have_check *c);
