/* How long ago something was, in docker's words. Pure. */
#pragma once

#include "common/base/base.h"

#define AGE_MAX 40

/* "3 weeks ago". What lies in the future is "less than a second ago": clocks differ. */
char *age_words(char ret[AGE_MAX], int64_t seconds);

/* Reads a time of RFC 3339 ("2026-11-24T13:20:05.123Z", or with "+02:00"), as seconds since 1970.
 * False when it is not one. */
bool age_parse_time(const char *s, int64_t *ret);
