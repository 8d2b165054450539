/*
 * What is wanted of a container at the target: its manifest and the user's choice, as they travel
 * together and lie in the target's journal. Pure.
 *
 *   {"version": 1, "container": <manifest>[, "name": "web2"][, "binds": true][, "no_volumes": true]
 *    [, "maps": [["/src", "/dst"], …]]}
 */
#pragma once

#include "common/cargo/container_request.h"

#define CONTAINER_ORDER_MAX (CONTAINER_MANIFEST_MAX + (64u << 10))

struct container_order {
	json_t *json;			 /* owned; the rest points into it */
	const json_t *manifest;		 /* checked */
	struct container_choice choice;	 /* without an image */
	struct container_path_map *maps; /* owned */
};

/* Appends the canonical bytes. */
int container_order_print(const json_t *manifest, const struct container_choice *choice,
	struct buf *ret, struct err *err) MUST_CHECK;

/* Sizes, types and names are checked; unknown fields are ERR_PROTOCOL. */
int container_order_parse(
	const void *bytes, size_t n, struct container_order *ret, struct err *err) MUST_CHECK;

/* Likewise; takes the JSON over, also on failure. */
int container_order_take(json_t *o, struct container_order *ret, struct err *err) MUST_CHECK;

/* Fit for CLEANUP. */
void container_order_done(struct container_order *o);

/* The name that the container shall have at the target. */
const char *container_order_name(const struct container_order *o);

/* Letters, digits and "_.-" behind a letter or digit, 2 to 128 of them, and not what an ID looks
 * like: what an engine takes as a container's, volume's or network's name. */
bool container_is_name(const char *name);
