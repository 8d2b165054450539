/* What the rows of the table say with a function of their own. */
#include "common/cargo/container_fields.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_ID 12

static int give(json_t *v, json_t **ret, struct err *err)
{
	*ret = v;
	return v ? 0 : err_nomem(err);
}

static int keep(const struct field_view *view, json_t **ret)
{
	*ret = json_incref((json_t *)view->value);
	return 0;
}

static int nothing(json_t **ret)
{
	*ret = NULL;
	return 0;
}

static const char *text(const struct field_view *view)
{
	return json_string_value(view->value);
}

static bool one_of(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(s, *names) == 0)
			return true;
	return false;
}

/* --- namespaces, networks, names of containers --- */

#define CONTAINER_MODE "container:"

static bool is_container_mode(const char *mode)
{
	return strncmp(mode, CONTAINER_MODE, strlen(CONTAINER_MODE)) == 0;
}

static const json_t *find(const json_t *answers, const char *key, const char *value)
{
	const json_t *o;
	size_t i;

	json_array_foreach(answers, i, o)
	{
		if (strcmp(json_text(o, key), value) == 0)
			return o;
	}

	return NULL;
}

int container_mode_named(
	const struct container_source *source, const char *mode, json_t **ret, struct err *err)
{
	const char *id, *name;

	if (!is_container_mode(mode))
		return nothing(ret);
	id = mode + strlen(CONTAINER_MODE);
	name = json_text(find(source->containers, "Id", id), "Name");
	return give(
		json_sprintf(CONTAINER_MODE "%s", *name ? name + (*name == '/') : id), ret, err);
}

const char *container_mode_network(const struct container_source *source, const char *mode)
{
	static const char *const none[] = { "host", "none", NULL };
	const char *name;

	if (!*mode || strcmp(mode, "default") == 0)
		return "bridge";
	if (is_container_mode(mode) || one_of(mode, none))
		return NULL;
	name = json_text(find(source->networks, "Id", mode), "Name");
	return *name ? name : mode;
}

int special_network_mode(const struct field_view *view, json_t **ret, struct err *err)
{
	const char *network = container_mode_network(view->source, text(view));

	if (network)
		return strcmp(network, "bridge") == 0 ? nothing(ret)
						      : give(json_string(network), ret, err);
	if (is_container_mode(text(view)))
		return container_mode_named(view->source, text(view), ret, err);
	return keep(view, ret);
}

int special_namespace(const struct field_view *view, json_t **ret, struct err *err)
{
	static const char *const own[] = { "", "private", NULL };

	if (one_of(text(view), own) ||
		(view->source->engine->podman && strcmp(text(view), "shareable") == 0))
		return nothing(ret);
	if (is_container_mode(text(view)))
		return container_mode_named(view->source, text(view), ret, err);
	return keep(view, ret);
}

int special_cgroupns(const struct field_view *view, json_t **ret, struct err *err)
{
	const char *own = view->source->engine->cgroup_v2 ? "private" : "host";

	(void)err;
	return !*text(view) || strcmp(text(view), own) == 0 ? nothing(ret) : keep(view, ret);
}

/* Its own only when it is not the container's ID, and not somebody else's whose network it is in.
 */
int special_hostname(const struct field_view *view, json_t **ret, struct err *err)
{
	const char *mode = json_text(view->host, "NetworkMode");
	const char *machine = view->source->engine->host_name;
	const char *id = json_text(view->source->container, "Id");

	(void)err;
	if (!*text(view) || is_container_mode(mode) ||
		strcmp(json_text(view->host, "UTSMode"), "host") == 0 ||
		(strlen(text(view)) == SHORT_ID && strncmp(text(view), id, SHORT_ID) == 0))
		return nothing(ret);
	if (strcmp(mode, "host") == 0 && (!*machine || strcmp(text(view), machine) == 0))
		return nothing(ret);
	return keep(view, ret);
}

/* "/db:/web/alias" is what a user calls "db:alias". */
int special_links(const struct field_view *view, json_t **ret, struct err *err)
{
	json_t *links = json_array();
	const json_t *v;
	size_t i;

	if (!links)
		return err_nomem(err);
	json_array_foreach(view->value, i, v)
	{
		const char *s = json_string_value(v), *colon = strchr(s, ':');
		const char *alias = strrchr(s, '/');
		json_t *link;

		s += *s == '/';
		if (!colon)
			link = json_string(s);
		else
			link = json_sprintf("%.*s:%s", (int)(colon - s), s,
				alias && alias > colon ? alias + 1 : colon + 1);
		if (!link || json_array_append_new(links, link) != 0) {
			json_decref(links);
			return err_nomem(err);
		}
	}
	*ret = links;
	return 0;
}

static bool shares_a_network(const struct field_view *view)
{
	return is_container_mode(json_text(view->host, "NetworkMode"));
}

int special_port_bindings(const struct field_view *view, json_t **ret, struct err *err)
{
	(void)err;
	return shares_a_network(view) ? nothing(ret) : keep(view, ret);
}

int special_exposed_ports(const struct field_view *view, json_t **ret, struct err *err)
{
	return special_port_bindings(view, ret, err);
}

/* --- what an engine fills in --- */

int special_runtime(const struct field_view *view, json_t **ret, struct err *err)
{
	static const char *const usual[] = { "", "runc", "crun", "oci", NULL };

	(void)err;
	return one_of(text(view), usual) ? nothing(ret) : keep(view, ret);
}

/* Docker's engines may have another default: what it had is said, even when it is json-file. */
int special_log(const struct field_view *view, json_t **ret, struct err *err)
{
	(void)err;
	return view->source->engine->podman || !*json_text(view->value, "Type") ? nothing(ret)
										: keep(view, ret);
}

int special_restart(const struct field_view *view, json_t **ret, struct err *err)
{
	static const char *const never[] = { "", "no", NULL };

	(void)err;
	return one_of(json_text(view->value, "Name"), never) ? nothing(ret) : keep(view, ret);
}

int special_isolation(const struct field_view *view, json_t **ret, struct err *err)
{
	static const char *const usual[] = { "", "default", NULL };

	(void)err;
	return one_of(text(view), usual) ? nothing(ret) : keep(view, ret);
}

int special_swappiness(const struct field_view *view, json_t **ret, struct err *err)
{
	(void)err;
	return json_integer_value(view->value) < 0 ? nothing(ret) : keep(view, ret);
}

int special_oom_kill(const struct field_view *view, json_t **ret, struct err *err)
{
	(void)err;
	return json_is_true(view->value) ? keep(view, ret) : nothing(ret);
}

int special_pids_limit(const struct field_view *view, json_t **ret, struct err *err)
{
	(void)err;
	return json_integer_value(view->value) > 0 ? keep(view, ret) : nothing(ret);
}

/* Podman shows NanoCpus both as such and as these, and no engine takes both. */
int special_cpu_cfs(const struct field_view *view, json_t **ret, struct err *err)
{
	(void)err;
	return json_is_zero(view->value) || !json_is_zero(json_object_get(view->host, "NanoCpus"))
		       ? nothing(ret)
		       : keep(view, ret);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(
		json_text(*(json_t *const *)a, "Name"), json_text(*(json_t *const *)b, "Name"));
}

/* "RLIMIT_NOFILE", as Podman says, is "nofile". */
static json_t *ulimit(const json_t *v)
{
	const char *name = json_text(v, "Name");
	json_t *copy = json_copy((json_t *)v);
	char lower[32];
	size_t i;

	if (strncmp(name, "RLIMIT_", 7) != 0 || strlen(name + 7) >= sizeof(lower))
		return copy;
	for (i = 0; name[7 + i]; i++)
		lower[i] = (char)tolower((unsigned char)name[7 + i]);
	lower[i] = '\0';
	if (copy && json_object_set_new(copy, "Name", json_string(lower)) != 0) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

int special_ulimits(const struct field_view *view, json_t **ret, struct err *err)
{
	size_t n = json_array_size(view->value);
	json_t **items = calloc(n ? n : 1, sizeof(items[0])), *list = json_array();
	bool ok = items && list;

	for (size_t i = 0; ok && i < n; i++)
		ok = (items[i] = ulimit(json_array_get(view->value, i))) != NULL;
	if (ok)
		qsort(items, n, sizeof(items[0]), by_name);
	for (size_t i = 0; ok && i < n; i++)
		ok = json_array_append(list, items[i]) == 0;
	for (size_t i = 0; items && i < n; i++)
		json_decref(items[i]);
	free(items);
	if (!ok) {
		json_decref(list);
		list = NULL;
	}
	return give(list, ret, err);
}

/* --- confinement --- */

/* Every engine masks at least these; a list without one of them is somebody's wish. */
int special_paths(const struct field_view *view, json_t **ret, struct err *err)
{
	static const char *const masked[] = { "/proc/acpi", "/proc/kcore", "/proc/keys",
		"/proc/timer_list", "/proc/scsi", "/sys/firmware", NULL };
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
		"/proc/sysrq-trigger", NULL };
	const char *const *usual = strstr(view->field->path, "Masked") ? masked : readonly;

	(void)err;
	if (json_is_true(json_object_get(view->host, "Privileged")))
		return nothing(ret);
	for (; *usual; usual++)
		if (!json_has_text(view->value, *usual))
			return keep(view, ret);
	return nothing(ret);
}

static json_t *security_option(const struct field_view *view, const char *s)
{
	const char *pid = json_text(view->host, "PidMode"), *ipc = json_text(view->host, "IpcMode");
	const char *colon = strchr(s, ':'), *equals = strchr(s, '=');

	if (strcmp(s, "no-new-privileges:true") == 0 || strcmp(s, "no-new-privileges=true") == 0)
		return json_string("no-new-privileges");
	/* What the engine adds by itself to containers that SELinux cannot confine. */
	if (strcmp(s, "label=disable") == 0 &&
		(json_is_true(json_object_get(view->host, "Privileged")) ||
			strcmp(pid, "host") == 0 || strcmp(ipc, "host") == 0))
		return json_null();
	if (colon && (!equals || colon < equals)) /* the old spelling, "label:disable" */
		return json_sprintf("%.*s=%s", (int)(colon - s), s, colon + 1);
	return json_string(s);
}

int special_security(const struct field_view *view, json_t **ret, struct err *err)
{
	json_t *list = json_array();
	const json_t *v;
	size_t i;

	json_array_foreach(view->value, i, v)
	{
		json_t *option = list ? security_option(view, json_string_value(v)) : NULL;

		if (json_is_null(option))
			continue;
		if (!option || json_array_append_new(list, option) != 0) {
			json_decref(list);
			return err_nomem(err);
		}
	}
	return give(list, ret, err);
}

#define CAPABILITY_MAX 64

/* "cap_net_admin" and "CAP_NET_ADMIN" are "NET_ADMIN". */
int special_capabilities(const struct field_view *view, json_t **ret, struct err *err)
{
	json_t *list = json_array();
	const json_t *v;
	size_t i, n;

	json_array_foreach(view->value, i, v)
	{
		const char *s = json_string_value(v);
		char upper[CAPABILITY_MAX];

		if (strlen(s) >= sizeof(upper)) {
			json_decref(list);
			return err_set(err, ERR_ENGINE,
				"HostConfig.%s has a capability with a long name",
				strrchr(view->field->path, '.') + 1);
		}
		for (n = 0; s[n]; n++)
			upper[n] = (char)toupper((unsigned char)s[n]);
		upper[n] = '\0';
		s = strncmp(upper, "CAP_", 4) == 0 ? upper + 4 : upper;
		if (!list || json_array_append_new(list, json_string(s)) != 0) {
			json_decref(list);
			return err_nomem(err);
		}
	}
	return give(list, ret, err);
}
