/* Inside of the engine module: the engine, and one plain call to it. */
#pragma once

#include "common/engine/engine_container.h"
#include "common/engine/engine_json.h"
#include "common/engine/image_cache.h"
#include "common/engine/uv_http.h"

#define ENGINE_CALL_SECONDS 120u /* a plain call; an engine under load may take its time */
#define ENGINE_SMALL_MAX (64u << 10)

/* A call's memory comes from a pool in the engine, so that starting one cannot fail and its
 * callback always fires. */
struct engine_call {
	struct engine *engine;
	bool busy;
	struct http_request request;
	union {
		engine_info_fn *info;
		engine_image_fn *image;
		engine_sizes_fn *sizes;
		engine_history_fn *history;
		engine_done_fn *done;
		engine_bool_fn *yes;
		engine_object_fn *object;
		engine_id_fn *id;
	} fn;
	void *ctx;
	struct digest id;
	struct engine_info info;	   /* half filled, between /version and /info */
	json_t *list;			   /* while the images of a list are told */
	size_t at;			   /* in the list; of sizes: how many layers */
	char what[160];			   /* for errors: "image web:1"; "" for none */
	struct buf out;			   /* the JSON that is sent, as far as it was not taken */
	unsigned seconds;		   /* for the call; 0: ENGINE_CALL_SECONDS */
	char *path;			   /* of an inspect */
	bool filtered;			   /* of the list, only images with config `id` are told */
	void (*go)(struct engine_call *c); /* once the engine's facts are known… */
	http_done_fn *failed;		   /* …or that they cannot be had */
};

struct engine {
	uv_loop_t *loop;
	struct http *http;
	const struct engine_address *address;
	struct image_cache cache;
	struct engine_info facts; /* what it said last */
	bool facts_known;
	unsigned lists;		   /* under way */
	struct engine_save *saves; /* under way */
	unsigned loads;		   /* under way, and what else must end first */
	bool closing, http_closing;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
	struct engine_call calls[ENGINE_CALLS_MAX];
};

struct engine_call *engine_call_new(struct engine *e, void *ctx);
void engine_call_free(struct engine_call *c);

/* Starts the request. `path` NULL: there was no memory for it, and the call fails with that. */
void engine_call_start(struct engine_call *c, const char *method, const char *path, size_t body_max,
	http_done_fn *done);

/* The same with a JSON body, which is taken over (NULL: there was no memory for it). */
void engine_call_post(
	struct engine_call *c, const char *path, json_t *body, size_t body_max, http_done_fn *done);

/* Calls that end in fn.done, fn.object or fn.id. To start and to stop what is so already is
 * success. */
void engine_call_done(void *ctx, int status, const struct buf *body, const struct err *failed);
void engine_call_object(void *ctx, int status, const struct buf *body, const struct err *failed);
void engine_call_id(void *ctx, int status, const struct buf *body, const struct err *failed);

/* Sets what errors are told of: "container web". */
void engine_call_name(struct engine_call *c, const char *kind, const char *name);
/* Calls `go` when the engine's facts are known, which may be at once: what it answers may depend on
 * them. When it does not tell them, calls `failed` as at the end of a request. */
void engine_call_with_facts(
	struct engine_call *c, void (*go)(struct engine_call *c), http_done_fn *failed);

/* The end of a request: 0 for a 2xx, -1 with the reason, with the call's `what` before it. */
int engine_call_check(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, struct err *err) MUST_CHECK;

/* For errors: the call is about this image. */
void engine_call_name_id(struct engine_call *c, const struct digest *id);

/* Asks for an image, and takes the answer apart; engine_image_done frees it. */
void engine_image_ask(struct engine_call *c, const char *name, http_done_fn *done);
int engine_image_parse(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, struct engine_image *ret, struct err *err) MUST_CHECK;

/* Builds a path: `fmt` with each %s argument percent-encoded; a new string or NULL. */
char *engine_path(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* A save or load is over: if the engine is being closed and this was the last one, goes on. */
void engine_maybe_close(struct engine *e);
