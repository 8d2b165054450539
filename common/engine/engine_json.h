/* What the engine says, out of its JSON: every type and size checked. Pure. */
#pragma once

#include "common/base/buf.h"
#include "common/engine/engine.h"

#include <jansson.h>

/* Parses a body; the caller owns the result. `kind` is for the message ("image"). */
int engine_json_parse(
	const struct buf *body, const char *kind, json_t **ret, struct err *err) MUST_CHECK;

/* One image out of an inspect answer. */
int engine_json_image(const json_t *o, struct engine_image *ret, struct err *err) MUST_CHECK;

/* ID, tags and `partial` out of a row of the image list (its diff_ids are left empty). */
int engine_json_image_row(const json_t *o, struct engine_image *ret, struct err *err) MUST_CHECK;

/* Fills what /version and /info tell. */
int engine_json_version(const json_t *o, struct engine_info *ret, struct err *err) MUST_CHECK;
int engine_json_info(const json_t *o, struct engine_info *ret, struct err *err) MUST_CHECK;

/* The sizes of n layers, the lowest first, out of an image's history: see engine_layer_sizes. */
int engine_json_sizes(const json_t *history, size_t n, uint64_t *ret, struct err *err) MUST_CHECK;

/* The steps of a history, the first one first; engine_json_history_done frees them. */
int engine_json_history(
	const json_t *history, struct engine_step **ret, size_t *ret_n, struct err *err) MUST_CHECK;
void engine_json_history_done(struct engine_step *steps, size_t n);

/* Is there a row with this ImageID in the container list? */
int engine_json_uses_image(
	const json_t *list, const struct digest *id, bool *ret, struct err *err) MUST_CHECK;

/* The error that a status which is no 2xx means: {"message": …}, escaped. Returns -1. */
int engine_json_error(int status, const struct buf *body, struct err *err);
