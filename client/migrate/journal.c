#include "client/migrate/journal.h"

#include "client/client.h"
#include "common/base/file.h"
#include "common/cargo/container_order.h"
#include "common/chunk/digest.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int own_dir(const char *name, char **ret, struct err *err)
{
	CLEANUP(cleanup_free) char *config = NULL;
	char *dir;

	if (client_config_dir(&config, err) != 0)
		return -1;
	dir = file_join(config, name);
	if (!dir)
		return err_nomem(err);
	if (file_make_dir(dir, 0700, err) != 0) {
		free(dir);
		return -1;
	}
	*ret = dir;
	return 0;
}

int journal_dir(char **ret, struct err *err)
{
	return own_dir("migrations", ret, err);
}

int journal_tree_cache(const char *what, char **ret, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	struct digest digest = digest_of(what, strlen(what));
	char hex[DIGEST_HEX_LEN + 1];

	if (own_dir("trees", &dir, err) != 0)
		return -1;
	digest_hex(&digest, hex);
	*ret = file_join(dir, hex);
	return *ret ? 0 : err_nomem(err);
}

/* A name that is a container's is fit for a file. */
static int file_path(
	const char *dir, const char *name, const char *suffix, char **ret, struct err *err)
{
	char file[300], shown[300];

	if (!container_is_name(name))
		return err_set(err, ERR_USAGE, "%s: no container can have this name",
			text_escape(shown, sizeof(shown), name, strlen(name)));
	snprintf(file, sizeof(file), "%s%s", name, suffix);
	*ret = file_join(dir, file);
	return *ret ? 0 : err_nomem(err);
}

int journal_lock(const char *dir, const char *name, int *ret_fd, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (file_path(dir, name, ".lock", &path, err) != 0)
		return -1;
	if (file_lock(path, ret_fd, err) == 0)
		return 0;
	if (err->code == ERR_REFUSED)
		return err_set(err, ERR_AGAIN, "another dray is at work on %s", name);
	return -1;
}

/* --- writing --- */

static json_t *to_json(const struct journal *j)
{
	char id[2 * JOURNAL_ID_LEN + 1];

	sodium_bin2hex(id, sizeof(id), j->id, sizeof(j->id));
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, "
			 "s:b, s:s, s:I, s:b, s:b, s:s, s:I, s:I, s:s}",
		"version", 1, "name", j->name, "container", j->container, "target", j->target, "id",
		id, "stage", cutover_name(j->stage), "new_name", j->new_name, "keep", j->keep,
		"no_start", j->no_start, "overwrite", j->overwrite, "no_volumes", j->no_volumes,
		"require_full", j->require_full, "live", j->live, "binds", j->binds, "flat",
		j->flat, "maps", j->maps, "health_seconds", (json_int_t)j->health_seconds,
		"taken_down", j->taken_down, "was_running", j->was_running, "policy", j->policy,
		"policy_maximum", (json_int_t)j->policy_maximum, "down_ms", (json_int_t)j->down_ms,
		"image", j->image);
}

int journal_write(const char *dir, const struct journal *j, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *text = NULL;
	json_t *o = to_json(j);

	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	json_decref(o);
	if (!text)
		return err_nomem(err);
	if (file_path(dir, j->name, ".json", &path, err) != 0)
		return -1;
	return file_replace(path, 0600, text, strlen(text), err);
}

int journal_remove(const char *dir, const char *name, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	return file_path(dir, name, ".json", &path, err) == 0 ? file_remove(path, err) : -1;
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

static bool take_number(const json_t *o, const char *name, int64_t max, int64_t *ret)
{
	const json_t *v = json_object_get(o, name);

	*ret = json_integer_value(v);
	return json_is_integer(v) && *ret >= 0 && *ret <= max;
}

static bool take_id(const json_t *o, uint8_t ret[JOURNAL_ID_LEN])
{
	const char *s = json_string_value(json_object_get(o, "id"));
	size_t n;

	return s && sodium_hex2bin(ret, JOURNAL_ID_LEN, s, strlen(s), NULL, &n, NULL) == 0 &&
	       n == JOURNAL_ID_LEN;
}

static bool take_choice(const json_t *o, struct journal *j)
{
	int64_t seconds;
	bool ok = take_bool(o, "keep", &j->keep) && take_bool(o, "no_start", &j->no_start) &&
		  take_bool(o, "overwrite", &j->overwrite) &&
		  take_bool(o, "no_volumes", &j->no_volumes) &&
		  take_bool(o, "require_full", &j->require_full) &&
		  take_bool(o, "live", &j->live) && take_bool(o, "binds", &j->binds) &&
		  take_bool(o, "flat", &j->flat) &&
		  take_text(o, "maps", j->maps, sizeof(j->maps)) &&
		  take_number(o, "health_seconds", UINT32_MAX, &seconds);

	if (ok)
		j->health_seconds = (uint32_t)seconds;
	return ok;
}

static bool from_json(const json_t *o, struct journal *j)
{
	const char *stage = json_string_value(json_object_get(o, "stage"));
	int64_t down;
	bool ok = json_integer_value(json_object_get(o, "version")) == 1 && stage &&
		  cutover_parse(stage, &j->stage) &&
		  take_text(o, "name", j->name, sizeof(j->name)) &&
		  take_text(o, "container", j->container, sizeof(j->container)) &&
		  take_text(o, "target", j->target, sizeof(j->target)) && take_id(o, j->id) &&
		  take_text(o, "new_name", j->new_name, sizeof(j->new_name)) && take_choice(o, j) &&
		  take_bool(o, "taken_down", &j->taken_down) &&
		  take_bool(o, "was_running", &j->was_running) &&
		  take_text(o, "policy", j->policy, sizeof(j->policy)) &&
		  take_number(o, "policy_maximum", INT32_MAX, &j->policy_maximum) &&
		  take_number(o, "down_ms", INT64_MAX, &down) &&
		  take_text(o, "image", j->image, sizeof(j->image));

	if (ok)
		j->down_ms = (uint64_t)down;
	return ok;
}

int journal_read(const char *dir, const char *name, struct journal *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(buf_done) struct buf text;
	json_t *o = NULL;
	bool ok;

	*ret = (struct journal){ 0 };
	buf_init(&text, JOURNAL_FILE_MAX);
	if (file_path(dir, name, ".json", &path, err) != 0 || file_read(path, &text, err) != 0)
		return -1;
	if (buf_len(&text) > 0)
		o = json_loadb((const char *)buf_bytes(&text), buf_len(&text),
			JSON_REJECT_DUPLICATES, NULL);
	ok = json_is_object(o) && from_json(o, ret) && strcmp(ret->name, name) == 0;
	json_decref(o);
	if (!ok)
		return err_set(err, ERR_CORRUPT, "%s is damaged", path);
	return 0;
}
