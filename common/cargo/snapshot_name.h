/*
 * How people name a snapshot: ID or a prefix of it (4 digits or more), NAME, NAME@latest,
 * NAME@TIME, HOST/NAME and the same with @. NAME may have its kind before it (volume:data), and an
 * image's may leave ":latest" out. TIME is in UTC: 2026-11-24, 2026-11-24T17:20 or
 * 2026-11-24T17:20:05, with or without Z; the newest one not later than it is meant, and a time
 * that is not full lasts until its end. Pure.
 */
#pragma once

#include "common/base/err.h"
#include "common/cargo/snapshot_info.h"

struct snapshot_name {
	char *what;	   /* before the @; owned */
	uint64_t until_ms; /* UINT64_MAX: the latest */
	bool by_time;	   /* there was an @: an ID is not meant */
};

/* ERR_USAGE says what is wrong. Caller snapshot_name_done. */
int snapshot_name_parse(const char *text, struct snapshot_name *ret, struct err *err) MUST_CHECK;
void snapshot_name_done(struct snapshot_name *n);

/* Which one of the list is meant. ERR_NOT_FOUND; ERR_USAGE when several things have the name, with
 * the choices in the text. */
int snapshot_name_resolve(const struct snapshot_name *name, const struct snapshot_list *all,
	size_t *ret, struct err *err) MUST_CHECK;

/* A time as above; `ret_until_ms` is its last millisecond. False: it is none. */
bool snapshot_time_parse(const char *text, uint64_t *ret_from_ms, uint64_t *ret_until_ms);

/* "2026-11-24T17:20:05Z". */
#define SNAPSHOT_TIME_MAX 32
char *snapshot_time_text(char ret[SNAPSHOT_TIME_MAX], uint64_t time_ms);
