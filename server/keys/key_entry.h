/*
 * What the receiver knows of a key, and its form in a file: one line of "field=value" with spaces
 * between. Keys stand in STATE/keys:
 *
 *   key=dray-pk1:… name=web01 group=web01 grants=push images=web/STAR,!web/base psk=<64 hex digits>
 *   created=<seconds since 1970> host=<what the client calls itself>
 *
 * (on one line; STAR is *). `images` and `host` may be missing. An invitation is the same with
 * expires= and failures=, and with key= only once a client has used it. A field that is unknown,
 * missing or given twice refuses the line: nothing is granted by a line that is not understood.
 */
#pragma once

#include "common/base/text.h"
#include "common/cargo/pattern.h"
#include "protocol/session.h"

struct keyring_entry {
	char name[TEXT_NAME_MAX + 1];
	char group[TEXT_NAME_MAX + 1]; /* the store's domain */
	char host[TEXT_NAME_MAX + 1];  /* "" when the client did not say */
	uint8_t public_key[KEY_LEN];
	uint8_t psk[KEY_LEN];
	uint32_t grants;	    /* bits of protocol/grant.h */
	struct pattern_list images; /* empty: all */
	uint64_t created;	    /* seconds since 1970 */
	bool revoked;		    /* no longer in the file */
};

struct keyring_invite {
	struct keyring_entry entry; /* public_key is the first client's that used it */
	uint64_t expires;	    /* seconds since 1970 */
	uint32_t failures;
	bool bound; /* a client has used it */
};

#define KEY_ENTRY_LINE_MAX 4096u

/* Read the n bytes of a line without its newline. ERR_CORRUPT says what is wrong with it. */
int key_entry_parse(
	const char *line, size_t n, struct keyring_entry *ret, struct err *err) MUST_CHECK;
int key_entry_parse_invite(
	const char *line, size_t n, struct keyring_invite *ret, struct err *err) MUST_CHECK;

/* Append a line with its newline. Check buf_ok. */
void key_entry_put(struct buf *to, const struct keyring_entry *entry);
void key_entry_put_invite(struct buf *to, const struct keyring_invite *invite);

/* True when the line, understood or not, says that it is of this name: so that what cannot be read
 * can be revoked. */
bool key_entry_line_is(const char *line, size_t n, const char *name);
