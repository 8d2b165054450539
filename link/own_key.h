/* The key pair of this host, in a private file: both programs keep theirs alike. Any thread. */
#pragma once

#include "common/base/err.h"
#include "protocol/session.h"

/* Loads the pair whose secret key is in the file; makes file and key when there is none. The pair
 * is in sodium_malloc memory, for own_key_free. */
int own_key_open(const char *path, struct key_pair **ret, struct err *err) MUST_CHECK;

/* NULL is fine. */
void own_key_free(struct key_pair *pair);
