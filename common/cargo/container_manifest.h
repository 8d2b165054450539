/*
 * A container as cargo: everything that is needed to make it again on another engine, in one JSON
 * object that no engine's version shows through. Built on the source out of what inspect says,
 * parsed strictly where it arrives. The table of container_fields.h says what is in it. Pure; a
 * manifest is an immutable json_t once it is built or parsed.
 *
 *   {"version": 1, "id": "64 hex", "name": "web",
 *    "image": {"name": "shop/web:7", "id": "sha256:…", "config": {"Env": […], …}},
 *    "config": {"Env": ["A=1"], "HostConfig.Memory": 1048576, …},
 *    "mounts": [{"type": "volume", "volume": "data", "target": "/data", …}, …],
 *    "networks": [{"name": "app", "endpoint": {…}, "driver": "bridge", …}, …],
 *    "volumes": [{"name": "data", "driver": "local", "options": {…}, "labels": {…}}, …],
 *    "state": {"running": true, "paused": false, "health": "healthy"},
 *    "dropped": [{"field": "HostConfig.New", "reason": "…"}]}
 *
 * `config` has only what the container adds to its image, keyed by the path in the create request;
 * what an engine fills in by itself is not there. `image.config` is what the image gave.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/cargo/container_target.h"

#include <jansson.h>

#define CONTAINER_MANIFEST_MAX (256u << 10) /* bytes as compact JSON */
#define CONTAINER_MANIFEST_VERSION 1
#define CONTAINER_MOUNTS_MAX 512u
#define CONTAINER_NETWORKS_MAX 128u

/* --- on the source --- */

/* What has to be inspected besides the container: {"image": "sha256:…", "networks": ["id or name",
 * …], "volumes": ["name", …], "containers": ["id", …]}. The containers are those whose namespaces
 * it lives in; of them only the name is needed. */
int container_wants(const json_t *inspect, json_t **ret, struct err *err) MUST_CHECK;

/* The engine's answers. Nothing is taken over; every member but `container` and `engine` may be
 * NULL where the engine had no answer (an image that was removed meanwhile, say). */
struct container_source {
	const json_t *container;	       /* GET /containers/{id}/json */
	const json_t *image;		       /* GET /images/{id}/json */
	const json_t *networks;		       /* array of GET /networks/{id} */
	const json_t *volumes;		       /* array of GET /volumes/{name} */
	const json_t *containers;	       /* array of GET /containers/{id}/json */
	const struct container_target *engine; /* the engine that said all this */
};

/* ERR_ENGINE: an answer is not understood. ERR_LIMIT: larger than a manifest may be. */
int container_manifest_build(
	const struct container_source *source, json_t **ret, struct err *err) MUST_CHECK;

/* --- on the wire and on disk --- */

/* Canonical bytes: the same manifest is the same bytes. Appends; fails with ERR_LIMIT or
 * ERR_NOMEM. */
int container_manifest_print(const json_t *manifest, struct buf *ret, struct err *err) MUST_CHECK;

/* Reads what a peer or the store has: size, types, limits and names checked, unknown fields
 * refused. ERR_PROTOCOL says which field. */
int container_manifest_parse(
	const void *bytes, size_t len, json_t **ret, struct err *err) MUST_CHECK;

/* The checks alone, for JSON that was parsed already (without repeated keys). */
int container_manifest_check(const json_t *manifest, struct err *err) MUST_CHECK;

/* --- what others need of it; all of these point into the manifest --- */

const char *container_name(const json_t *manifest);
const char *container_id(const json_t *manifest);	  /* on the source, 64 hexadecimal digits */
const char *container_image_name(const json_t *manifest); /* as the user typed it */
const char *container_image_id(const json_t *manifest);	  /* on the source: "sha256:…" */
bool container_was_running(const json_t *manifest);
bool container_was_paused(const json_t *manifest);
bool container_has_health_check(const json_t *manifest);
/* The engine deletes it as soon as it stops: there is no way back to it then. */
bool container_removes_itself(const json_t *manifest);
/* {"Name": "always", "MaximumRetryCount": 0}, or NULL when it is "no": what the cutover's journal
 * keeps. */
const json_t *container_restart_policy(const json_t *manifest);

/* One place where something is mounted. */
struct container_mount {
	const char *type;	   /* "volume", "bind", "tmpfs", "image" */
	const char *target;	   /* in the container */
	const char *volume;	   /* name on the target, for a volume; else NULL */
	const char *source_volume; /* what it is called on the source (anonymous ones differ) */
	const char *source;	   /* path on the source, for a bind; else NULL */
	bool read_only;
	bool anonymous;
};
size_t container_mount_count(const json_t *manifest);
struct container_mount container_mount_at(const json_t *manifest, size_t i);
