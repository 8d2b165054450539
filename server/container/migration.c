#include "server/container/migration.h"

#include "common/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_NAME_MAX (2 * MIGRATION_ID_LEN + 8)

static const char *const stage_names[MIGRATE_STAGES_END] = { [STAGE_OFFERED] = "offered",
	[STAGE_PREPARED] = "prepared",
	[STAGE_COMMITTED] = "committed",
	[STAGE_LIVE] = "live",
	[STAGE_UNDONE] = "undone" };

/* --- one --- */

struct migration *migration_new(
	const uint8_t id[MIGRATION_ID_LEN], const char *key, struct container_order *order)
{
	struct migration *m = calloc(1, sizeof(*m));

	if (!m) {
		container_order_done(order);
		return NULL;
	}
	memcpy(m->id, id, sizeof(m->id));
	snprintf(m->key, sizeof(m->key), "%s", key);
	m->stage = STAGE_OFFERED;
	m->order = *order;
	*order = (struct container_order){ 0 };
	m->volumes = json_array();
	m->networks = json_array();
	m->binds = json_array();
	if (m->volumes && m->networks && m->binds)
		return m;
	migration_free(m);
	return NULL;
}

void migration_free(struct migration *m)
{
	if (!m)
		return;
	container_order_done(&m->order);
	json_decref(m->volumes);
	json_decref(m->networks);
	json_decref(m->binds);
	json_decref(m->report);
	free(m);
}

bool migration_made(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s && strcmp(s, name) == 0)
			return true;
	}
	return false;
}

int migration_will_make(json_t *list, const char *name, struct err *err)
{
	if (migration_made(list, name))
		return 0;
	return json_array_append_new(list, json_string(name)) == 0 ? 0 : err_nomem(err);
}

/* --- writing --- */

static void file_name(const uint8_t id[MIGRATION_ID_LEN], char ret[FILE_NAME_MAX])
{
	sodium_bin2hex(ret, FILE_NAME_MAX, id, MIGRATION_ID_LEN);
	memcpy(ret + 2 * MIGRATION_ID_LEN, ".json", sizeof(".json"));
}

static char *file_path(const char *dir, const struct migration *m)
{
	char name[FILE_NAME_MAX];

	file_name(m->id, name);
	return file_join(dir, name);
}

static json_t *to_json(const struct migration *m)
{
	return json_pack(
		"{s:s, s:s, s:b, s:b, s:b, s:I, s:O, s:s, s:s, s:s, s:b, s:O, s:O, s:O, s:O*}",
		"key", m->key, "stage", stage_names[m->stage], "overwrite", m->overwrite,
		"preparing", m->preparing, "started", m->started, "touched", (json_int_t)m->touched,
		"order", m->order.json, "container", m->container, "image", m->image, "tag", m->tag,
		"tagged", m->tagged, "volumes", m->volumes, "networks", m->networks, "binds",
		m->binds, "report", m->report);
}

int migration_write(const char *dir, struct migration *m, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_path(dir, m);
	CLEANUP(cleanup_free) char *text = NULL;
	json_t *o;

	m->touched = (uint64_t)time(NULL);
	o = to_json(m);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!path || !text)
		return err_nomem(err);
	if (file_replace(path, 0600, text, strlen(text), err) != 0)
		return err_wrap(err, "journal of migrations");
	return 0;
}

int migration_remove(const char *dir, const struct migration *m, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_path(dir, m);

	return path ? file_remove(path, err) : err_nomem(err);
}

/* --- reading --- */

static bool take_text(const json_t *o, const char *name, char *ret, size_t size)
{
	const char *s = json_string_value(json_object_get(o, name));

	if (!s || strlen(s) >= size)
		return false;
	memcpy(ret, s, strlen(s) + 1);
	return true;
}

static bool take_bool(const json_t *o, const char *name, bool *ret)
{
	const json_t *v = json_object_get(o, name);

	*ret = json_is_true(v);
	return json_is_boolean(v);
}

static bool take_stage(const json_t *o, enum migrate_stage *ret)
{
	const char *s = json_string_value(json_object_get(o, "stage"));

	for (unsigned i = STAGE_OFFERED; s && i <= STAGE_UNDONE; i++) {
		if (strcmp(stage_names[i], s) == 0) {
			*ret = (enum migrate_stage)i;
			return true;
		}
	}
	return false;
}

static bool take_list(const json_t *o, const char *name, json_t **ret)
{
	json_t *v = json_object_get(o, name);

	if (!json_is_array(v))
		return false;
	json_decref(*ret);
	*ret = json_incref(v);
	return true;
}

static bool take_fields(const json_t *o, struct migration *m)
{
	json_int_t touched = json_integer_value(json_object_get(o, "touched"));

	m->touched = touched > 0 ? (uint64_t)touched : 0;
	m->report = json_incref(json_object_get(o, "report"));
	return take_stage(o, &m->stage) && take_bool(o, "overwrite", &m->overwrite) &&
	       take_bool(o, "preparing", &m->preparing) && take_bool(o, "started", &m->started) &&
	       take_text(o, "container", m->container, sizeof(m->container)) &&
	       take_text(o, "image", m->image, sizeof(m->image)) &&
	       take_text(o, "tag", m->tag, sizeof(m->tag)) && take_bool(o, "tagged", &m->tagged) &&
	       take_list(o, "volumes", &m->volumes) && take_list(o, "networks", &m->networks) &&
	       take_list(o, "binds", &m->binds);
}

static struct migration *from_json(const uint8_t id[MIGRATION_ID_LEN], json_t *o)
{
	const char *key = json_string_value(json_object_get(o, "key"));
	struct container_order order;
	struct migration *m;

	if (!key || strlen(key) > KEY_NAME_MAX ||
		container_order_take(json_incref(json_object_get(o, "order")), &order, NULL) != 0)
		return NULL;
	m = migration_new(id, key, &order);
	if (m && take_fields(o, m))
		return m;
	migration_free(m);
	return NULL;
}

static struct migration *read_file(const char *dir, const char *name, const uint8_t *id)
{
	CLEANUP(cleanup_free) char *path = file_join(dir, name);
	CLEANUP(buf_done) struct buf text;
	struct migration *m = NULL;
	json_t *o = NULL;

	buf_init(&text, MIGRATION_FILE_MAX);
	if (path && file_read(path, &text, NULL) == 0 && buf_len(&text) > 0)
		o = json_loadb((const char *)buf_bytes(&text), buf_len(&text),
			JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(o))
		m = from_json(id, o);
	json_decref(o);
	return m;
}

static bool take_name(const char *name, uint8_t id[MIGRATION_ID_LEN])
{
	char expected[FILE_NAME_MAX];
	size_t n;

	if (strlen(name) != FILE_NAME_MAX - 3 ||
		sodium_hex2bin(id, MIGRATION_ID_LEN, name, 2 * MIGRATION_ID_LEN, NULL, &n, NULL) !=
			0 ||
		n != MIGRATION_ID_LEN)
		return false;
	file_name(id, expected);
	return strcmp(expected, name) == 0;
}

int migration_list(const char *dir, struct migration **ret, size_t *ret_odd, struct err *err)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	uint8_t id[MIGRATION_ID_LEN];
	size_t n = 0;
	int r = 0;

	*ret = NULL;
	*ret_odd = 0;
	if (!d)
		return errno == ENOENT ? 0 : err_errno(err, errno, "cannot read %s", dir);
	while ((errno = 0, e = readdir(d)) && n < MIGRATIONS_MAX) {
		struct migration *m;

		if (!take_name(e->d_name, id))
			continue;
		m = read_file(dir, e->d_name, id);
		if (!m) {
			(*ret_odd)++;
			continue;
		}
		m->next = *ret;
		*ret = m;
		n++;
	}
	if (errno)
		r = err_errno(err, errno, "cannot read %s", dir);
	closedir(d);
	while (r != 0 && *ret) {
		struct migration *m = *ret;

		*ret = m->next;
		migration_free(m);
	}
	return r;
}
