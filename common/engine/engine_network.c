#include "common/engine/engine_call.h"

static struct engine_call *begin(struct engine *e, const char *name, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	engine_call_name(c, "network", name);
	return c;
}

static void refuse_empty(struct engine_call *c, const char *name)
{
	if (!*name)
		http_fail(&c->request, ERR_NOT_FOUND, "a network's name cannot be empty");
}

void engine_inspect_network(struct engine *e, const char *name, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, name, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/networks/%s", name);

	c->fn.object = fn;
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, engine_call_object);
	refuse_empty(c, name);
}

void engine_list_networks(struct engine *e, engine_object_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, "list", ctx);

	c->fn.object = fn;
	engine_call_start(c, "GET", "/networks", ENGINE_LIST_MAX, engine_call_object);
}

void engine_create_network(struct engine *e, json_t *request, engine_id_fn *fn, void *ctx)
{
	const char *name = json_string_value(json_object_get(request, "Name"));
	struct engine_call *c = begin(e, name ? name : "", ctx);

	c->fn.id = fn;
	engine_call_post(
		c, "/networks/create", json_incref(request), ENGINE_SMALL_MAX, engine_call_id);
}

void engine_remove_network(struct engine *e, const char *name, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, name, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/networks/%s", name);

	c->fn.done = fn;
	engine_call_start(c, "DELETE", path, ENGINE_SMALL_MAX, engine_call_done);
	refuse_empty(c, name);
}

void engine_connect_network(struct engine *e, const char *network, const char *container,
	json_t *endpoint, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = begin(e, network, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/networks/%s/connect", network);
	json_t *body = json_pack("{s:s, s:O*}", "Container", container, "EndpointConfig", endpoint);

	c->fn.done = fn;
	engine_call_post(c, path, body, ENGINE_SMALL_MAX, engine_call_done);
	refuse_empty(c, network);
}
