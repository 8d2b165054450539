/* Text for people: escaped names, sizes, durations. Any thread. */
#pragma once

#include "common/base/base.h"

/* Copies `n` bytes of `s` into `ret`, every byte outside printable ASCII (and the backslash) as
 * \xNN; cut with "..." when it does not fit. Always terminated. Returns `ret`. */
char *text_escape(char *ret, size_t size, const char *s, size_t n);

/* Names of keys, groups and targets: a letter or digit, then up to 61 letters, digits or any of
 * "_.-". Fit to be a file's name. */
#define TEXT_NAME_MAX 62
#define TEXT_NAME_RULE "1 to 62 letters, digits and any of _.- behind a letter or digit"
bool text_is_name(const char *s, size_t n);

/* Decimal, as docker prints them: "0B", "999B", "1.5kB", "23MB", "1.13GB". Returns `ret`. */
#define TEXT_SIZE_MAX 16
char *text_size(char ret[TEXT_SIZE_MAX], uint64_t bytes);

/* "0.4s", "12.3s", "3m05s", "2h07m". Returns `ret`. */
#define TEXT_SECONDS_MAX 16
char *text_seconds(char ret[TEXT_SECONDS_MAX], double seconds);

/* Reads "10", "10k", "10MB", "1.5G" (decimal, a byte count); false when it is not one. */
bool text_parse_size(const char *s, uint64_t *ret);

/* Reads "90", "90s", "15m", "2h", "7d" as seconds; false when it is not one. */
bool text_parse_seconds(const char *s, uint64_t *ret);
