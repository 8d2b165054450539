#include "common/engine/engine_container.h"

#include "common/engine/engine_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_SECONDS 3600u /* a container may have written a lot */
#define STOP_SECONDS_MAX 3600
#define STOP_SECONDS_UNTOLD 3600u /* where the container itself says how long */

static struct engine_call *begin(struct engine *e, const char *name, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	engine_call_name(c, "container", name);
	return c;
}

/* An empty name would make another request of the path. */
static void refuse_empty(struct engine_call *c, const char *name)
{
	if (!*name)
		http_fail(&c->request, ERR_NOT_FOUND, "a container's name cannot be empty");
}

/* --- looking --- */

void engine_inspect_container(struct engine *e, const char *name, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, name, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/containers/%s/json", name);

	c->fn.object = fn;
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, engine_call_object);
	refuse_empty(c, name);
}

void engine_list_containers(struct engine *e, const char *label, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, "list", ctx);
	json_t *filter = label ? json_pack("{s:[s]}", "label", label) : json_object();
	CLEANUP(cleanup_free) char *text = filter ? json_dumps(filter, JSON_COMPACT) : NULL;
	CLEANUP(cleanup_free)
	char *path = text ? engine_path("/containers/json?all=1&filters=%s", text) : NULL;

	json_decref(filter);
	c->fn.object = fn;
	engine_call_start(c, "GET", path, ENGINE_LIST_MAX, engine_call_object);
}

void engine_inspect_image_object(
	struct engine *e, const char *name, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/images/%s/json", name);

	engine_call_name(c, "image", name);
	c->fn.object = fn;
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, engine_call_object);
	refuse_empty(c, name);
}

/* --- commit --- */

void engine_commit_container(
	struct engine *e, const struct engine_commit *commit, engine_id_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, commit->container, ctx);
	CLEANUP(cleanup_free)
	char *path = engine_path("/commit?container=%s&pause=%s&comment=%s", commit->container,
		commit->pause ? "1" : "0", commit->comment);

	c->fn.id = fn;
	c->seconds = COMMIT_SECONDS;
	engine_call_post(c, path, json_object(), ENGINE_SMALL_MAX, engine_call_id);
	refuse_empty(c, commit->container);
}

/* --- making and changing --- */

void engine_create_container(
	struct engine *e, const char *name, json_t *request, engine_id_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, name, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/containers/create?name=%s", name);

	c->fn.id = fn;
	engine_call_post(c, path, json_incref(request), ENGINE_INSPECT_MAX, engine_call_id);
	refuse_empty(c, name);
}

static void plain(struct engine_call *c, const char *method, char *path, const char *id)
{
	engine_call_start(c, method, path, ENGINE_SMALL_MAX, engine_call_done);
	refuse_empty(c, id);
	free(path);
}

void engine_start_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);

	c->fn.done = fn;
	plain(c, "POST", engine_path("/containers/%s/start", id), id);
}

void engine_stop_container(
	struct engine *e, const char *id, int seconds, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);
	char text[16];

	if (seconds > STOP_SECONDS_MAX)
		seconds = STOP_SECONDS_MAX;
	snprintf(text, sizeof(text), "%d", seconds);
	c->fn.done = fn;
	c->seconds = seconds < 0 ? STOP_SECONDS_UNTOLD : ENGINE_CALL_SECONDS + (unsigned)seconds;
	plain(c, "POST",
		seconds < 0 ? engine_path("/containers/%s/stop", id)
			    : engine_path("/containers/%s/stop?t=%s", id, text),
		id);
}

void engine_pause_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);

	c->fn.done = fn;
	plain(c, "POST", engine_path("/containers/%s/pause", id), id);
}

void engine_unpause_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);

	c->fn.done = fn;
	plain(c, "POST", engine_path("/containers/%s/unpause", id), id);
}

void engine_set_restart(struct engine *e, const char *id, const char *policy, int64_t maximum,
	engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/containers/%s/update", id);
	json_t *body = json_pack("{s:{s:s, s:I}}", "RestartPolicy", "Name", policy,
		"MaximumRetryCount", (json_int_t)maximum);

	c->fn.done = fn;
	engine_call_post(c, path, body, ENGINE_SMALL_MAX, engine_call_done);
	refuse_empty(c, id);
}

void engine_rename_container(
	struct engine *e, const char *id, const char *name, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);

	c->fn.done = fn;
	plain(c, "POST", engine_path("/containers/%s/rename?name=%s", id, name), id);
}

void engine_remove_container(struct engine *e, const char *id, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, id, ctx);

	c->fn.done = fn;
	plain(c, "DELETE", engine_path("/containers/%s?v=1", id), id);
}
