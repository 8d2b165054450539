/*
 * Changes to the file of keys, which other processes may read or want to change at the same moment:
 * under the lock, from what the file says then, and as a whole.
 */
#include "server/keys/keyring_impl.h"

#include "common/base/file.h"
#include "common/base/secret_file.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 400 /* of 5 ms */

int keyring_lock(struct keyring *k, int *ret, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	struct err why = { 0 };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (file_lock(k->lock, ret, &why) == 0)
			return 0;
		if (why.code != ERR_REFUSED)
			break;
		nanosleep(&pause, NULL);
	}
	if (why.code == ERR_REFUSED)
		why.code = ERR_FAILED; /* busy, not forbidden */
	if (err)
		*err = why;
	return -1;
}

const char *keyring_next_line(struct cursor *c, size_t *ret_len)
{
	const uint8_t *newline = memchr(c->at, '\n', c->left);
	size_t n = newline ? (size_t)(newline - c->at) : c->left;
	const char *line = (const char *)cursor_bytes(c, n);

	if (newline)
		cursor_u8(c);
	*ret_len = n;
	return line;
}

/* Copies the lines that are not of this name; how many are. */
static size_t copy_lines(struct buf *to, const struct buf *from, const char *name)
{
	struct cursor c = cursor_over(buf_bytes(from), buf_len(from));
	size_t dropped = 0, n;

	while (c.left > 0) {
		const char *line = keyring_next_line(&c, &n);

		if (n > 0 && line[0] != '#' && key_entry_line_is(line, n, name)) {
			dropped++;
			continue;
		}
		buf_append(to, line, n);
		buf_append(to, "\n", 1);
	}
	return dropped;
}

int keyring_rewrite(struct keyring *k, const char *name, const struct keyring_entry *entry,
	size_t *ret_dropped, struct err *err)
{
	CLEANUP(secret_file_wipe) struct buf old = { .max = 0 }, fresh;
	struct err why = { 0 };
	struct stat st;
	size_t dropped;

	buf_init(&fresh, KEYS_FILE_MAX);
	if (secret_file_read(k->keys, KEYS_FILE_MAX, &old, &st, &why) != 0 &&
		why.code != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	/* Room for all at once: growing would leave copies of secrets behind. */
	buf_reserve(&fresh, min_size(buf_len(&old) + 1 + KEY_ENTRY_LINE_MAX, KEYS_FILE_MAX));
	dropped = copy_lines(&fresh, &old, name);
	if (entry)
		key_entry_put(&fresh, entry);
	if (!buf_ok(&fresh))
		return err_set(err, ERR_LIMIT, "%s is full or memory ran out", k->keys);
	if ((entry || dropped > 0) &&
		file_replace(k->keys, 0600, buf_bytes(&fresh), buf_len(&fresh), err) != 0)
		return -1;
	if (ret_dropped)
		*ret_dropped = dropped;
	return 0;
}

int keyring_revoke(struct keyring *k, const char *name, struct err *err)
{
	size_t keys = 0, invites = 0;
	int lock, r;

	if (keyring_lock(k, &lock, err) != 0)
		return -1;
	r = keyring_rewrite(k, name, NULL, &keys, err);
	if (r == 0)
		r = keyring_drop_invites(k, name, &invites, err);
	close(lock);
	if (r != 0)
		return -1;
	if (keys == 0 && invites == 0)
		return err_set(err, ERR_NOT_FOUND,
			"no key and no invitation has the name %s; drayd keys lists them", name);
	return keyring_reload(k, err);
}
