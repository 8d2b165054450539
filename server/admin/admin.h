/*
 * Administration of a receiver, beside a running `serve` or alone. A command is a row of a table;
 * it takes a JSON object of parameters and says its results line by line. `drayd COMMAND` asks the
 * running serve over STATE/admin.sock (admin_client.c, uv_admin.c); when none is there it runs the
 * same row itself (admin_local.c), so that there is one implementation of each.
 *
 * On the socket: one request {"command": NAME, "parameters": {…}} on a line; replies, each on a
 * line: {"out": TEXT} a result for stdout, {"note": TEXT} for stderr, {"progress": TEXT} how far it
 * is, each replacing the one before, and at the end {"done": CODE, "error": TEXT} with the name of
 * an enum err_code ("none": success). A client that closes its end gives the command up.
 */
#pragma once

#include "common/base/address.h"
#include "common/base/buf.h"
#include "common/store/store.h"

#include <jansson.h>

#define ADMIN_REQUEST_MAX (64u << 10)
#define ADMIN_CLIENTS_MAX 8u
#define ADMIN_REPLY_MAX (4u << 20) /* replies that wait to be taken; a line is far shorter */

struct keyring;

/* --- what a command works on --- */

typedef void admin_session_fn(void *ctx, const char *key, const char *where, size_t jobs);

struct admin_env {
	const char *state_dir;
	struct keyring *keyring; /* NULL: opened by the row that needs it; the caller closes it */
	bool serving;		 /* the rest is of a running serve only */
	const struct address *listening;
	size_t n_listening;
	const struct store_limits *limits; /* NULL: not known */
	void (*revoked)(void *ctx);	   /* keys left the keyring: end their sessions */
	void (*sessions)(void *ctx, admin_session_fn *fn, void *fn_ctx);
	void *ctx;
};

/* --- running one: one thread, but for admin_step --- */

struct admin_call;

/* Does the command work on the stores? Then it needs STATE/lock where no serve is; keys have a lock
 * of their own. False for a command that is none. */
bool admin_needs_store(const char *command);

/* Finds the command and takes its parameters (an object, or NULL for none; not kept). ERR_USAGE:
 * there is no such command, or it has no such parameters. `env` must outlive the call. */
int admin_begin(struct admin_env *env, const char *command, json_t *parameters,
	struct admin_call **ret, struct err *err) MUST_CHECK;

/* Goes on. The name of the domain in whose store admin_step has to be called next (or
 * admin_not_open, when the store cannot be opened), before the next turn; NULL: it is over. */
const char *admin_turn(struct admin_call *c);

/* About 50 ms of work where the store allows it. The store's thread; nothing else of the call may
 * run meanwhile. */
void admin_step(struct admin_call *c, struct store *s);
void admin_not_open(struct admin_call *c, const struct err *why);

/* Gives it up: what is left are the turns and steps that let go of what it holds. */
void admin_give_up(struct admin_call *c);

/* How it ended, once it is over: ERR_NONE or why not. */
const struct err *admin_result(const struct admin_call *c);

/* Lines to be sent, oldest first, the last one (when it is over) "done". The caller takes them away
 * after every turn and step; they may hold a secret: wipe them (secret_file_wipe). */
struct buf *admin_replies(struct admin_call *c);

/* Only one of these at a time (a check). */
bool admin_is_alone(const struct admin_call *c);

/* It changes something: worth a line in the log. */
bool admin_changes(const struct admin_call *c);

void admin_free(struct admin_call *c); /* NULL is fine; it must be over */

/* --- lines --- */

/* Appends {WORD: TEXT} and a newline; text that is not UTF-8 is escaped. */
void admin_put_line(struct buf *to, const char *word, const char *text);
void admin_put_done(struct buf *to, const struct err *result);

/* One reply, taken apart. */
enum admin_reply_kind { ADMIN_OUT, ADMIN_NOTE, ADMIN_PROGRESS, ADMIN_DONE };
struct admin_reply {
	enum admin_reply_kind kind;
	const char *text;  /* out, note, progress: lives as long as `json` */
	json_t *json;	   /* caller json_decref */
	struct err result; /* done */
};
int admin_parse_reply(
	const char *line, size_t n, struct admin_reply *ret, struct err *err) MUST_CHECK;
