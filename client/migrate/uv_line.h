/*
 * The line to the target of a migration or of backups: one thing is asked of it at a time, over a
 * session that is made when it is needed and made anew when it is lost, for as long as there is
 * patience. Loop's thread; callbacks fire from the loop.
 */
#pragma once

#include "client/migrate/uv_tree_push.h"
#include "client/push/retry.h"
#include "client/targets.h"
#include "protocol/migrate.h"

#include <jansson.h>

struct line;

struct line_config {
	uv_loop_t *loop;
	const struct target *target;
	const struct key_pair *key;
	const struct lanes_options *lanes;
	int level;
	uint64_t retry_for_ms;
	uint32_t grants;   /* that the key must have… */
	const char *needs; /* …and what is said when it has not ("does not let …") */
	/* A try failed and another follows in `wait_ms`. */
	void (*retrying)(void *ctx, const struct err *err, uint64_t wait_ms);
	void *ctx;
};

/* What the config points to must last. */
int line_new(const struct line_config *config, struct line **ret, struct err *err) MUST_CHECK;

/* Says goodbye, then `closed`; what is under way is broken off without a callback. */
void line_close(struct line *l, void (*closed)(void *ctx), void *ctx);

struct line_call {
	uint8_t migration[16];
	enum migrate_verb verb;
	uint8_t flags;
	uint32_t seconds;
	struct digest image;
	struct buf *manifest; /* of an OFFER; must last */
	bool once;	      /* one try is enough */
};

struct line_answer {
	enum migrate_stage stage;
	uint32_t up_ms;	    /* for how long it has been up */
	char container[65]; /* its ID there; "": none yet */
	json_t *report;	    /* NULL: none */
};

/* `answer` is lent, and NULL with an error. */
typedef void line_answer_fn(void *ctx, const struct line_answer *answer, const struct err *err);
void line_ask(struct line *l, const struct line_call *call, line_answer_fn *fn, void *ctx);

struct line_tree {
	uint8_t migration[16];
	const char *volume, *root, *cache;
	const struct tree_backup *backup; /* NULL: it fills that volume */
	bool reread;
};
typedef void line_tree_fn(void *ctx, const struct tree_result *result, const struct err *err);

/* The texts must last. `progress` as tree_push_ops. */
void line_send_tree(struct line *l, const struct line_tree *tree,
	void (*progress)(void *ctx, uint64_t done), line_tree_fn *fn, void *ctx);

/* A job of any other kind: what is said and heard of it is its owner's. */
struct line_talk {
	/* Says what begins the job, again for each try. */
	int (*begin)(void *ctx, struct uv_conn *conn, uint32_t job, struct err *err);
	/* A message of the target while the job is open, other than FAIL. -1: the connection ends.
	 */
	int (*message)(void *ctx, const struct message *m, struct err *err);
	/* May it be begun again when the connection is lost? */
	bool (*may_retry)(void *ctx);
};
typedef void line_talk_fn(void *ctx, const struct err *err);

/* `talk` must last. `fn` fires after line_talk_end, or with an error. */
void line_start_talk(struct line *l, const struct line_talk *talk, line_talk_fn *fn, void *ctx);

/* The job is over at this end: well (the target is told what it must be by the owner), or not (it
 * is told FAIL). `fn` fires from this call. */
void line_talk_end(struct line *l, const struct err *err);

/* The talk's connection delivers no more until it is let go on. */
void line_hold(struct line *l, bool hold);

/* What is under way ends with this error; what is asked from now on is tried. */
void line_break_off(struct line *l, const struct err *err);

/* On the wire, of all sessions and their lanes. */
uint64_t line_bytes_sent(const struct line *l);

/* May the key do this at the target? True before anything was heard of it. */
bool line_may(const struct line *l, uint32_t grants);
