#include "common/engine/engine_call.h"

static struct engine_call *begin(struct engine *e, const char *name, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	engine_call_name(c, "volume", name);
	return c;
}

static void refuse_empty(struct engine_call *c, const char *name)
{
	if (!*name)
		http_fail(&c->request, ERR_NOT_FOUND, "a volume's name cannot be empty");
}

void engine_inspect_volume(struct engine *e, const char *name, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, name, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/volumes/%s", name);

	c->fn.object = fn;
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, engine_call_object);
	refuse_empty(c, name);
}

void engine_create_volume(struct engine *e, json_t *request, engine_object_fn *fn, void *ctx)
{
	const char *name = json_string_value(json_object_get(request, "Name"));
	struct engine_call *c = begin(e, name ? name : "", ctx);

	c->fn.object = fn;
	engine_call_post(
		c, "/volumes/create", json_incref(request), ENGINE_INSPECT_MAX, engine_call_object);
}

void engine_remove_volume(struct engine *e, const char *name, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, name, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/volumes/%s", name);

	c->fn.done = fn;
	engine_call_start(c, "DELETE", path, ENGINE_SMALL_MAX, engine_call_done);
	refuse_empty(c, name);
}
