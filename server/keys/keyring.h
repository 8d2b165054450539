/*
 * The receiver's keys and invitations, in its state directory:
 *
 *   key             its own secret key
 *   keys            who may do what, a line each (key_entry.h); nobody else may do anything
 *   invites/<hex>   an invitation, named by its token's ID; the token's secret is not kept
 *   keys.lock       held while one of them is changed
 *
 * Every file is private and is replaced as a whole, durably. `drayd serve` and the commands beside
 * it use the directory at once: changes are made under the lock and from what the files say then,
 * and a look-up sees the file as it is at that moment. Lines that are not understood are kept, told
 * in the log, and grant nothing. One thread; blocking for as long as a small file takes.
 */
#pragma once

#include "server/keys/key_entry.h"

struct keyring;

#define KEYRING_FAILURES_MAX 5u /* handshakes with a token that fail before it is burnt */

/* Opens the state directory; makes it and the key when they are not there. */
int keyring_open(const char *state_dir, struct keyring **ret, struct err *err) MUST_CHECK;

/* Only to look keys up: makes nothing, and never has the secret key. The directory may still be
 * empty. */
int keyring_view(const char *state_dir, struct keyring **ret, struct err *err) MUST_CHECK;
void keyring_close(struct keyring *k); /* NULL is fine */

/* True when the directory has a key: keyring_open would make nothing. */
bool keyring_exists(const char *state_dir);

const struct key_pair *keyring_own_key(const struct keyring *k);

/* Reads the keys again if their file was changed: cheap enough for every handshake, and done by all
 * that look something up. Entries that left the file, or changed in it, are marked as revoked. When
 * the file cannot be read nobody is let in. */
int keyring_reload(struct keyring *k, struct err *err) MUST_CHECK;

/* NULL when there is none. Entries stay valid until keyring_close, revoked or not: a session keeps
 * its entry and looks at `revoked`. */
const struct keyring_entry *keyring_find(struct keyring *k, const uint8_t public_key[KEY_LEN]);
const struct keyring_entry *keyring_find_name(struct keyring *k, const char *name);

/* For a session_find_fn: who is this? `token_id` NULL: a key; else an invitation that has not
 * expired, is not burnt, and is unused or bound to this key. Each look at an invitation counts as a
 * failed try until keyring_pair_begin takes it back, so the caller has nothing to tell when the
 * handshake fails. `now` in seconds since 1970. */
bool keyring_find_peer(struct keyring *k, const uint8_t public_key[KEY_LEN],
	const uint8_t *token_id, uint64_t now, struct session_peer *ret);

typedef void keyring_entry_fn(void *ctx, const struct keyring_entry *entry);
typedef void keyring_invite_fn(void *ctx, const struct keyring_invite *invite);

/* In the order of the file; those not expired, in no order. */
int keyring_each(struct keyring *k, keyring_entry_fn *fn, void *ctx, struct err *err) MUST_CHECK;
int keyring_each_invite(struct keyring *k, uint64_t now, keyring_invite_fn *fn, void *ctx,
	struct err *err) MUST_CHECK;

/* Keeps an invitation (`invite->entry` without a public key, with the psk of its token). A name
 * that a key has is ERR_USAGE; an older invitation for the same name is dropped. */
int keyring_add_invite(struct keyring *k, const uint8_t token_id[16],
	const struct keyring_invite *invite, uint64_t now, struct err *err) MUST_CHECK;

/* A client proved that it has the token: binds the invitation to its key and makes the key's entry,
 * with a fresh psk, durably; then that may be sent. Again with the same key: a new psk. `label` is
 * the client's name for itself. Either failure leaves the invitation usable by the same key. */
int keyring_pair_begin(struct keyring *k, const uint8_t token_id[16],
	const uint8_t public_key[KEY_LEN], const char *label, uint64_t now,
	const struct keyring_entry **ret, struct err *err) MUST_CHECK;

/* The client has kept its psk: burns the token. */
int keyring_pair_done(struct keyring *k, const uint8_t token_id[16], struct err *err) MUST_CHECK;

/* Removes the key of that name and invitations for it. ERR_NOT_FOUND: there were none. */
int keyring_revoke(struct keyring *k, const char *name, struct err *err) MUST_CHECK;

/* May this key load an image under this name? Names that are none, and names with a digest, no key
 * may. */
bool keyring_allows_image(const struct keyring_entry *entry, const char *name);

/* May this key know of an image with these tags? Any of them is enough; one without tags only keys
 * without patterns see. */
bool keyring_sees_image(const struct keyring_entry *entry, const char *const *tags, size_t n);
