/*
 * The one table of what a container is made of: a row for each field that GET /containers/{id}/json
 * shows, from the oldest engine to the newest. What a row says is all that dray does with a field:
 * a field without a row is left out with a reason, and the tests fail on it. Pure.
 */
#pragma once

#include "common/base/err.h"
#include "common/cargo/container_manifest.h"
#include "common/cargo/json_shape.h"

#include <jansson.h>

enum field_treatment {
	FIELD_PLAIN,	 /* carried unless it is null, "", 0, false, [] or {} */
	FIELD_POINTER,	 /* carried unless it is null: 0 and false mean something */
	FIELD_IMAGE,	 /* what differs from the image's config is carried */
	FIELD_SPECIAL,	 /* carried as its function gives it */
	FIELD_ELSEWHERE, /* carried in another part of the manifest: `reason` says where */
	FIELD_DERIVED,	 /* the engine makes it out of other fields */
	FIELD_STATE,	 /* what the container was doing, or where the engine keeps it */
	FIELD_DROPPED,	 /* not carried: `reason` says why */
};

enum field_order {
	ORDER_MATTERS,
	ORDER_FREE, /* an array in which only membership counts: kept sorted */
};

struct container_field;

/* What a function of a row may look at. */
struct field_view {
	const struct container_source *source;
	const struct container_field *field;
	const json_t *value;  /* as the row's shape has it; without a value no function is called */
	const json_t *config; /* inspect's Config */
	const json_t *host;   /* inspect's HostConfig */
};

/* Gives the value for the manifest, owned by the caller, or NULL when it is the engine's own doing.
 */
typedef int field_special_fn(const struct field_view *view, json_t **ret, struct err *err);

struct container_field {
	const char *path;    /* in inspect; "*" is any key of a map, "[]" each of an array */
	const char *request; /* in the create request, and the key in the manifest's config */
	const char *shape;   /* json_shape.h; NULL for what is not looked at */
	enum field_treatment treatment;
	enum field_order order;
	unsigned since, until;	   /* API versions that take it: 43 is 1.43; 0 is any */
	bool secret;		   /* its values are not shown */
	field_special_fn *special; /* of FIELD_IMAGE: looks at what differs */
	const char *reason;
};

extern const struct container_field container_fields[];
extern const size_t container_fields_count;

/* True for what is in the manifest's config. */
bool container_field_is_carried(const struct container_field *f);

/* The row of a key in the manifest's config; NULL: there is none. */
const struct container_field *container_field_of(const char *request);

/* Calls `fn` for each field of an inspect answer that no row and no shape knows and that is not
 * zero, with its path. Stops with -1 when `fn` does. */
int container_fields_unknown(
	const json_t *inspect, json_unknown_fn *fn, void *ctx, struct err *err) MUST_CHECK;

/* The name of the container that "container:ID" means, the ID when it is not among the source's;
 * NULL: the mode is no such. Owned by the caller. */
int container_mode_named(const struct container_source *source, const char *mode, json_t **ret,
	struct err *err) MUST_CHECK;

/* The name of the network that a mode means: "bridge" where it says nothing, NULL for "host",
 * "none" and "container:ID". Points into the answers. */
const char *container_mode_network(const struct container_source *source, const char *mode);

/* The functions of the rows (container_special.c). */
field_special_fn special_hostname, special_network_mode, special_namespace, special_cgroupns,
	special_runtime, special_log, special_isolation, special_swappiness, special_oom_kill,
	special_pids_limit, special_cpu_cfs, special_ulimits, special_paths, special_security,
	special_capabilities, special_links, special_port_bindings, special_exposed_ports,
	special_restart;
