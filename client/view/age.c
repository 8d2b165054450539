#include "client/view/age.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE 60
#define HOUR 3600
#define DAY_HOURS 24

static char *count(char ret[AGE_MAX], int64_t n, const char *unit)
{
	snprintf(ret, AGE_MAX, "%" PRId64 " %s%s ago", n, unit, n == 1 ? "" : "s");
	return ret;
}

/* From two days on, a unit is used from when there are two of it. */
static char *long_ago(char ret[AGE_MAX], int64_t hours)
{
	int64_t days = hours / DAY_HOURS;

	if (days < 14)
		return count(ret, days, "day");
	if (days < 60)
		return count(ret, days / 7, "week");
	if (days < 2 * 365)
		return count(ret, days / 30, "month");
	return count(ret, days / 365, "year");
}

char *age_words(char ret[AGE_MAX], int64_t seconds)
{
	int64_t hours = seconds > 0 ? seconds / HOUR + (seconds % HOUR >= HOUR / 2) : 0;

	if (seconds < 1)
		snprintf(ret, AGE_MAX, "less than a second ago");
	else if (seconds < MINUTE)
		count(ret, seconds, "second");
	else if (seconds < 2 * MINUTE)
		snprintf(ret, AGE_MAX, "about a minute ago");
	else if (seconds < HOUR)
		count(ret, seconds / MINUTE, "minute");
	else if (hours == 1)
		snprintf(ret, AGE_MAX, "about an hour ago");
	else if (hours < 2 * DAY_HOURS)
		count(ret, hours, "hour");
	else
		long_ago(ret, hours);
	return ret;
}

/* "Z", "+02:00" or "-02:00" as seconds east of Greenwich. */
static bool parse_zone(const char *s, int64_t *ret)
{
	unsigned hours, minutes;
	int n = 0;

	*ret = 0;
	if (strcmp(s, "Z") == 0)
		return true;
	if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2u:%2u%n", &hours, &minutes, &n) != 2 ||
		s[1 + n] != '\0' || hours > 23 || minutes > 59)
		return false;
	*ret = (int64_t)hours * HOUR + (int64_t)minutes * MINUTE;
	if (*s == '-')
		*ret = -*ret;
	return true;
}

bool age_parse_time(const char *s, int64_t *ret)
{
	struct tm tm = { 0 };
	const char *at = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t zone;

	if (!at)
		return false;
	if (*at == '.')
		at += 1 + strspn(at + 1, "0123456789");
	if (!parse_zone(at, &zone))
		return false;
	*ret = (int64_t)timegm(&tm) - zone;
	return true;
}
