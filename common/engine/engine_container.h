/*
 * Containers, networks and volumes of the engine: see engine.h for threads, callbacks and errors.
 * What is inspected comes as the engine's own JSON, because what dray carries of it is a table's
 * affair (common/cargo); `o` is lent for the call. Names may be IDs and are percent-encoded here.
 */
#pragma once

#include "common/engine/engine.h"

#include <jansson.h>

/* What is started, stopped, paused, renamed or removed is so already: no error. */

typedef void engine_object_fn(void *ctx, json_t *o, const struct err *err);
typedef void engine_id_fn(void *ctx, const char *id, const struct err *err);

/* The engine's answers to /version and /info. */
void engine_version_object(struct engine *e, engine_object_fn *fn, void *ctx);
void engine_info_object(struct engine *e, engine_object_fn *fn, void *ctx);

/* --- containers --- */

void engine_inspect_container(struct engine *e, const char *name, engine_object_fn *fn, void *ctx);

/* All containers, running or not, as an array; `label` ("name=value") NULL: whatever labels. */
void engine_list_containers(struct engine *e, const char *label, engine_object_fn *fn, void *ctx);

struct engine_commit {
	const char *container;
	bool pause;	     /* while its files are read */
	const char *comment; /* of the new layer, in the image's history */
};
/* A new image without a name, of the container and what it has written. `id` is "sha256:…". */
void engine_commit_container(
	struct engine *e, const struct engine_commit *commit, engine_id_fn *fn, void *ctx);

/* `request` is the body of /containers/create, lent. */
void engine_create_container(
	struct engine *e, const char *name, json_t *request, engine_id_fn *fn, void *ctx);

void engine_start_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx);

/* Asks it to end, and ends it after so many seconds. `seconds` < 0: as the container says. */
void engine_stop_container(
	struct engine *e, const char *id, int seconds, engine_done_fn *fn, void *ctx);
void engine_pause_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx);
void engine_unpause_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx);

/* "no", "always", "unless-stopped", "on-failure" with how often at most. */
void engine_set_restart(struct engine *e, const char *id, const char *policy, int64_t maximum,
	engine_done_fn *fn, void *ctx);
void engine_rename_container(
	struct engine *e, const char *id, const char *name, engine_done_fn *fn, void *ctx);

/* With the volumes that have no name. Not one that runs. ERR_NOT_FOUND: there is none. */
void engine_remove_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx);

/* Waits until the container is healthy, or, without a health check, has run for AWAIT_STEADY_MS.
 * ERR_ENGINE: it ended, or was not so in time. */
#define AWAIT_STEADY_MS 1000u
int engine_await_container(struct engine *e, const char *id, uint64_t timeout_ms,
	engine_done_fn *fn, void *ctx, struct err *err) MUST_CHECK;

/* The engine's own words about an image. */
void engine_inspect_image_object(
	struct engine *e, const char *name, engine_object_fn *fn, void *ctx);

/* --- networks --- */

void engine_inspect_network(struct engine *e, const char *name, engine_object_fn *fn, void *ctx);
void engine_list_networks(struct engine *e, engine_object_fn *fn, void *ctx);
void engine_create_network(struct engine *e, json_t *request, engine_id_fn *fn, void *ctx);
void engine_remove_network(struct engine *e, const char *name, engine_done_fn *fn, void *ctx);

/* `endpoint` is lent, and may be NULL. */
void engine_connect_network(struct engine *e, const char *network, const char *container,
	json_t *endpoint, engine_done_fn *fn, void *ctx);

/* --- volumes --- */

void engine_inspect_volume(struct engine *e, const char *name, engine_object_fn *fn, void *ctx);

/* One that exists is not changed, and is success. */
void engine_create_volume(struct engine *e, json_t *request, engine_object_fn *fn, void *ctx);
void engine_remove_volume(struct engine *e, const char *name, engine_done_fn *fn, void *ctx);
