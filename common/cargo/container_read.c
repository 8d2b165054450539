/* What others read in a manifest. */
#include "common/cargo/container_parts.h"

#include <string.h>

const char *container_name(const json_t *manifest)
{
	return json_text(manifest, "name");
}

const char *container_id(const json_t *manifest)
{
	return json_text(manifest, "id");
}

const char *container_image_name(const json_t *manifest)
{
	return json_text(json_object_get(manifest, "image"), "name");
}

const char *container_image_id(const json_t *manifest)
{
	return json_text(json_object_get(manifest, "image"), "id");
}

bool container_was_running(const json_t *manifest)
{
	return json_is_true(json_at(manifest, "state.running"));
}

bool container_was_paused(const json_t *manifest)
{
	return json_is_true(json_at(manifest, "state.paused"));
}

/* An engine that finds no test, or NONE, does not look. */
bool container_has_health_check(const json_t *manifest)
{
	const json_t *own = json_at(manifest, "config.Healthcheck");
	const json_t *test = json_object_get(
		own ? own : json_at(manifest, "image.config.Healthcheck"), "Test");

	return json_array_size(test) > 0 && !json_has_text(test, "NONE");
}

static const json_t *host_config(const json_t *manifest, const char *request)
{
	return json_object_get(json_object_get(manifest, "config"), request);
}

bool container_removes_itself(const json_t *manifest)
{
	return json_is_true(host_config(manifest, "HostConfig.AutoRemove"));
}

const json_t *container_restart_policy(const json_t *manifest)
{
	return host_config(manifest, "HostConfig.RestartPolicy");
}

size_t container_mount_count(const json_t *manifest)
{
	return json_array_size(json_object_get(manifest, "mounts"));
}

struct container_mount container_mount_at(const json_t *manifest, size_t i)
{
	const json_t *m = json_array_get(json_object_get(manifest, "mounts"), i);
	const char *volume = json_string_value(json_object_get(m, "volume"));
	const char *own = json_string_value(json_object_get(m, "source_volume"));

	return (struct container_mount){
		.type = json_text(m, "type"),
		.target = json_text(m, "target"),
		.volume = volume,
		.source_volume = own ? own : volume,
		.source = json_string_value(json_object_get(m, "source")),
		.read_only = json_is_true(json_object_get(m, "read_only")),
		.anonymous = volume && volume_is_anonymous(volume),
	};
}
