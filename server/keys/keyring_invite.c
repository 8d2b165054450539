/*
 * Invitations and pairing. Happy path: kept -> looked at in a handshake -> bound to the client's
 * key, which gets its entry -> removed. Failure modes: expired, burnt by failed tries, bound to
 * another key; to the client all of them look like a wrong token.
 */
#include "server/keys/keyring_impl.h"

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/secret_file.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INVITE_NAME_LEN (2 * TOKEN_ID_LEN)

static char *invite_path(const struct keyring *k, const uint8_t token_id[TOKEN_ID_LEN])
{
	char name[INVITE_NAME_LEN + 1];

	return file_join(k->invites, sodium_bin2hex(name, sizeof(name), token_id, TOKEN_ID_LEN));
}

static int read_invite(const char *path, struct keyring_invite *ret, struct err *err)
{
	CLEANUP(secret_file_wipe) struct buf b = { .max = 0 };
	const char *line;
	struct stat st;
	size_t n;

	if (secret_file_read(path, KEY_ENTRY_LINE_MAX, &b, &st, err) != 0)
		return -1;
	line = (const char *)buf_bytes(&b);
	n = buf_len(&b);
	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (key_entry_parse_invite(line, n, ret, err) != 0)
		return err_wrap(err, "%s", path);
	return 0;
}

static int write_invite(const char *path, const struct keyring_invite *invite, struct err *err)
{
	CLEANUP(secret_file_wipe) struct buf b;

	buf_init(&b, KEY_ENTRY_LINE_MAX);
	buf_reserve(&b, KEY_ENTRY_LINE_MAX);
	key_entry_put_invite(&b, invite);
	if (!buf_ok(&b))
		return err_set(err, ERR_LIMIT, "the invitation is too long or memory ran out");
	return file_replace(path, 0600, buf_bytes(&b), buf_len(&b), err);
}

/* Calls for every invitation; those that are not understood are told in the log. -1 from `fn` ends
 * it. */
typedef int each_fn(void *ctx, const char *path, struct keyring_invite *invite, struct err *err);

static int each(struct keyring *k, each_fn *fn, void *ctx, struct err *err)
{
	DIR *dir = opendir(k->invites);
	struct keyring_invite invite;
	struct dirent *e;
	int r = 0;

	if (!dir)
		return err_errno(err, errno, "cannot read the directory %s", k->invites);
	while (r == 0 && (e = readdir(dir))) {
		CLEANUP(cleanup_free) char *path = NULL;
		struct err why;

		if (strlen(e->d_name) != INVITE_NAME_LEN)
			continue;
		path = file_join(k->invites, e->d_name);
		if (!path)
			r = err_nomem(err);
		else if (read_invite(path, &invite, &why) == 0)
			r = fn(ctx, path, &invite, err);
		else if (why.code != ERR_NOT_FOUND) /* used up meanwhile */
			log_warn("an invitation that cannot be used: %s", why.text);
	}
	sodium_memzero(&invite, sizeof(invite));
	closedir(dir);
	return r;
}

/* --- making and dropping --- */

struct drop {
	const char *name; /* NULL: the expired ones */
	uint64_t now;
	size_t dropped;
};

static int drop_one(void *ctx, const char *path, struct keyring_invite *invite, struct err *err)
{
	struct drop *d = ctx;
	bool drop = d->name ? strcmp(invite->entry.name, d->name) == 0 : invite->expires < d->now;

	if (!drop)
		return 0;
	d->dropped++;
	return file_remove(path, err);
}

int keyring_drop_invites(struct keyring *k, const char *name, size_t *ret_dropped, struct err *err)
{
	struct drop drop = { .name = name };

	if (each(k, drop_one, &drop, err) != 0)
		return -1;
	*ret_dropped = drop.dropped;
	return 0;
}

static int add_locked(struct keyring *k, const uint8_t token_id[TOKEN_ID_LEN],
	const struct keyring_invite *invite, uint64_t now, struct err *err)
{
	CLEANUP(cleanup_free) char *path = invite_path(k, token_id);
	struct drop expired = { .now = now };
	size_t replaced;

	if (!path)
		return err_nomem(err);
	if (keyring_reload(k, err) != 0)
		return -1;
	if (keyring_find_name(k, invite->entry.name))
		return err_set(err, ERR_USAGE,
			"%s is paired already; choose another name, or drayd revoke %s first",
			invite->entry.name, invite->entry.name);
	if (each(k, drop_one, &expired, err) != 0 ||
		keyring_drop_invites(k, invite->entry.name, &replaced, err) != 0)
		return -1;
	return write_invite(path, invite, err);
}

int keyring_add_invite(struct keyring *k, const uint8_t token_id[TOKEN_ID_LEN],
	const struct keyring_invite *invite, uint64_t now, struct err *err)
{
	int lock, r;

	if (keyring_lock(k, &lock, err) != 0)
		return -1;
	r = add_locked(k, token_id, invite, now, err);
	close(lock);
	return r;
}

struct show {
	keyring_invite_fn *fn;
	void *ctx;
	uint64_t now;
};

static int show_one(void *ctx, const char *path, struct keyring_invite *invite, struct err *err)
{
	const struct show *s = ctx;

	(void)path;
	(void)err;
	if (invite->expires >= s->now && invite->failures < KEYRING_FAILURES_MAX)
		s->fn(s->ctx, invite);
	return 0;
}

int keyring_each_invite(
	struct keyring *k, uint64_t now, keyring_invite_fn *fn, void *ctx, struct err *err)
{
	struct show show = { .fn = fn, .ctx = ctx, .now = now };

	return each(k, show_one, &show, err);
}

/* --- using --- */

static int check_usable(const struct keyring_invite *i, const uint8_t public_key[KEY_LEN],
	uint64_t now, struct err *err)
{
	if (i->expires < now)
		return err_set(
			err, ERR_REFUSED, "the invitation for %s has expired", i->entry.name);
	if (i->bound && sodium_memcmp(i->entry.public_key, public_key, KEY_LEN) != 0)
		return err_set(err, ERR_REFUSED, "the invitation for %s was used by another client",
			i->entry.name);
	return 0;
}

/* On a full disk the memory counts, for all invitations together: who pairs then gets as far as
 * keyring_pair_begin, whose error can be told. */
static int count_look(
	struct keyring *k, const char *path, struct keyring_invite *invite, struct err *err)
{
	invite->failures++;
	if (write_invite(path, invite, err) == 0) {
		k->uncounted = 0;
		return 0;
	}
	if (err->code != ERR_FULL || k->uncounted >= KEYRING_FAILURES_MAX)
		return -1;
	k->uncounted++;
	return 0;
}

/* Under the lock: reads the invitation and counts this look at it. */
static int try_invite(struct keyring *k, const uint8_t public_key[KEY_LEN],
	const uint8_t token_id[TOKEN_ID_LEN], uint64_t now, struct keyring_invite *ret,
	struct err *err)
{
	CLEANUP(cleanup_free) char *path = invite_path(k, token_id);

	if (!path)
		return err_nomem(err);
	if (read_invite(path, ret, err) != 0)
		return -1;
	if (ret->failures >= KEYRING_FAILURES_MAX)
		return err_set(err, ERR_REFUSED,
			"the invitation for %s is burnt: too many tries failed", ret->entry.name);
	if (count_look(k, path, ret, err) != 0)
		return -1;
	return check_usable(ret, public_key, now, err);
}

static bool find_invited(struct keyring *k, const uint8_t public_key[KEY_LEN],
	const uint8_t *token_id, uint64_t now, struct session_peer *ret)
{
	struct keyring_invite invite;
	struct err err = { 0 };
	int lock, r;

	memset(&invite, 0, sizeof(invite));
	r = keyring_lock(k, &lock, &err);
	if (r == 0) {
		r = try_invite(k, public_key, token_id, now, &invite, &err);
		close(lock);
	}
	if (r == 0) {
		memset(ret, 0, sizeof(*ret));
		memcpy(ret->psk, invite.entry.psk, KEY_LEN);
		memcpy(ret->name, invite.entry.name, sizeof(ret->name));
		ret->grants = invite.entry.grants;
	} else if (err.code == ERR_NOT_FOUND) {
		log_info("pairing refused: the token is unknown or was used");
	} else {
		log_warn("pairing refused: %s", err.text);
	}
	sodium_memzero(&invite, sizeof(invite));
	return r == 0;
}

bool keyring_find_peer(struct keyring *k, const uint8_t public_key[KEY_LEN],
	const uint8_t *token_id, uint64_t now, struct session_peer *ret)
{
	const struct keyring_entry *entry;

	if (token_id)
		return find_invited(k, public_key, token_id, now, ret);
	entry = keyring_find(k, public_key);
	if (!entry)
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->psk, entry->psk, KEY_LEN);
	memcpy(ret->name, entry->name, sizeof(ret->name));
	ret->grants = entry->grants;
	return true;
}

/* The client's name for itself, as far as it is fit for a file. */
static void take_label(const char *label, char ret[TEXT_NAME_MAX + 1])
{
	size_t n = 0;

	for (; *label && n < TEXT_NAME_MAX; label++) {
		if (n > 0 || text_is_name(label, 1))
			ret[n++] = *label;
		if (n > 1 && !text_is_name(ret, n))
			ret[n - 1] = '_';
	}
	ret[n] = '\0';
}

/* One name, one key, one entry. */
static int check_free(struct keyring *k, const struct keyring_entry *e, struct err *err)
{
	const struct keyring_entry *named, *keyed;

	if (keyring_reload(k, err) != 0)
		return -1;
	named = keyring_find_name(k, e->name);
	keyed = keyring_find(k, e->public_key);
	if (named && named != keyed)
		return err_set(err, ERR_REFUSED, "another client is paired as %s", e->name);
	if (keyed && keyed != named)
		return err_set(err, ERR_REFUSED,
			"this client is paired as %s already; drayd revoke %s first", keyed->name,
			keyed->name);
	return 0;
}

static int pair_locked(struct keyring *k, const uint8_t token_id[TOKEN_ID_LEN],
	struct keyring_invite *invite, const uint8_t public_key[KEY_LEN], const char *label,
	uint64_t now, struct err *err)
{
	CLEANUP(cleanup_free) char *path = invite_path(k, token_id);
	struct keyring_entry *entry = &invite->entry;

	if (!path)
		return err_nomem(err);
	if (read_invite(path, invite, err) != 0 || check_usable(invite, public_key, now, err) != 0)
		return -1;
	memcpy(entry->public_key, public_key, KEY_LEN);
	if (check_free(k, entry, err) != 0)
		return -1;
	invite->bound = true;
	invite->failures -= invite->failures > 0; /* counted when it was looked at */
	if (write_invite(path, invite, err) != 0)
		return -1;
	randombytes_buf(entry->psk, KEY_LEN);
	entry->created = now;
	take_label(label, entry->host);
	return keyring_rewrite(k, entry->name, entry, NULL, err);
}

int keyring_pair_begin(struct keyring *k, const uint8_t token_id[TOKEN_ID_LEN],
	const uint8_t public_key[KEY_LEN], const char *label, uint64_t now,
	const struct keyring_entry **ret, struct err *err)
{
	const struct keyring_entry *entry;
	struct keyring_invite invite;
	int lock, r;

	if (keyring_lock(k, &lock, err) != 0)
		return -1;
	memset(&invite, 0, sizeof(invite));
	r = pair_locked(k, token_id, &invite, public_key, label, now, err);
	close(lock);
	sodium_memzero(&invite, sizeof(invite));
	if (r != 0 || keyring_reload(k, err) != 0)
		return -1;
	entry = keyring_find(k, public_key);
	if (!entry)
		return err_set(err, ERR_REFUSED, "the key was revoked while it was paired");
	*ret = entry;
	return 0;
}

int keyring_pair_done(struct keyring *k, const uint8_t token_id[TOKEN_ID_LEN], struct err *err)
{
	CLEANUP(cleanup_free) char *path = invite_path(k, token_id);
	int lock, r;

	if (!path)
		return err_nomem(err);
	if (keyring_lock(k, &lock, err) != 0)
		return -1;
	r = file_remove(path, err);
	close(lock);
	return r;
}
