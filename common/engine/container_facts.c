/*
 * Owns what was asked so far. Happy path: /version -> /info -> the container -> its image -> its
 * networks, its volumes, those in whose namespaces it lives -> the manifest. Failure modes: the
 * engine's; what it cannot tell of because it is gone is left out, which the manifest says.
 */
#include "common/engine/container_facts.h"

#include <stdlib.h>
#include <string.h>

enum part { PART_NETWORKS, PART_VOLUMES, PART_CONTAINERS, PARTS };

struct asking {
	struct engine *engine;
	container_facts_fn *fn;
	void *ctx;
	char *name;
	json_t *version, *image, *wants;
	json_t *lists[PARTS];
	size_t at; /* through all lists of `wants` */
	struct container_facts facts;
};

static const struct {
	const char *wanted; /* the member of container_wants */
	void (*ask)(struct engine *e, const char *name, engine_object_fn *fn, void *ctx);
} parts[PARTS] = {
	[PART_NETWORKS] = { "networks", engine_inspect_network },
	[PART_VOLUMES] = { "volumes", engine_inspect_volume },
	[PART_CONTAINERS] = { "containers", engine_inspect_container },
};

/* --- the end --- */

static void asking_free(struct asking *a)
{
	for (size_t i = 0; i < PARTS; i++)
		json_decref(a->lists[i]);
	json_decref(a->version);
	json_decref(a->image);
	json_decref(a->wants);
	json_decref(a->facts.container);
	json_decref(a->facts.manifest);
	container_target_done(&a->facts.target);
	free(a->name);
	free(a);
}

static void over(struct asking *a, const struct err *err)
{
	a->fn(a->ctx, err ? NULL : &a->facts, err);
	asking_free(a);
}

static bool failed(struct asking *a, const struct err *err)
{
	if (err)
		over(a, err);
	return err != NULL;
}

static void build(struct asking *a)
{
	struct container_source source = { .container = a->facts.container,
		.image = a->image,
		.networks = a->lists[PART_NETWORKS],
		.volumes = a->lists[PART_VOLUMES],
		.containers = a->lists[PART_CONTAINERS],
		.engine = &a->facts.target };
	struct err err;

	if (container_manifest_build(&source, &a->facts.manifest, &err) != 0)
		over(a, &err);
	else
		over(a, NULL);
}

/* --- the lists --- */

static void next_one(struct asking *a);

static const char *find_next(const struct asking *a, enum part *ret_part)
{
	size_t at = a->at;

	for (unsigned p = 0; p < PARTS; p++) {
		const json_t *names = json_object_get(a->wants, parts[p].wanted);

		if (at < json_array_size(names)) {
			*ret_part = (enum part)p;
			return json_string_value(json_array_get(names, at));
		}
		at -= json_array_size(names);
	}
	return NULL;
}

static void one_seen(void *ctx, json_t *o, const struct err *err)
{
	struct asking *a = ctx;
	enum part part = PART_NETWORKS;
	struct err nomem;

	if (failed(a, err && err->code != ERR_NOT_FOUND ? err : NULL))
		return;
	if (!err && find_next(a, &part) && json_array_append(a->lists[part], o) != 0) {
		err_nomem(&nomem);
		over(a, &nomem);
		return;
	}
	a->at++;
	next_one(a);
}

static void next_one(struct asking *a)
{
	enum part part = PART_NETWORKS;
	const char *name = find_next(a, &part);

	if (name)
		parts[part].ask(a->engine, name, one_seen, a);
	else
		build(a);
}

/* --- the container, its image, the engine --- */

static void image_seen(void *ctx, json_t *o, const struct err *err)
{
	struct asking *a = ctx;

	if (failed(a, err && err->code != ERR_NOT_FOUND ? err : NULL))
		return;
	a->image = json_incref(o);
	next_one(a);
}

static void container_seen(void *ctx, json_t *o, const struct err *err)
{
	struct asking *a = ctx;
	const char *image;
	struct err odd;

	if (failed(a, err))
		return;
	a->facts.container = json_incref(o);
	if (container_wants(o, &a->wants, &odd) != 0) {
		over(a, &odd);
		return;
	}
	image = json_string_value(json_object_get(a->wants, "image"));
	if (image)
		engine_inspect_image_object(a->engine, image, image_seen, a);
	else
		next_one(a);
}

static void info_known(void *ctx, json_t *o, const struct err *err)
{
	struct asking *a = ctx;
	struct err odd;

	if (failed(a, err))
		return;
	if (container_target_read(a->version, o, &a->facts.target, &odd) != 0)
		over(a, &odd);
	else
		engine_inspect_container(a->engine, a->name, container_seen, a);
}

static void version_known(void *ctx, json_t *o, const struct err *err)
{
	struct asking *a = ctx;

	if (failed(a, err))
		return;
	a->version = json_incref(o);
	engine_info_object(a->engine, info_known, a);
}

int engine_container_facts(
	struct engine *e, const char *name, container_facts_fn *fn, void *ctx, struct err *err)
{
	struct asking *a = calloc(1, sizeof(*a));
	bool ok = a != NULL;

	if (a)
		a->name = strdup(name);
	for (size_t i = 0; ok && i < PARTS; i++) {
		a->lists[i] = json_array();
		ok = a->lists[i] != NULL;
	}
	if (!ok || !a->name) {
		if (a)
			asking_free(a);
		return err_nomem(err);
	}
	a->engine = e;
	a->fn = fn;
	a->ctx = ctx;
	engine_version_object(e, version_known, a);
	return 0;
}
