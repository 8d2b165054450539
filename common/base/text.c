#include "common/base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

char *text_escape(char *ret, size_t size, const char *s, size_t n)
{
	size_t at = 0, cut = 0; /* `cut`: where "..." still fits after whole units */

	assert(size > 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];
		bool plain = c >= 0x20 && c < 0x7f && c != '\\';
		size_t need = plain ? 1 : 4;

		if (size - at <= need) { /* the terminator needs one too */
			size_t dots = min_size(3, size - 1 - cut);

			memcpy(ret + cut, "...", dots);
			ret[cut + dots] = '\0';
			return ret;
		}
		if (plain) {
			ret[at++] = (char)c;
		} else {
			ret[at++] = '\\';
			ret[at++] = 'x';
			ret[at++] = hex[c >> 4];
			ret[at++] = hex[c & 15];
		}
		if (size - at > 3)
			cut = at;
	}
	ret[at] = '\0';
	return ret;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool text_is_name(const char *s, size_t n)
{
	if (n == 0 || n > TEXT_NAME_MAX || !is_alnum(s[0]))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!is_alnum(s[i]) && s[i] != '_' && s[i] != '.' && s[i] != '-')
			return false;
	}
	return true;
}

char *text_size(char ret[TEXT_SIZE_MAX], uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)bytes;
	size_t unit = 0;

	/* 999.5 and up would be printed as 1e+03. */
	while (v >= 999.5 && unit + 1 < ARRAY_LEN(units)) {
		v /= 1000;
		unit++;
	}
	snprintf(ret, TEXT_SIZE_MAX, "%.3g%s", v, units[unit]);
	return ret;
}

char *text_seconds(char ret[TEXT_SECONDS_MAX], double seconds)
{
	unsigned whole;

	if (!(seconds > 0)) /* not a number, too */
		seconds = 0;
	if (seconds < 59.95) {
		snprintf(ret, TEXT_SECONDS_MAX, "%.1fs", seconds);
		return ret;
	}
	whole = seconds < 1e9 ? (unsigned)(seconds + 0.5) : 1000000000u;
	if (whole < 3600)
		snprintf(ret, TEXT_SECONDS_MAX, "%um%02us", whole / 60, whole % 60);
	else
		snprintf(ret, TEXT_SECONDS_MAX, "%uh%02um", whole / 3600, whole % 3600 / 60);
	return ret;
}

/* Digits at *s, moved past them; false when there are none or they do not fit. */
static bool parse_digits(const char **s, uint64_t *ret)
{
	const char *at = *s;
	uint64_t v = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*at - '0'), &v))
			return false;
	}
	if (at == *s)
		return false;
	*s = at;
	*ret = v;
	return true;
}

/* "", "B", "k", "kB", "M"... as a factor; 0 when it is none. */
static uint64_t size_unit(const char *s)
{
	static const char letters[] = "kmgtpe";
	uint64_t factor = 1;
	const char *found;

	if (*s == '\0')
		return 1;
	if ((s[0] == 'B' || s[0] == 'b') && s[1] == '\0')
		return 1;
	found = strchr(letters, *s | 0x20);
	if (!found || !((s[1] == '\0') || ((s[1] == 'B' || s[1] == 'b') && s[2] == '\0')))
		return 0;
	for (const char *at = letters; at <= found; at++)
		factor *= 1000;
	return factor;
}

bool text_parse_size(const char *s, uint64_t *ret)
{
	const char *fraction = NULL;
	uint64_t v, factor, step;

	if (!parse_digits(&s, &v))
		return false;
	if (*s == '.') {
		uint64_t digits;

		fraction = ++s;
		if (!parse_digits(&s, &digits))
			return false;
	}
	factor = size_unit(s);
	if (factor == 0 || __builtin_mul_overflow(v, factor, &v))
		return false;
	step = factor;
	for (; fraction && fraction < s; fraction++) {
		uint64_t digit = (uint64_t)(*fraction - '0');

		step /= 10;
		if (step == 0 && digit != 0) /* parts of a byte */
			return false;
		if (__builtin_add_overflow(v, digit * step, &v))
			return false;
	}
	*ret = v;
	return true;
}

bool text_parse_seconds(const char *s, uint64_t *ret)
{
	static const struct {
		char letter;
		uint64_t factor;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t v;

	if (!parse_digits(&s, &v))
		return false;
	if (*s == '\0') {
		*ret = v;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s[0] == units[i].letter && s[1] == '\0')
			return !__builtin_mul_overflow(v, units[i].factor, ret);
	}
	return false;
}
