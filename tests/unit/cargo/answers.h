/*
 * What engines answered about the containers of tests/integration/container_fields.sh, which
 * recorded it: a file answers/ENGINE-CONTAINER.json with all that is needed for a manifest. ENGINE
 * is old (20.10) or new (28).
 */
#pragma once

#include "common/cargo/container_parts.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

struct answers {
	json_t *all;
	struct container_target engine;
	struct container_source source;
};

static inline struct answers answers_read(const char *name)
{
	struct answers a = { 0 };
	struct err err = { 0 };
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.json", getenv("DRAY_ANSWERS"), name);
	a.all = json_load_file(path, 0, NULL);
	if (!a.all)
		fail_msg("%s cannot be read", path);
	assert_ok(container_target_read(json_object_get(a.all, "version"),
			  json_object_get(a.all, "info"), &a.engine, &err),
		&err);
	a.source = (struct container_source){
		.container = json_object_get(a.all, "container"),
		.image = json_object_get(a.all, "image"),
		.networks = json_object_get(a.all, "networks"),
		.volumes = json_object_get(a.all, "volumes"),
		.containers = json_object_get(a.all, "containers"),
	};
	return a;
}

static inline void answers_done(struct answers *a)
{
	container_target_done(&a->engine);
	json_decref(a->all);
}

static inline json_t *answers_manifest(struct answers *a)
{
	struct err err = { 0 };
	json_t *manifest = NULL;

	a->source.engine = &a->engine;
	assert_ok(container_manifest_build(&a->source, &manifest, &err), &err);
	return manifest;
}

/* The manifest of such a container. */
static inline json_t *recorded(const char *name)
{
	struct answers a = answers_read(name);
	json_t *manifest = answers_manifest(&a);

	answers_done(&a);
	return manifest;
}

static inline json_t *parsed(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

	if (!v)
		fail_msg("no JSON: %s", text);
	return v;
}

/* `v` must be this JSON; v stays the caller's. */
static inline void assert_json(const json_t *v, const char *text)
{
	json_t *expected = parsed(text);
	char *got = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	if (!json_equal(v, expected))
		fail_msg("expected %s, got %s", text, got ? got : "nothing");
	free(got);
	json_decref(expected);
}
