/*
 * A container's whole file system as one tar, out of the engine. Threads, callbacks and errors as
 * in engine.h.
 */
#pragma once

#include "common/engine/engine.h"

struct engine_export;

/* The next bytes; returns how many were taken. Fewer: not now; the rest comes again after
 * engine_export_resume. Not from inside of this does one resume or cancel. */
typedef size_t engine_export_fn(void *ctx, const void *bytes, size_t n);

/* `done` fires once at the end. */
int engine_export_start(struct engine *e, const char *container, engine_export_fn *bytes,
	engine_done_fn *done, void *ctx, struct engine_export **ret, struct err *err) MUST_CHECK;
void engine_export_resume(struct engine_export *x);

/* `done` fires with ERR_INTERRUPTED. */
void engine_export_cancel(struct engine_export *x);
