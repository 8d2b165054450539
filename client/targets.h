/*
 * The receivers that this host is paired with: a private file each, targets/<name>.json under the
 * configuration directory, replaced as a whole. Blocking; main thread.
 */
#pragma once

#include "common/base/address.h"
#include "common/base/text.h"
#include "protocol/session.h"

struct target {
	char name[TEXT_NAME_MAX + 1];
	struct address address;
	uint8_t server_key[KEY_LEN]; /* the only key that is accepted there */
	uint8_t psk[KEY_LEN];
	char key_name[TEXT_NAME_MAX + 1]; /* what the receiver calls this host; "" if not known */
	uint64_t first_seen;		  /* seconds since 1970 */
};

/* A target to be paired, without a psk yet. The name must be fit for a file, and free or of the
 * same receiver: another receiver is never replaced. For target_free. */
int target_new(const char *name, const char *address, const uint8_t server_key[KEY_LEN],
	struct target **ret, struct err *err) MUST_CHECK;

/* Wipes it. NULL is fine. */
void target_free(struct target *t);

/* Keeps the target durably. */
int targets_save(const struct target *t, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND says which there are. For target_free. */
int targets_load(const char *name, struct target **ret, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND when there is no such target. */
int targets_remove(const char *name, struct err *err) MUST_CHECK;

/* Calls for every target, in order of their names. One that cannot be read comes as its name and
 * why
 * (`t` is NULL). */
typedef void targets_fn(void *ctx, const char *name, const struct target *t, const struct err *why);
int targets_each(targets_fn *fn, void *ctx, struct err *err) MUST_CHECK;
