/* What the files of a container's manifest have between them. Pure. */
#pragma once

#include "common/cargo/container_fields.h"
#include "common/cargo/container_request.h"
#include "common/cargo/fidelity.h"

/* --- shapes --- */

#define IMAGE_PART_SHAPE "{name:s,id:s}" /* its config is checked by the table */

#define MOUNT_SHAPE                                                                                \
	"{type:s,form:s,target:s,volume:s,source_volume:s,source:s,read_only:b,nocopy:b,"          \
	"propagation:s,relabel:s,consistency:s,non_recursive:b,create_source:b,"                   \
	"read_only_non_recursive:b,read_only_force_recursive:b,subpath:s,labels:{*s},driver:s,"    \
	"driver_options:{*s},size:i,mode:i,options:[[s]]}"

#define ENGINE_MOUNT_SHAPE                                                                         \
	"{Type:s,Source:s,Target:s,ReadOnly:b,Consistency:s,"                                      \
	"BindOptions:{Propagation:s,NonRecursive:b,CreateMountpoint:b,ReadOnlyNonRecursive:b,"     \
	"ReadOnlyForceRecursive:b},"                                                               \
	"VolumeOptions:{NoCopy:b,Labels:{*s},DriverConfig:{Name:s,Options:{*s}},Subpath:s},"       \
	"ImageOptions:{Subpath:s},TmpfsOptions:{SizeBytes:i,Mode:i,Options:[[s]]}}"

#define ENDPOINT_SHAPE                                                                             \
	"{aliases:[s],links:[s],ipv4:s,ipv6:s,link_local:[s],mac:s,driver_opts:{*s},priority:i}"

#define IPAM_SHAPE "{driver:s,options:{*s},config:[{subnet:s,ip_range:s,gateway:s,aux:{*s}}]}"

#define NETWORK_SHAPE                                                                              \
	"{name:s,driver:s,scope:s,options:{*s},internal:b,attachable:b,ingress:b,config_only:b,"   \
	"config_from:s,ipv6:b,no_ipv4:b,labels:{*s},ipam:" IPAM_SHAPE ",endpoint:" ENDPOINT_SHAPE  \
	"}"

#define VOLUME_SHAPE "{name:s,source:s,driver:s,options:{*s},labels:{*s}}"

/* --- image and container (container_image.c) --- */

/* `config` has the image's fields as they come to the container in the end, and becomes what only
 * the container says. `image` is the image's, or NULL when that is not known. */
int container_subtract_image(json_t *config, const json_t *image, struct err *err) MUST_CHECK;

/* The other way: the value that a container made of this manifest shows; NULL: none. Owned by the
 * caller. */
int container_effective(const json_t *manifest, const struct container_field *field, json_t **ret,
	struct err *err) MUST_CHECK;

/* --- mounts (container_mounts.c) --- */

/* Volumes without a name of their own get this one: the same for the same volume. */
#define ANONYMOUS_PREFIX "dray-"
#define ANONYMOUS_NAME_LEN 37 /* the prefix and 32 hexadecimal digits */
bool volume_is_anonymous(const char *name);

/* An array of MOUNT_SHAPE, in the order of their targets. */
int container_mounts_take(
	const struct container_source *source, json_t **ret, struct err *err) MUST_CHECK;

/* An array of VOLUME_SHAPE: each that a mount names, once, in the order of their names. */
int container_volumes_take(const struct container_source *source, const json_t *mounts,
	json_t **ret, struct err *err) MUST_CHECK;

/* Adds HostConfig.Binds and HostConfig.Mounts to a create request. */
int container_mounts_request(const json_t *mounts, const struct container_target *target,
	const struct container_choice *choice, json_t *create, struct err *err) MUST_CHECK;

/* False for a mount that this target has no kind of: it is left out. */
bool container_mount_fits(const json_t *mount, const struct container_target *target);

/* The first option of a mount that this target's engine is too old for, as the API calls it; NULL:
 * none. */
const char *container_mount_misfit(const json_t *mount, const struct container_target *target);

/* --- networks (container_networks.c) --- */

/* An array of NETWORK_SHAPE: the one of NetworkMode first, then in the order of their names. */
int container_networks_take(
	const struct container_source *source, json_t **ret, struct err *err) MUST_CHECK;

/* What the engine calls an endpoint's configuration; owned by the caller. */
int container_endpoint_request(const json_t *endpoint, const struct container_target *target,
	json_t **ret, struct err *err) MUST_CHECK;

/* One network of the engine (GET /networks/{id}), as the manifest has it. */
int container_network_take(const json_t *network, json_t **ret, struct err *err) MUST_CHECK;

bool network_is_everywhere(const char *name); /* bridge, host, none */

/* Before this version the MAC address is the container's, not its end's in a network. */
#define API_ENDPOINT_MAC 44

/* --- requests (container_request.c) --- */

/* Does this target take the field with this value? If not, `why` says why not: it is left out. */
bool container_field_fits(const struct container_field *f, const json_t *value,
	const struct container_target *target, const char **why);

/* What becomes of a field that does not fit. */
enum fidelity_outcome container_misfit_outcome(const struct container_field *f);

/* --- lists --- */

/* Copies the value at `from` of a to `to` of b when it has this shape and is not zero. */
int container_copy(const json_t *a, const char *from, const char *shape, json_t *b, const char *to,
	struct err *err) MUST_CHECK;

/* Sorts objects by the string at `key`. */
int container_sort(json_t *array, const char *key, struct err *err) MUST_CHECK;

/* The object in `array` with this string at `key`, or NULL. */
const json_t *container_find(const json_t *array, const char *key, const char *value);
