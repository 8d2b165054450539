/*
 * What is asked of the target's engine to make a container out of its manifest. Every body is built
 * here, field by field from the table; nothing is passed through. Pure.
 */
#pragma once

#include "common/cargo/container_manifest.h"

/* What the user chose. Zero is: as it was. */
struct container_choice {
	const char *name;  /* another name; NULL: its own */
	const char *image; /* what to create it from on the target (a name or ID there); NULL: its
			      image's name */
	bool no_restart;   /* restart policy "no": the target must not start it by itself yet */
	bool binds;	   /* the contents of bind mounts travel, too */
	bool no_volumes;   /* contents of volumes stay behind */
	const struct container_path_map *maps; /* --map; where bind mounts lie on the target */
	size_t n_maps;
};

/* --map /src=/dst: binds from /src and from below it are from /dst then. */
struct container_path_map {
	const char *from, *to; /* absolute, without a slash at the end */
};
#define CONTAINER_MAPS_MAX 64u

/* Reads "/src=/dst". `text` is cut in two and pointed into. ERR_USAGE. */
int container_path_map_parse(
	char *text, struct container_path_map *ret, struct err *err) MUST_CHECK;

/* Where a bind's source lies on the target: appended to `ret` with a 0 byte behind it. */
void container_map_path(const struct container_choice *choice, const char *path, struct buf *ret);

/* All that is to be asked, in this order; every member is owned. */
struct container_request {
	json_t *volumes;  /* bodies for POST /volumes/create; present ones are left as they are */
	json_t *create;	  /* body for POST /containers/create?name=NAME */
	json_t *connects; /* [{"network": NAME, "body": {"EndpointConfig": …}}, …] for POST
			     /networks/NAME/connect, "Container" to be added
			     (container_connect_body) */
	char name[256];
};

/* The networks themselves are network_plan.h's. ERR_PROTOCOL: the manifest has something that no
 * row of the table knows. */
int container_request_build(const json_t *manifest, const struct container_target *target,
	const struct container_choice *choice, struct container_request *ret,
	struct err *err) MUST_CHECK;

/* Fit for CLEANUP. */
void container_request_done(struct container_request *r);

/* The body of connect i for the container that was created: owned by the caller, NULL without
 * memory. */
json_t *container_connect_body(const struct container_request *r, size_t i, const char *id);
