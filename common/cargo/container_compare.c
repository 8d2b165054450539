#include "common/cargo/container_compare.h"

#include "common/cargo/container_parts.h"

#include <stdio.h>
#include <string.h>

struct comparing {
	const json_t *was, *now; /* the two manifests */
	const struct container_target *target;
	const struct container_choice *choice;
	struct fidelity *report;
	struct err *err;
};

#define ENGINE_DID "the target's engine made it so"
#define ENGINE_LEFT_OUT "the target's engine does not show it"

static int row(const struct comparing *c, const char *field, const char *what,
	enum fidelity_outcome outcome, const char *reason, const json_t *was, const json_t *now)
{
	char name[FIDELITY_TEXT_MAX];

	snprintf(name, sizeof(name), "%s%s%s", field, *what ? " " : "", what);
	return fidelity_add(c->report, name, outcome, reason, was, now, c->err);
}

static bool same(const json_t *a, const json_t *b)
{
	return (!a && !b) || (a && b && json_equal(a, b));
}

/* Two values of which at least one is there. What is secret is not shown. */
static int compare_values(const struct comparing *c, const char *field, const char *what,
	const json_t *was, const json_t *now, bool secret)
{
	if (same(was, now))
		return row(c, field, what, FIDELITY_CARRIED, "", NULL, NULL);
	if (was && !now)
		return row(c, field, what, FIDELITY_NOT_CARRIED, ENGINE_LEFT_OUT,
			secret ? NULL : was, NULL);
	return row(c, field, what, FIDELITY_CHANGED,
		secret ? "the value differs (not shown)" : ENGINE_DID, secret ? NULL : was,
		secret ? NULL : now);
}

/* --- environment and labels: a row for each that differs --- */

static int env_map(const json_t *env, json_t **ret, struct err *err)
{
	const json_t *v;
	size_t i;

	*ret = json_object();
	json_array_foreach(env, i, v)
	{
		const char *s = json_string_value(v);

		/* Of two values of one name the last one counts. */
		if (json_object_setn_new(*ret, s, strcspn(s, "="), json_incref((json_t *)v)) != 0)
			break;
	}
	if (*ret && i == json_array_size(env))
		return 0;
	json_decref(*ret);
	return err_nomem(err);
}

static int compare_maps(
	const struct comparing *c, const struct container_field *f, json_t *was, json_t *now)
{
	const char *key;
	json_t *v;

	if (json_is_zero(was) && json_is_zero(now))
		return 0;
	if (same(was, now))
		return row(c, f->path, "", FIDELITY_CARRIED, "", NULL, NULL);
	json_object_foreach(was, key, v)
	{
		if (!same(v, json_object_get(now, key)) &&
			compare_values(c, f->path, key, v, json_object_get(now, key), f->secret) !=
				0)
			return -1;
	}

	json_object_foreach(now, key, v)
	{
		if (!json_object_get(was, key) &&
			row(c, f->path, key, FIDELITY_CHANGED, "the target's image has it, too",
				NULL, f->secret ? NULL : v) != 0)
			return -1;
	}

	return 0;
}

static int compare_env(
	const struct comparing *c, const struct container_field *f, json_t *was, json_t *now)
{
	json_t *a = NULL, *b = NULL;
	int r = env_map(was, &a, c->err);

	if (r == 0)
		r = env_map(now, &b, c->err);
	if (r == 0)
		r = compare_maps(c, f, a, b);
	json_decref(b);
	if (a != b)
		json_decref(a);
	return r;
}

/* --- fields of the table --- */

static int compare_field(
	const struct comparing *c, const struct container_field *f, json_t *was, json_t *now)
{
	const char *why = NULL;

	if (!was && !now)
		return 0;
	if (same(was, now))
		return row(c, f->path, "", FIDELITY_CARRIED, "", NULL, NULL);
	if (c->choice->no_restart && !now && strcmp(f->request, "HostConfig.RestartPolicy") == 0)
		return row(c, f->path, "", FIDELITY_CARRIED, "set when it starts", NULL, NULL);
	if (was && !container_field_fits(f, was, c->target, &why))
		return row(c, f->path, "", container_misfit_outcome(f), why, f->secret ? NULL : was,
			f->secret ? NULL : now);
	if (strcmp(f->request, "Env") == 0)
		return compare_env(c, f, was, now);
	if (strcmp(f->request, "Labels") == 0)
		return compare_maps(c, f, was, now);
	return compare_values(c, f->path, "", was, now, f->secret);
}

static int compare_fields(const struct comparing *c)
{
	for (size_t i = 0; i < container_fields_count; i++) {
		const struct container_field *f = &container_fields[i];
		json_t *was = NULL, *now = NULL;
		int r;

		if (!container_field_is_carried(f))
			continue;
		r = container_effective(c->was, f, &was, c->err);
		if (r == 0)
			r = container_effective(c->now, f, &now, c->err);
		if (r == 0)
			r = compare_field(c, f, was, now);
		json_decref(was);
		json_decref(now);
		if (r != 0)
			return -1;
	}
	return 0;
}

/* --- mounts --- */

/* A copy as the target should have it: what an anonymous volume was called there does not count,
 * and paths lie where --map says. */
static json_t *expected_mount(const struct comparing *c, const json_t *mount, bool map)
{
	json_t *m = json_copy((json_t *)mount);
	struct buf there;

	json_object_del(m, "source_volume");
	if (!m || !map || strcmp(json_text(m, "type"), "bind") != 0)
		return m;
	buf_init(&there, 16u << 10);
	container_map_path(c->choice, json_text(m, "source"), &there);
	if (!buf_ok(&there) || json_object_set_new(m, "source",
				       json_string((const char *)buf_bytes(&there))) != 0) {
		json_decref(m);
		m = NULL;
	}
	buf_done(&there);
	return m;
}

static int compare_mount(const struct comparing *c, const json_t *was, const json_t *now)
{
	json_t *wanted = expected_mount(c, was, true), *there = expected_mount(c, now, false);
	const char *target = json_text(was, "target");
	bool mapped = strcmp(json_text(wanted, "source"), json_text(was, "source")) != 0;
	int r;

	if (!wanted || (now && !there))
		r = err_nomem(c->err);
	else if (!now)
		r = row(c, "Mounts", target, FIDELITY_NOT_CARRIED, ENGINE_LEFT_OUT, wanted, NULL);
	else if (!json_equal(wanted, there))
		r = row(c, "Mounts", target, FIDELITY_CHANGED, ENGINE_DID, wanted, there);
	else if (mapped)
		r = row(c, "Mounts", target, FIDELITY_CHANGED, "as --map says",
			json_object_get(was, "source"), json_object_get(now, "source"));
	else
		r = row(c, "Mounts", target, FIDELITY_CARRIED, "", NULL, NULL);
	json_decref(wanted);
	json_decref(there);
	return r;
}

static int compare_mounts(const struct comparing *c)
{
	const json_t *was = json_object_get(c->was, "mounts"), *m;
	const json_t *now = json_object_get(c->now, "mounts");
	size_t i;

	json_array_foreach(was, i, m)
	{
		if (compare_mount(c, m, container_find(now, "target", json_text(m, "target"))) != 0)
			return -1;
	}

	json_array_foreach(now, i, m)
	{
		if (!container_find(was, "target", json_text(m, "target")) &&
			row(c, "Mounts", json_text(m, "target"), FIDELITY_CHANGED,
				"the target's image has this volume, too", NULL, m) != 0)
			return -1;
	}

	return 0;
}

/* --- volumes and networks --- */

/* Options may hold a password for what is mounted. */
static int compare_volume(const struct comparing *c, const json_t *was, const json_t *now)
{
	static const char *const members[] = { "driver", "options", "labels" };
	const char *name = json_text(was, "name");
	char reason[80];

	if (!now)
		return row(c, "volume", name, FIDELITY_NOT_CARRIED, ENGINE_LEFT_OUT, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (same(json_object_get(was, members[i]), json_object_get(now, members[i])))
			continue;
		snprintf(reason, sizeof(reason),
			"a volume of this name was there, whose %s differs", members[i]);
		return row(c, "volume", name, FIDELITY_CHANGED, reason, NULL, NULL);
	}
	return row(c, "volume", name, FIDELITY_CARRIED, "", NULL, NULL);
}

static int compare_network(const struct comparing *c, const json_t *was, const json_t *now)
{
	const json_t *end = json_object_get(was, "endpoint");
	const char *name = json_text(was, "name");
	static const char *const members[] = { "driver", "options", "internal", "attachable",
		"ipv6", "no_ipv4", "ipam", "labels" };

	if (!now)
		return row(c, "NetworkSettings.Networks", name, FIDELITY_NOT_CARRIED,
			"the container is not in it", NULL, NULL);
	if (!same(end, json_object_get(now, "endpoint")))
		return row(c, "NetworkSettings.Networks", name, FIDELITY_CHANGED, ENGINE_DID, end,
			json_object_get(now, "endpoint"));
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const json_t *a = json_object_get(was, members[i]);
		const json_t *b = json_object_get(now, members[i]);

		if (!same(a, b))
			return row(c, "NetworkSettings.Networks", name, FIDELITY_CHANGED,
				"the target's network of this name is like that", a, b);
	}
	return row(c, "NetworkSettings.Networks", name, FIDELITY_CARRIED, "", NULL, NULL);
}

typedef int compare_fn(const struct comparing *c, const json_t *was, const json_t *now);

static int compare_named(const struct comparing *c, const char *list, compare_fn *fn)
{
	const json_t *was = json_object_get(c->was, list), *o;
	const json_t *now = json_object_get(c->now, list);
	size_t i;

	json_array_foreach(was, i, o)
	{
		if (fn(c, o, container_find(now, "name", json_text(o, "name"))) != 0)
			return -1;
	}

	return 0;
}

/* --- all of it --- */

static int compare_head(const struct comparing *c)
{
	const json_t *dropped = json_object_get(c->was, "dropped"), *d;
	const json_t *was = json_object_get(c->was, "name"), *now = json_object_get(c->now, "name");
	const char *image = json_text(json_object_get(c->was, "image"), "name");
	const char *there = json_text(json_object_get(c->now, "image"), "name");
	size_t i;

	json_array_foreach(dropped, i, d)
	{
		if (row(c, json_text(d, "field"), "", FIDELITY_NOT_CARRIED, json_text(d, "reason"),
			    NULL, NULL) != 0)
			return -1;
	}

	if (json_equal(was, now)
			? row(c, "Name", "", FIDELITY_CARRIED, "", NULL, NULL)
			: row(c, "Name", "", FIDELITY_CHANGED,
				  c->choice->name ? "as --name says" : ENGINE_DID, was, now))
		return -1;
	if (strcmp(image, there) == 0)
		return row(c, "Config.Image", "", FIDELITY_CARRIED, "", NULL, NULL);
	return row(c, "Config.Image", "", FIDELITY_CHANGED, "it was created from this image there",
		json_at(c->was, "image.name"), json_at(c->now, "image.name"));
}

int container_compare(const json_t *manifest, const json_t *made,
	const struct container_target *target, const struct container_choice *choice,
	struct fidelity *ret, struct err *err)
{
	struct comparing c = { .was = manifest,
		.now = made,
		.target = target,
		.choice = choice,
		.report = ret,
		.err = err };

	if (compare_head(&c) != 0 || compare_fields(&c) != 0 || compare_mounts(&c) != 0 ||
		compare_named(&c, "volumes", compare_volume) != 0)
		return -1;
	return compare_named(&c, "networks", compare_network);
}
