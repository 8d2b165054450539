/*
 * A bounded stream of bytes from the event loop, which never waits, to one reading thread, which
 * does. The writer is stopped by a full pipe and told when to go on.
 */
#pragma once

#include "common/base/err.h"

struct byte_pipe;

/* `on_room` is called on the reading thread after a put was refused and half of the pipe is free
 * again. NULL when out of memory. */
struct byte_pipe *byte_pipe_new(size_t size, void (*on_room)(void *ctx), void *ctx);
void byte_pipe_free(struct byte_pipe *p);

/* All n bytes or none: false when they do not fit yet (n is at most half of the size). */
bool byte_pipe_put(struct byte_pipe *p, const void *bytes, size_t n);

/* No more bytes: the reader gets what is left and then the end, or at once this error. */
void byte_pipe_end(struct byte_pipe *p, const struct err *err);

/* Waits for bytes, after giving up those it returned before; *ret_n is 0 at the end. */
int byte_pipe_get(struct byte_pipe *p, const void **ret, size_t *ret_n, struct err *err) MUST_CHECK;
