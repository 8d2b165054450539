/*
 * Makes the batches of one stream: cuts its bytes into chunks, names them, writes the recipe, cuts
 * that too. The two streams of a splitter are one each. Only for splitter.c.
 */
#pragma once

#include "common/chunk/splitter.h"

struct batch_maker;

/* NULL when out of memory. */
struct batch_maker *batch_maker_new(enum recipe_stream stream, splitter_batch_fn *fn, void *ctx);
void batch_maker_free(struct batch_maker *m);

/* Is told every operation, in order. */
typedef void batch_maker_op_fn(void *ctx, const struct recipe_op *op);
void batch_maker_watch(struct batch_maker *m, batch_maker_op_fn *fn, void *ctx);

/* What unread chunks' batches get. */
void batch_maker_set_reader(struct batch_maker *m, const struct batch_reader *reader);

/* The stream's next n bytes. `ends`: a chunk ends with them, whatever they are. */
int batch_maker_bytes(struct batch_maker *m, const uint8_t *bytes, size_t n, bool ends,
	struct err *err) MUST_CHECK;

/* The stream's next n bytes are taken from the skeleton stream. */
int batch_maker_skeleton(struct batch_maker *m, size_t n, struct err *err) MUST_CHECK;

/* The stream's next `len` bytes are this chunk, unread. No chunk is in the making. */
int batch_maker_known(struct batch_maker *m, const struct digest *name, uint32_t len, uint64_t file,
	uint64_t at, struct err *err) MUST_CHECK;

/* Is a chunk in the making? */
bool batch_maker_open(const struct batch_maker *m);

/* The stream ends: gives out what is left. */
int batch_maker_end(struct batch_maker *m, struct err *err) MUST_CHECK;
