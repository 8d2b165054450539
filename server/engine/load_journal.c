#include "server/engine/load_journal.h"

#include "common/base/file.h"
#include "common/cargo/oci_manifest.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME_MAX (DIGEST_HEX_LEN + 24)

/* "<image>-<job>.json" */
static void file_name(const struct digest *image, uint32_t job, char ret[FILE_NAME_MAX])
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(image, hex);
	snprintf(ret, FILE_NAME_MAX, "%s-%u.json", hex, (unsigned)job);
}

static char *file_path(const char *dir, const struct digest *image, uint32_t job)
{
	char name[FILE_NAME_MAX];

	file_name(image, job, name);
	return file_join(dir, name);
}

/* --- writing --- */

static json_t *to_json(const struct load_entry *entry)
{
	char image[DIGEST_TEXT_LEN + 1], id[DIGEST_TEXT_LEN + 1];

	digest_text(&entry->image, image);
	digest_text(&entry->id, id);
	return json_pack("{s:s, s:s?, s:I, s:b, s:I, s:s, s:I, s:o}", "image", image, "id",
		entry->id_known ? id : NULL, "job", (json_int_t)entry->job, "existed",
		entry->existed, "committed", (json_int_t)entry->committed, "key", entry->key,
		"kept", (json_int_t)entry->kept, "prefixes",
		oci_digests(entry->prefixes, entry->n_prefixes));
}

int load_journal_write(const char *dir, const struct load_entry *entry, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_path(dir, &entry->image, entry->job);
	CLEANUP(cleanup_free) char *text = NULL;
	json_t *o = to_json(entry);

	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!path || !text)
		return err_nomem(err);
	if (file_replace(path, 0600, text, strlen(text), err) != 0)
		return err_wrap(err, "journal of loads");
	return 0;
}

int load_journal_remove(const char *dir, const struct digest *image, uint32_t job, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_path(dir, image, job);

	return path ? file_remove(path, err) : err_nomem(err);
}

/* --- reading --- */

/* Entries from before there were prefixes have no list. */
static bool from_list(const json_t *list, struct load_entry *ret)
{
	size_t n = json_array_size(list);

	if ((list && !json_is_array(list)) || n > LOAD_PREFIXES_MAX)
		return false;
	ret->prefixes = calloc(n + 1, sizeof(ret->prefixes[0]));
	if (!ret->prefixes)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (!text || digest_parse(text, &ret->prefixes[i], NULL) != 0)
			return false;
	}
	ret->n_prefixes = n;
	return true;
}

/* Entries of versions that knew the classic store only have none: there it is the config's. */
static bool take_id(const json_t *id, struct load_entry *ret)
{
	ret->id_known = !json_is_null(id);
	ret->id = ret->image;
	return !id || !ret->id_known ||
	       (json_is_string(id) && digest_parse(json_string_value(id), &ret->id, NULL) == 0);
}

static bool from_json(const json_t *o, struct load_entry *ret)
{
	const char *key = json_string_value(json_object_get(o, "key"));
	json_int_t kept = json_integer_value(json_object_get(o, "kept"));
	const char *image = json_string_value(json_object_get(o, "image"));
	const json_t *existed = json_object_get(o, "existed");
	const json_t *job = json_object_get(o, "job");
	json_int_t committed = json_integer_value(json_object_get(o, "committed"));

	if (!image || digest_parse(image, &ret->image, NULL) != 0 || !json_is_boolean(existed) ||
		!json_is_integer(job) || json_integer_value(job) < 0 ||
		json_integer_value(job) > UINT32_MAX || committed < 0 || kept < 0 ||
		(key && strlen(key) >= sizeof(ret->key)))
		return false;
	ret->job = (uint32_t)json_integer_value(job);
	ret->existed = json_is_true(existed);
	ret->committed = (uint64_t)committed;
	ret->kept = (uint64_t)kept;
	if (key)
		memcpy(ret->key, key, strlen(key) + 1);
	return take_id(json_object_get(o, "id"), ret) &&
	       from_list(json_object_get(o, "prefixes"), ret);
}

/* False when the file is no entry, or not the one its name says. */
static bool read_entry(const char *dir, const char *name, struct load_entry *ret)
{
	CLEANUP(cleanup_free) char *path = file_join(dir, name);
	CLEANUP(buf_done) struct buf text;
	char expected[FILE_NAME_MAX];
	json_t *o = NULL;
	bool good = false;

	*ret = (struct load_entry){ 0 };
	buf_init(&text, LOAD_ENTRY_MAX);
	if (path && file_read(path, &text, NULL) == 0 && buf_len(&text) > 0)
		o = json_loadb((const char *)buf_bytes(&text), buf_len(&text),
			JSON_REJECT_DUPLICATES, NULL);
	if (o && from_json(o, ret)) {
		file_name(&ret->image, ret->job, expected);
		good = strcmp(expected, name) == 0;
	}
	json_decref(o);
	if (!good)
		free(ret->prefixes);
	return good;
}

static bool is_entry_name(const char *name)
{
	size_t n = strlen(name);

	return n > DIGEST_HEX_LEN + 6 && n < FILE_NAME_MAX && name[DIGEST_HEX_LEN] == '-' &&
	       strcmp(name + n - 5, ".json") == 0;
}

static int read_all(const char *dir, DIR *d, struct load_entry *list, size_t *ret_n,
	size_t *ret_odd, struct err *err)
{
	const struct dirent *e;

	while ((errno = 0, e = readdir(d))) {
		if (!is_entry_name(e->d_name))
			continue;
		if (*ret_n == LOAD_ENTRIES_MAX)
			return err_set(
				err, ERR_LIMIT, "%s: more than %u files", dir, LOAD_ENTRIES_MAX);
		if (read_entry(dir, e->d_name, &list[*ret_n]))
			(*ret_n)++;
		else
			(*ret_odd)++;
	}
	return errno ? err_errno(err, errno, "cannot read %s", dir) : 0;
}

void load_entries_free(struct load_entry *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].prefixes);
	free(list);
}

int load_journal_list(
	const char *dir, struct load_entry **ret, size_t *ret_n, size_t *ret_odd, struct err *err)
{
	DIR *d = opendir(dir);
	struct load_entry *list;
	size_t n = 0, odd = 0;
	int r;

	if (!d && errno != ENOENT)
		return err_errno(err, errno, "cannot read %s", dir);
	list = calloc(d ? LOAD_ENTRIES_MAX : 1, sizeof(*list));
	r = list ? 0 : err_nomem(err);
	if (r == 0 && d)
		r = read_all(dir, d, list, &n, &odd, err);
	if (d)
		closedir(d);
	if (r != 0) {
		load_entries_free(list, n);
		return -1;
	}
	*ret = list;
	*ret_n = n;
	*ret_odd = odd;
	return 0;
}
