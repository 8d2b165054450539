/*
 * What loads are under way, durably: one small JSON file each in a directory of its own, written
 * before the load and removed after it, so that a start after a crash can clean up. Blocking,
 * quick.
 */
#pragma once

#include "common/chunk/digest.h"
#include "protocol/limits.h"

#define LOAD_ENTRY_MAX (64u << 10) /* bytes of a file */
#define LOAD_ENTRIES_MAX 4096u
#define LOAD_PREFIXES_MAX 256u /* of an entry */

struct load_entry {
	struct digest image; /* the config's digest */
	struct digest id;    /* the engine's, of the image that the load makes */
	bool id_known;	     /* else the engine has not had all of it yet, and made nothing */
	uint32_t job;
	bool existed;	    /* the image was there before: never delete it */
	uint64_t committed; /* Unix time at which the engine had the whole archive, and later, if
			     * it did, that at which the connection broke; 0: it had not */
	/* Images of its lower layers that the load made, or may have made. */
	struct digest *prefixes;
	size_t n_prefixes;
	uint64_t kept; /* Unix time since which they wait for the same push; 0: they do not */
	char key[KEY_NAME_MAX + 1]; /* whose push that is */
};

/* Nothing of what the load made, or might still make, is left to clean up after. */
static inline bool load_entry_settled(const struct load_entry *entry)
{
	return (entry->existed || !entry->id_known) && entry->n_prefixes == 0;
}

/* Makes or replaces the entry's file. */
int load_journal_write(const char *dir, const struct load_entry *entry, struct err *err) MUST_CHECK;

/* A missing file is success. */
int load_journal_remove(
	const char *dir, const struct digest *image, uint32_t job, struct err *err) MUST_CHECK;

/* All entries; load_entries_free frees *ret. Files that are no entries are left alone, and counted
 * in *ret_odd when they are named like one. A missing directory holds none. */
int load_journal_list(const char *dir, struct load_entry **ret, size_t *ret_n, size_t *ret_odd,
	struct err *err) MUST_CHECK;
void load_entries_free(struct load_entry *list, size_t n);
