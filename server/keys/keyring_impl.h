/* What keyring.c and keyring_invite.c share. */
#pragma once

#include "common/base/cursor.h"
#include "protocol/invite.h" /* TOKEN_ID_LEN */
#include "server/keys/keyring.h"

#include <sys/stat.h>

struct keyring_node {
	struct keyring_node *next;
	struct keyring_entry entry;
};

/* Which state of a file was read. */
struct file_state {
	bool exists;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct keyring {
	char *keys, *invites, *lock; /* paths */
	struct key_pair *own;
	struct keyring_node *live, *revoked;
	struct file_state read; /* what `live` was read from */
	bool ever_read;
	unsigned uncounted; /* looks at invitations that a full disk kept from being counted */
};

#define KEYS_FILE_MAX (1u << 20)

/* The next line of what is left (there is some), without its newline. */
const char *keyring_next_line(struct cursor *c, size_t *ret_len);

/* Takes the lock, waiting a little for who has it. Close the descriptor to give it back. */
int keyring_lock(struct keyring *k, int *ret, struct err *err) MUST_CHECK;

/* Under the lock: writes the file of keys without the lines of `name` and with `entry` (NULL: none)
 * behind the others. *ret_dropped (may be NULL) says how many lines went. */
int keyring_rewrite(struct keyring *k, const char *name, const struct keyring_entry *entry,
	size_t *ret_dropped, struct err *err) MUST_CHECK;

/* Under the lock: removes invitations for the name; *ret_dropped counts them. */
int keyring_drop_invites(
	struct keyring *k, const char *name, size_t *ret_dropped, struct err *err) MUST_CHECK;
