/*
 * What the parts of a migration share: uv_migrate.c (its life and its stages), uv_migrate_source.c
 * (the engine beside it), uv_migrate_send.c (what goes to the target), uv_migrate_cutover.c
 * (COMMIT, and the way back), migrate_result.c (what is said).
 */
#pragma once

#include "client/client.h"
#include "client/migrate/flat_image.h"
#include "client/migrate/journal.h"
#include "client/migrate/uv_line.h"
#include "client/migrate/uv_migrate.h"
#include "client/push/uv_target.h"
#include "common/cargo/container_findings.h"
#include "common/cargo/container_order.h"
#include "common/engine/container_facts.h"

struct migrate_run;

#define MIGRATION_TREES_MAX 512u

/* A volume whose contents travel. */
struct migration_tree {
	char *name;	    /* at the target; owned */
	char *root, *cache; /* owned */
	struct tree_result result;
};

struct migration {
	struct migrate_run *run;
	const char *typed;
	struct journal j;
	bool journaled; /* there is a file of it */
	int lock;	/* -1: none */

	json_t *manifest;
	struct buf order;
	char *maps_text; /* the journal's, cut into maps */
	struct container_path_map maps[CONTAINER_MAPS_MAX];
	size_t n_maps;
	struct migration_tree *trees;
	size_t n_trees, at; /* at: the tree that is sent */
	unsigned rounds;    /* of --live */
	uint64_t round_bytes, last_round_bytes;
	struct digest config; /* of the commit's image */

	uint64_t started_ms, commit_ms, up_ms;
	uint64_t bytes_sent, image_bytes, tree_bytes;
	size_t layers, layers_skipped;
	char made[65];	 /* the container's ID at the target */
	json_t *report;	 /* rows; NULL: none yet */
	bool resumed;	 /* it was begun by an earlier process */
	bool offered;	 /* the target knows of it */
	bool broken_off; /* by a signal */
	bool unknown;	 /* the target may be live */
	bool undone;	 /* a success of --undo */
	struct err err;	 /* the first thing that went wrong */
	void (*then)(struct migration *m), (*after_drop)(struct migration *m),
		(*after_live)(struct migration *m);
	bool pause;		 /* for the commit */
	struct flat_image *flat; /* in the making; NULL: none */
};

struct migrate_run {
	const struct migrate_options *o;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t timer;
	struct engine_address address;
	struct engine *engine;
	struct line *line;
	char *dir; /* of the journal */
	struct migration *now;
	struct migration *list; /* one for each name */
	size_t at;
	bool closing;

	/* the image on its way */
	struct report report;
	struct readings *readings;
	struct run_image image;
	struct run_shared shared;
	struct uv_target *leg;	 /* NULL: none */
	struct uv_target **legs; /* those that are over: freed after the loop */
	size_t n_legs;
	uv_timer_t clock;
	bool clock_open;

	bool stopping;	/* signal */
	struct err err; /* of the start */
};

/* --- uv_migrate.c --- */

/* Something went wrong: turns back, as far as the stage allows. */
void migration_fail(struct migration *m, const struct err *err);

/* The journal, and then the stage. -1: it did not happen, and migration_fail was called. */
int migration_enter(struct migration *m, enum cutover_event event) MUST_CHECK;

/* Writes the journal as it is. -1: likewise. */
int migration_note(struct migration *m) MUST_CHECK;

/* It is over; the next one. */
void migration_over(struct migration *m);

uint64_t migration_now_ms(void); /* Unix time */

/* --- uv_migrate_look.c --- */

void migration_begin(struct migration *m);

/* --- uv_migrate_source.c --- */

/* After a call of the engine: false, and it has failed, when that did or the user stopped it. */
bool migration_went_well(struct migration *m, const struct err *err);

void migration_take_down(struct migration *m, void (*then)(struct migration *m));
/* `pause`: while its files are read, if it runs. */
void migration_commit_image(struct migration *m, bool pause, void (*then)(struct migration *m));
/* As it was; `then` only when that is so. */
void migration_put_back(struct migration *m, void (*then)(struct migration *m));
/* The commit at the source goes; what fails there does not matter. */
void migration_drop_image(struct migration *m, void (*then)(struct migration *m));

/* --- uv_migrate_send.c --- */

struct line_call migration_call(const struct migration *m, enum migrate_verb verb);

void migration_offer(struct migration *m);
void migration_send_image(
	struct migration *m, const char *image, void (*then)(struct migration *m));
void migration_send_trees(struct migration *m, void (*then)(struct migration *m));
void migration_prepare(struct migration *m);
void migration_break_off_leg(struct migrate_run *r, const struct err *err);

/* --- uv_migrate_live.c --- */

/* What can be sent while the source runs. */
void migration_send_ahead(struct migration *m, void (*then)(struct migration *m));

/* --- uv_migrate_cutover.c --- */

void migration_ask_commit(struct migration *m);
void migration_turn_back(
	struct migration *m);		     /* SENT, LIVE or UNDOING: UNDO, whose answer counts */
void migration_go_back(struct migration *m); /* BACK: the source, then what can be told */
void migration_close(struct migration *m);   /* LIVE */

/* --- migrate_result.c --- */

void migrate_say_phase(const struct migration *m, const char *phase);
void migrate_say_findings(const struct migration *m);
void migrate_say_result(const struct migration *m);

/* Rows that are not carried or changed: how many, and the first as text. */
size_t migrate_missing(const json_t *report, char *ret, size_t size);
