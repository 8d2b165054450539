/*
 * The line to the target of a migration: one thing is asked of it at a time, over a session that is
 * made when it is needed and made anew when it is lost, for as long as there is patience. Loop's
 * thread; callbacks fire from the loop.
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
	bool reread;
};
typedef void line_tree_fn(void *ctx, const struct tree_result *result, const struct err *err);

/* The texts must last. `progress` as tree_push_ops. */
void line_send_tree(struct line *l, const struct line_tree *tree,
	void (*progress)(void *ctx, uint64_t done), line_tree_fn *fn, void *ctx);

/* What is under way ends with this error; what is asked from now on is tried. */
void line_break_off(struct line *l, const struct err *err);

/* On the wire, of all sessions and their lanes. */
uint64_t line_bytes_sent(const struct line *l);

/* May the key do this at the target? True before anything was heard of it. */
bool line_may(const struct line *l, uint32_t grants);
