/* What the runner of admin commands (admin.c) and their rows (admin_*.c) share. */
#pragma once

#include "server/admin/admin.h"

#define ADMIN_PROGRESS_MS 200u /* a running command says so often how far it is */

struct admin_call;

/* A row has either `run` or the others. A failure of one domain is told and the next one is looked
 * at; the command then ends with the first of them. */
struct admin_row {
	const char *name;
	bool alone;	  /* one at a time */
	bool changes;	  /* worth a line in the log of serve */
	size_t state_len; /* of what `state` points to, zeroed at the start */

	/* Takes the parameters besides "json" into the state. NULL: there are none. */
	int (*take)(struct admin_call *c, json_t *parameters, struct err *err);
	int (*run)(struct admin_call *c, struct err *err);

	/* On the store's thread: some of a domain's work, and letting go of what that holds (called
	 * once after the last step, however it ended). */
	int (*step)(struct admin_call *c, struct store *s, bool *ret_done, struct err *err);
	void (*let_go)(struct admin_call *c);
	/* A domain is done: its lines. */
	void (*tell)(struct admin_call *c);
	/* All are: the last lines, and whether what was found is a failure. */
	int (*end)(struct admin_call *c, struct err *err);

	/* With --json: what the result line says besides ok and kind. NULL: nothing. Anew. */
	json_t *(*totals)(struct admin_call *c);
	void (*done)(struct admin_call *c); /* frees what the state holds; may be NULL */
};

struct admin_call {
	const struct admin_row *row;
	struct admin_env *env;
	void *state;
	bool json;
	struct buf replies;
	struct err result;
	bool given_up, over;

	/* rows with `step` */
	char **domains; /* names */
	size_t n_domains, at;
	size_t failed; /* domains that were */
	bool listed;
	bool in_domain;	  /* steps of domains[at] are being made */
	bool domain_over; /* …and that was the last one */
	struct err why;	  /* the domain's failure; ERR_NONE: none */
};

extern const struct admin_row admin_row_invite, admin_row_keys, admin_row_revoke, admin_row_check,
	admin_row_prune, admin_row_stats, admin_row_snapshots, admin_row_forget;

/* The keyring, opened if need be. */
int admin_keyring(struct admin_call *c, struct keyring **ret, struct err *err) MUST_CHECK;

/* --- lines: any thread that runs the call --- */

void admin_out(struct admin_call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void admin_note(struct admin_call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void admin_progress(struct admin_call *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The object (taken over; NULL is out of memory, which the call then ends with) as a line. */
void admin_out_json(struct admin_call *c, json_t *object);

/* As admin_out_json: the line of the domain that is being looked at, with these fields besides. */
void admin_out_domain(struct admin_call *c, bool ok, json_t *fields);

/* `more` (taken over) added to `to`, which is returned; NULL when out of memory. */
json_t *admin_merge(json_t *to, json_t *more);

static inline json_int_t admin_number(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

static inline const char *admin_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* The domain that is being looked at. */
static inline const char *admin_domain(const struct admin_call *c)
{
	return c->domains[c->at];
}
