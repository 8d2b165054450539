/*
 * The pins of an open store. A pin is a set of packs in memory; what is new in it becomes rows of
 * the index with the next sync. Several jobs with one owner share a pin, which ends with the last
 * of them. The store's thread. Rules: common/store/README.md, "Keeping and giving up".
 */
#pragma once

#include "common/store/index.h"

struct store_pin {
	struct store_pin *next;
	struct digest owner;
	uint64_t serial;    /* unlike that of any other pin of this store */
	unsigned users;	    /* 0: ended, and waits for its rows to be committed */
	bool finished;	    /* once ended */
	uint64_t new_bytes; /* see store_pin_new_bytes */
	bool written;	    /* an ended one: its rows are in the open transaction */
	bool rewrite;	    /* all packs are new to the index, not only `fresh` */
	struct pack_set packs, fresh;
};

/* Adds packs; `pin` NULL is fine. Counts as use of a pack that is new to the pin. */
int pin_add(struct store *s, struct store_pin *pin, uint32_t pack, struct err *err) MUST_CHECK;
int pin_add_all(struct store *s, struct store_pin *pin, const struct pack_set *packs,
	struct err *err) MUST_CHECK;

/* At the opening of a store: pins that ended are taken out, none lasts longer than
 * STORE_PIN_SECONDS from now on. */
int pins_age(struct index *ix, struct err *err) MUST_CHECK;

/* Puts what is new into the index, uncommitted. */
int pins_write(struct store *s, struct err *err) MUST_CHECK;

/* The transaction was committed, or lost. */
void pins_committed(struct store *s);
void pins_lost(struct store *s);

/* Adds every pack that is pinned now. */
int pins_collect(struct store *s, struct pack_set *ret, struct err *err) MUST_CHECK;

void pins_free(struct store *s);
