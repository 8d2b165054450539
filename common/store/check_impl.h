/* What check.c (packs, and the whole) and check_blobs.c share; nobody else includes it. */
#pragma once

#include "common/cargo/snapshot_info.h"
#include "common/store/check.h"
#include "common/store/index_walk.h"
#include "common/store/mark.h"
#include "common/store/store_impl.h"

enum check_phase { CHECK_PACKS, CHECK_BLOBS, CHECK_HURT, CHECK_SNAPSHOTS, CHECK_DONE };

/* A blob that is being walked: its record, then list by list the recipe chunks. */
struct check_walk {
	bool open;
	struct digest blob, name_of_record;
	struct blob_record record;
	int stream;
	uint32_t list;			     /* the next one of the stream */
	struct digest names[LIST_NAMES_MAX]; /* of the list at hand */
	size_t name, n_names;
};

struct store_check {
	struct store *s;
	bool read_data;
	enum check_phase phase;
	struct store_check_report report;
	struct store_watch watch;
	uint64_t given_up; /* of the store, at the beginning */

	/* packs: the one at hand is packs[at] */
	struct index_pack *packs;
	size_t n_packs, at;
	bool in_pack;
	struct store_check_report before; /* what was said when the pack was begun */
	uint64_t changes;		  /* of the store, then */
	bool had_damage;		  /* known, then */
	struct index_record *records;
	size_t n_records, record;
	uint64_t end, places; /* of the records so far */

	/* blobs */
	bool none_given_up; /* no pack ever was: a blob that is not whole is a damaged one */
	bool begun;
	struct digest last; /* looked at, in their order */
	size_t hurt;	    /* of watch.hurt: looked at */
	struct check_walk walk;

	/* snapshots: first all is marked, then each is asked */
	struct mark *mark; /* NULL: not begun */
	uint64_t rebuilds; /* of the store, then */
	bool table_read, marked;
	struct snapshot_list snapshots;
	size_t snapshot; /* the next one */
};

/* Goes on with all blobs, then with those that were hurt, by one piece; *ret_done: there are no
 * more. */
int store_check_blobs(struct store_check *c, bool *ret_done, struct err *err) MUST_CHECK;
int store_check_hurt(struct store_check *c, bool *ret_done, struct err *err) MUST_CHECK;

/* The same with snapshots. */
int store_check_snapshots(struct store_check *c, bool *ret_done, struct err *err) MUST_CHECK;
void store_check_snapshots_done(struct store_check *c);

void store_check_walk_done(struct check_walk *w);
