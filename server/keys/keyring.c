/*
 * Owns the keys in memory and the file they come from. Happy path: look at the file's state, find
 * the entry. Failure modes: a file that others may read (nobody is let in), a line that is not
 * understood (it grants nothing).
 */
#include "server/keys/keyring_impl.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/secret_file.h"
#include "link/own_key.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- opening and closing --- */

static void free_nodes(struct keyring_node *n)
{
	struct keyring_node *next;

	for (; n; n = next) {
		next = n->next;
		sodium_memzero(n, sizeof(*n));
		free(n);
	}
}

void keyring_close(struct keyring *k)
{
	if (!k)
		return;
	free_nodes(k->live);
	free_nodes(k->revoked);
	own_key_free(k->own);
	free(k->keys);
	free(k->invites);
	free(k->lock);
	free(k);
}

static int open_files(struct keyring *k, const char *dir, struct err *err)
{
	CLEANUP(cleanup_free) char *key = file_join(dir, "key");
	int lock, r;

	k->keys = file_join(dir, "keys");
	k->invites = file_join(dir, "invites");
	k->lock = file_join(dir, "keys.lock");
	if (!key || !k->keys || !k->invites || !k->lock)
		return err_nomem(err);
	if (file_make_dir(k->invites, 0700, err) != 0 || keyring_lock(k, &lock, err) != 0)
		return -1;
	file_drop_temporaries(dir);
	file_drop_temporaries(k->invites);
	r = own_key_open(key, &k->own, err);
	close(lock);
	return r;
}

int keyring_open(const char *state_dir, struct keyring **ret, struct err *err)
{
	struct keyring *k = calloc(1, sizeof(*k));

	if (!k)
		return err_nomem(err);
	if (open_files(k, state_dir, err) != 0 || keyring_reload(k, err) != 0) {
		keyring_close(k);
		return -1;
	}
	*ret = k;
	return 0;
}

int keyring_view(const char *state_dir, struct keyring **ret, struct err *err)
{
	struct keyring *k = calloc(1, sizeof(*k));

	if (!k)
		return err_nomem(err);
	k->keys = file_join(state_dir, "keys");
	if (!k->keys)
		err_nomem(err);
	if (!k->keys || keyring_reload(k, err) != 0) {
		keyring_close(k);
		return -1;
	}
	*ret = k;
	return 0;
}

bool keyring_exists(const char *state_dir)
{
	char *key = file_join(state_dir, "key");
	bool exists = key && access(key, F_OK) == 0;

	free(key);
	return exists;
}

const struct key_pair *keyring_own_key(const struct keyring *k)
{
	return k->own;
}

/* --- reading --- */

static struct file_state state_of(const struct stat *st)
{
	return (struct file_state){ .exists = true,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.changed = st->st_ctim };
}

static bool same_state(const struct file_state *a, const struct file_state *b)
{
	return a->exists == b->exists && a->dev == b->dev && a->ino == b->ino &&
	       a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Adds the line's entry to the list that ends in *end. */
static int read_line(const char *path, size_t number, const char *line, size_t n,
	struct keyring_node *list, struct keyring_node ***end, struct err *err)
{
	struct keyring_node *node = calloc(1, sizeof(*node));
	struct err why = { 0 };

	if (!node)
		return err_nomem(err);
	if (key_entry_parse(line, n, &node->entry, &why) != 0)
		goto refuse;
	for (const struct keyring_node *at = list; at; at = at->next) {
		if (strcmp(at->entry.name, node->entry.name) == 0 ||
			memcmp(at->entry.public_key, node->entry.public_key, KEY_LEN) == 0) {
			err_set(&why, ERR_CORRUPT, "an earlier line has its name or its key");
			goto refuse;
		}
	}
	**end = node;
	*end = &node->next;
	return 0;
refuse:
	log_warn("%s line %zu grants nothing: %s", path, number, why.text);
	free_nodes(node);
	return 0;
}

static int read_lines(
	const char *path, const struct buf *b, struct keyring_node **ret, struct err *err)
{
	struct cursor c = cursor_over(buf_bytes(b), buf_len(b));
	struct keyring_node *list = NULL, **end = &list;

	for (size_t number = 1; c.left > 0; number++) {
		size_t n;
		const char *at = keyring_next_line(&c, &n);

		if (n > 0 && at[0] != '#' && read_line(path, number, at, n, list, &end, err) != 0) {
			free_nodes(list);
			return -1;
		}
	}
	*ret = list;
	return 0;
}

/* Puts the fresh list in the place of the old one; entries that did not change stay where they are,
 * because sessions hold them. */
static void replace_live(struct keyring *k, struct keyring_node *fresh)
{
	struct keyring_node *old = k->live, **to = &k->live;

	for (struct keyring_node *next; fresh; fresh = next) {
		struct keyring_node **at = &old, *keep = fresh;

		next = fresh->next;
		while (*at && memcmp(&(*at)->entry, &fresh->entry, sizeof(fresh->entry)) != 0)
			at = &(*at)->next;
		if (*at) {
			keep = *at;
			*at = keep->next;
			fresh->next = NULL;
			free_nodes(fresh);
		}
		*to = keep;
		to = &keep->next;
	}
	*to = NULL;
	for (struct keyring_node *next; old; old = next) {
		next = old->next;
		old->entry.revoked = true;
		old->next = k->revoked;
		k->revoked = old;
	}
}

int keyring_reload(struct keyring *k, struct err *err)
{
	CLEANUP(secret_file_wipe) struct buf b = { .max = 0 };
	struct file_state state = { .exists = false };
	struct keyring_node *fresh = NULL;
	struct err why = { 0 };
	struct stat st;

	if (stat(k->keys, &st) == 0)
		state = state_of(&st);
	if (k->ever_read && same_state(&state, &k->read))
		return 0;
	if (secret_file_read(k->keys, KEYS_FILE_MAX, &b, &st, &why) == 0) {
		state = state_of(&st);
		if (read_lines(k->keys, &b, &fresh, err) != 0)
			return -1;
	} else if (why.code == ERR_NOT_FOUND) {
		state = (struct file_state){ .exists = false };
	} else {
		replace_live(k, NULL);
		k->ever_read = false;
		if (err)
			*err = why;
		return -1;
	}
	replace_live(k, fresh);
	k->read = state;
	k->ever_read = true;
	return 0;
}

/* --- looking up --- */

static void refresh(struct keyring *k)
{
	struct err err = { 0 };

	if (keyring_reload(k, &err) != 0)
		log_error("nobody is let in: %s", err.text);
}

const struct keyring_entry *keyring_find(struct keyring *k, const uint8_t public_key[KEY_LEN])
{
	refresh(k);
	for (const struct keyring_node *n = k->live; n; n = n->next) {
		if (memcmp(n->entry.public_key, public_key, KEY_LEN) == 0)
			return &n->entry;
	}
	return NULL;
}

const struct keyring_entry *keyring_find_name(struct keyring *k, const char *name)
{
	refresh(k);
	for (const struct keyring_node *n = k->live; n; n = n->next) {
		if (strcmp(n->entry.name, name) == 0)
			return &n->entry;
	}
	return NULL;
}

int keyring_each(struct keyring *k, keyring_entry_fn *fn, void *ctx, struct err *err)
{
	if (keyring_reload(k, err) != 0)
		return -1;
	for (const struct keyring_node *n = k->live; n; n = n->next)
		fn(ctx, &n->entry);
	return 0;
}

bool keyring_allows_image(const struct keyring_entry *entry, const char *name)
{
	struct reference r;

	return reference_parse(name, &r, NULL) == 0 && r.digest[0] == '\0' &&
	       pattern_list_allows(&entry->images, &r);
}

bool keyring_sees_image(const struct keyring_entry *entry, const char *const *tags, size_t n)
{
	if (entry->images.text[0] == '\0')
		return true;
	for (size_t i = 0; i < n; i++) {
		if (keyring_allows_image(entry, tags[i]))
			return true;
	}
	return false;
}
