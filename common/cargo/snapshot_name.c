#include "common/cargo/snapshot_name.h"

#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX_MIN 4u
#define CHOICES_MAX 5u
#define SHOWN_MAX 100

/* --- times --- */

/* `n` digits. */
static bool digits(const char **at, int n, int low, int high, int *ret)
{
	int value = 0;
	for (int i = 0; i < n; i++, ++*at) {
		if (**at < '0' || **at > '9')
			return false;
		value = value * 10 + (**at - '0');
	}
	*ret = value;
	return value >= low && value <= high;
}

static bool skip(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

static bool time_of_day(const char **at, struct tm *tm, uint64_t *lasts)
{
	*lasts = 60;
	if (!digits(at, 2, 0, 23, &tm->tm_hour) || !skip(at, ':') ||
		!digits(at, 2, 0, 59, &tm->tm_min))
		return false;
	if (!skip(at, ':'))
		return true;
	*lasts = 1;
	return digits(at, 2, 0, 59, &tm->tm_sec);
}

bool snapshot_time_parse(const char *text, uint64_t *ret_from_ms, uint64_t *ret_until_ms)
{
	struct tm tm = { 0 };
	uint64_t lasts = 24 * 3600;
	const char *at = text;
	if (!digits(&at, 4, 1970, 9999, &tm.tm_year) || !skip(&at, '-') ||
		!digits(&at, 2, 1, 12, &tm.tm_mon) || !skip(&at, '-') ||
		!digits(&at, 2, 1, 31, &tm.tm_mday))
		return false;
	if (skip(&at, 'T') && !time_of_day(&at, &tm, &lasts))
		return false;
	skip(&at, 'Z');
	tm.tm_year -= 1900;
	tm.tm_mon--;
	int day = tm.tm_mday;
	time_t seconds = timegm(&tm);
	if (*at || tm.tm_mday != day) /* there is no 30 February */
		return false;
	*ret_from_ms = (uint64_t)seconds * 1000;
	*ret_until_ms = *ret_from_ms + lasts * 1000 - 1;
	return true;
}

char *snapshot_time_text(char ret[SNAPSHOT_TIME_MAX], uint64_t time_ms)
{
	time_t seconds = (time_t)min_u64(time_ms / 1000, 253402300799u); /* of the year 9999 */
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(ret, SNAPSHOT_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return ret;
}

/* --- parsing --- */

int snapshot_name_parse(const char *text, struct snapshot_name *ret, struct err *err)
{
	char shown[SHOWN_MAX];
	const char *at = strrchr(text, '@');
	uint64_t from, until = UINT64_MAX;
	size_t n = at ? (size_t)(at - text) : strlen(text);
	if (n == 0)
		return err_set(err, ERR_USAGE,
			"'%s' names no snapshot: give an ID, NAME, NAME@TIME or HOST/NAME",
			text_escape(shown, sizeof shown, text, strlen(text)));
	if (at && strcmp(at + 1, "latest") != 0 && !snapshot_time_parse(at + 1, &from, &until))
		return err_set(err, ERR_USAGE,
			"'%s': behind the @ comes latest or a time in UTC, as 2026-11-24 or "
			"2026-11-24T17:20",
			text_escape(shown, sizeof shown, text, strlen(text)));
	char *what = strndup(text, n);
	if (!what)
		return err_nomem(err);
	*ret = (struct snapshot_name){ .what = what, .until_ms = until, .by_time = at != NULL };
	return 0;
}

void snapshot_name_done(struct snapshot_name *n)
{
	free(n->what);
	*n = (struct snapshot_name){ 0 };
}

/* --- resolving --- */

static bool is_prefix(const char *what, size_t n, const struct digest *id)
{
	char hex[DIGEST_HEX_LEN + 1];
	digest_hex(id, hex);
	return n >= PREFIX_MIN && n <= DIGEST_HEX_LEN && memcmp(what, hex, n) == 0;
}

/* NAME or KIND:NAME. */
static bool is_name(const char *what, const struct snapshot_info *s)
{
	size_t n = strlen(s->kind), len = strlen(what);
	if (strncmp(what, s->kind, n) == 0 && what[n] == ':' && is_name(what + n + 1, s))
		return true;
	if (strcmp(what, s->name) == 0)
		return true;
	return strcmp(s->kind, "image") == 0 && strncmp(what, s->name, len) == 0 &&
	       strcmp(s->name + len, ":latest") == 0;
}

static bool is_meant(const char *what, const struct snapshot_info *s)
{
	size_t n = strlen(s->host);
	if (is_name(what, s))
		return true;
	return n > 0 && strncmp(what, s->host, n) == 0 && what[n] == '/' &&
	       is_name(what + n + 1, s);
}

static bool same_thing(const struct snapshot_info *a, const struct snapshot_info *b)
{
	return strcmp(a->host, b->host) == 0 && strcmp(a->kind, b->kind) == 0 &&
	       strcmp(a->name, b->name) == 0;
}

/* What the name could mean, for people. */
struct choices {
	char text[512];
	size_t n;
	size_t last; /* of each thing the newest that is early enough; or the ID */
	const struct snapshot_info *seen[CHOICES_MAX];
};

static void add_choice(struct choices *c, const struct snapshot_info *s, bool by_id)
{
	char id[DIGEST_HEX_LEN + 1], host[SHOWN_MAX], name[SHOWN_MAX], when[SNAPSHOT_TIME_MAX];
	size_t used = strlen(c->text);
	if (c->n < CHOICES_MAX)
		c->seen[c->n] = s;
	if (c->n++ >= CHOICES_MAX)
		return;
	digest_hex(&s->id, id);
	id[SNAPSHOT_SHORT_LEN] = '\0';
	text_escape(host, sizeof host, s->host, strlen(s->host));
	text_escape(name, sizeof name, s->name, strlen(s->name));
	if (by_id)
		snprintf(c->text + used, sizeof c->text - used, "%s%s (%s/%s %s)", used ? ", " : "",
			id, host, name, snapshot_time_text(when, s->time_ms));
	else
		snprintf(c->text + used, sizeof c->text - used, "%s%s/%s:%s", used ? ", " : "",
			host, s->kind, name);
}

static bool is_new_thing(const struct choices *c, const struct snapshot_info *s)
{
	for (size_t i = 0; i < min_size(c->n, CHOICES_MAX); i++)
		if (same_thing(c->seen[i], s))
			return false;
	return true;
}

/* The list is in order of time, so the last one is the newest. */
static void find_names(const struct snapshot_name *name, const struct snapshot_list *all,
	struct choices *c, bool *ret_later)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct snapshot_info *s = &all->items[i];
		if (!is_meant(name->what, s))
			continue;
		if (s->time_ms > name->until_ms) {
			*ret_later = true;
			continue;
		}
		if (is_new_thing(c, s))
			add_choice(c, s, false);
		c->last = i;
	}
}

static void find_ids(
	const struct snapshot_name *name, const struct snapshot_list *all, struct choices *c)
{
	size_t n = strlen(name->what);
	for (size_t i = 0; !name->by_time && i < all->n; i++)
		if (is_prefix(name->what, n, &all->items[i].id)) {
			add_choice(c, &all->items[i], true);
			c->last = i;
		}
}

int snapshot_name_resolve(const struct snapshot_name *name, const struct snapshot_list *all,
	size_t *ret, struct err *err)
{
	struct choices names = { 0 }, ids = { 0 };
	bool later = false;
	char shown[SHOWN_MAX];
	find_names(name, all, &names, &later);
	find_ids(name, all, &ids);
	text_escape(shown, sizeof shown, name->what, strlen(name->what));
	if (names.n + ids.n == 0)
		return err_set(err, ERR_NOT_FOUND,
			later ? "all snapshots of '%s' are later than that"
			      : "no snapshot is named '%s'",
			shown);
	if (names.n + ids.n > 1)
		return err_set(err, ERR_USAGE, "'%s' could be %s%s%s%s", shown, names.text,
			names.n && ids.n ? ", " : "", ids.text,
			names.n > CHOICES_MAX || ids.n > CHOICES_MAX ? ", …" : "");
	*ret = names.n ? names.last : ids.last;
	return 0;
}
