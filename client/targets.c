#include "client/targets.h"

#include "client/client.h"
#include "client/view/target_json.h"
#include "common/base/file.h"
#include "common/base/secret_file.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".json"
#define SHOWN_MAX 80
#define LISTED_MAX 300

static int check_name(const char *name, enum err_code code, struct err *err)
{
	char shown[SHOWN_MAX];

	if (text_is_name(name, strlen(name)))
		return 0;
	return err_set(err, code, "'%s' is no name for a target: one has " TEXT_NAME_RULE,
		text_escape(shown, sizeof(shown), name, strlen(name)));
}

static char *targets_dir(struct err *err)
{
	CLEANUP(cleanup_free) char *config = NULL;
	char *dir;

	if (client_config_dir(&config, err) != 0)
		return NULL;
	dir = file_join(config, "targets");
	if (!dir)
		err_nomem(err);
	return dir;
}

/* The file of a target with a name that was checked. */
static char *target_path(const char *name, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = targets_dir(err);
	char *path;

	if (!dir)
		return NULL;
	if (asprintf(&path, "%s/%s" SUFFIX, dir, name) >= 0)
		return path;
	err_nomem(err);
	return NULL;
}

static struct target *target_alloc(const char *name)
{
	struct target *t;

	if (sodium_init() < 0)
		return NULL;
	t = sodium_malloc(sizeof(*t));
	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	memcpy(t->name, name, strlen(name) + 1);
	return t;
}

void target_free(struct target *t)
{
	sodium_free(t);
}

/* --- one target --- */

static int load(const char *name, struct target **ret, struct err *err)
{
	CLEANUP(cleanup_free) char *path = target_path(name, err);
	CLEANUP(secret_file_wipe) struct buf b = { .max = 0 };
	struct target *t;
	struct stat st;

	if (!path || secret_file_read(path, TARGET_JSON_MAX, &b, &st, err) != 0)
		return -1;
	t = target_alloc(name);
	if (!t)
		return err_nomem(err);
	if (target_json_parse(buf_bytes(&b), buf_len(&b), t, err) != 0) {
		target_free(t);
		return err_wrap(err, "%s", path);
	}
	*ret = t;
	return 0;
}

int target_new(const char *name, const char *address, const uint8_t server_key[KEY_LEN],
	struct target **ret, struct err *err)
{
	struct target *t, *old;
	struct err why = { 0 };
	struct address a;

	if (check_name(name, ERR_USAGE, err) != 0 || address_parse(address, &a, err) != 0)
		return -1;
	if (load(name, &old, &why) == 0) {
		bool same = memcmp(old->server_key, server_key, KEY_LEN) == 0;

		target_free(old);
		if (!same)
			return err_set(err, ERR_USAGE,
				"%s is another receiver already; choose another name, or dray "
				"targets remove %s first",
				name, name);
	} else if (why.code != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	t = target_alloc(name);
	if (!t)
		return err_nomem(err);
	t->address = a;
	memcpy(t->server_key, server_key, KEY_LEN);
	t->first_seen = (uint64_t)time(NULL);
	*ret = t;
	return 0;
}

int targets_save(const struct target *t, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = targets_dir(err);
	CLEANUP(cleanup_free) char *path = dir ? target_path(t->name, err) : NULL;
	CLEANUP(secret_file_wipe) struct buf b;

	buf_init(&b, TARGET_JSON_MAX);
	if (!path || file_make_dir(dir, 0700, err) != 0)
		return -1;
	buf_reserve(&b, TARGET_JSON_MAX); /* once: growing would leave copies behind */
	if (target_json_print(t, &b, err) != 0)
		return -1;
	return file_replace(path, 0600, buf_bytes(&b), buf_len(&b), err);
}

/* --- all of them --- */

/* The names in the directory, sorted, for free_names; a missing directory has none. */
static int list_names(char ***ret, size_t *ret_n, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = targets_dir(err);
	struct dirent **found;
	char **names;
	size_t n = 0;
	int count;

	if (!dir)
		return -1;
	count = scandir(dir, &found, NULL, alphasort);
	if (count < 0 && errno != ENOENT)
		return err_errno(err, errno, "cannot read the directory %s", dir);
	names = calloc(count > 0 ? (size_t)count : 1, sizeof(*names));
	for (int i = 0; i < count; i++) {
		size_t len = strlen(found[i]->d_name), end = strlen(SUFFIX);

		if (names && len > end && strcmp(found[i]->d_name + len - end, SUFFIX) == 0 &&
			text_is_name(found[i]->d_name, len - end)) {
			names[n] = strndup(found[i]->d_name, len - end);
			n += names[n] != NULL;
		}
		free(found[i]);
	}
	if (count >= 0)
		free(found);
	if (!names)
		return err_nomem(err);
	*ret = names;
	*ret_n = n;
	return 0;
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

int targets_each(targets_fn *fn, void *ctx, struct err *err)
{
	char **names;
	size_t n;

	if (list_names(&names, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct target *t = NULL;
		struct err why = { 0 };

		if (load(names[i], &t, &why) == 0)
			fn(ctx, names[i], t, NULL);
		else
			fn(ctx, names[i], NULL, &why);
		target_free(t);
	}
	free_names(names, n);
	return 0;
}

/* Always -1: there is no such target, but there are these. */
static int not_found(const char *name, struct err *err)
{
	char listed[LISTED_MAX] = "";
	char **names;
	size_t n, at = 0;

	if (list_names(&names, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n && at < sizeof(listed) - 1; i++) {
		int put = snprintf(
			listed + at, sizeof(listed) - at, "%s%s", i ? ", " : "", names[i]);

		at += put > 0 ? (size_t)put : 0;
	}
	free_names(names, n);
	if (n == 0)
		return err_set(err, ERR_NOT_FOUND,
			"there is no target %s, nor any other; dray pair makes one", name);
	return err_set(err, ERR_NOT_FOUND, "there is no target %s, but: %s", name, listed);
}

int targets_load(const char *name, struct target **ret, struct err *err)
{
	struct err why = { 0 };

	if (check_name(name, ERR_NOT_FOUND, err) != 0)
		return -1;
	if (load(name, ret, &why) == 0)
		return 0;
	if (why.code == ERR_NOT_FOUND)
		return not_found(name, err);
	if (err)
		*err = why;
	return -1;
}

int targets_remove(const char *name, struct err *err)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (check_name(name, ERR_NOT_FOUND, err) != 0)
		return -1;
	path = target_path(name, err);
	if (!path)
		return -1;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return not_found(name, err);
	return file_remove(path, err);
}
