#include "common/cargo/pattern.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._*?"
#define SHOWN_MAX 120

/* One pattern in its normal form. */
struct pattern {
	bool negated;
	char name[PATTERN_MAX + 32]; /* room for what normalising adds */
	char tag[PATTERN_MAX + 1];   /* "" for every tag */
};

/* A component: the bytes up to the next slash or the end. */
static size_t part_len(const char *s)
{
	return strcspn(s, "/");
}

static const char *next_part(const char *s)
{
	s += part_len(s);
	return *s ? s + 1 : s;
}

static bool is_any(const char *s)
{
	return part_len(s) == 2 && s[0] == '*' && s[1] == '*';
}

/* A glob over one component. One place to come back to is enough: a later * can stand for whatever
 * an earlier one could still take. */
static bool glob(const char *p, size_t p_len, const char *s, size_t s_len)
{
	size_t pi = 0, si = 0, star = SIZE_MAX, mark = 0;

	while (si < s_len) {
		if (pi < p_len && p[pi] == '*') {
			star = pi++;
			mark = si;
		} else if (pi < p_len && (p[pi] == '?' || p[pi] == s[si])) {
			pi++;
			si++;
		} else if (star != SIZE_MAX) {
			pi = star + 1;
			si = ++mark;
		} else {
			return false;
		}
	}
	while (pi < p_len && p[pi] == '*')
		pi++;
	return pi == p_len;
}

/* The same over components, with ** in the place of *. */
static bool name_matches(const char *p, const char *s)
{
	const char *any = NULL, *mark = NULL;

	while (*s) {
		if (*p && is_any(p)) {
			any = p = next_part(p);
			mark = s;
		} else if (*p && glob(p, part_len(p), s, part_len(s))) {
			p = next_part(p);
			s = next_part(s);
		} else if (any) {
			p = any;
			s = mark = next_part(mark);
		} else {
			return false;
		}
	}
	while (*p && is_any(p))
		p = next_part(p);
	return *p == '\0';
}

static const char *check_part(const char *s, bool first)
{
	size_t n = part_len(s);

	if (n == 0)
		return "a component is empty";
	if (memmem(s, n, "**", 2) && n != 2)
		return "** must be a whole component";
	if (memmem(s, n, "..", 2))
		return "it has ..";
	if (strspn(s, first ? LETTERS ":[]" : LETTERS) < n)
		return "it has letters that no name has";
	for (size_t i = 0; !first && i < n; i++) {
		if (s[i] >= 'A' && s[i] <= 'Z')
			return "names have no upper-case letters";
	}
	return NULL;
}

static const char *check_name(const char *name)
{
	const char *wrong = check_part(name, true);

	for (const char *at = name; !wrong && at[part_len(at)] == '/';) {
		at += part_len(at) + 1;
		wrong = check_part(at, false);
	}
	return wrong;
}

/* Writes the name with the host and the path that reference_parse would give it. */
static void normalise(const char *name, char *ret, size_t size)
{
	const char *rest = next_part(name);
	bool host = *rest && reference_is_host(name, part_len(name));
	bool hub = !host ||
		   (part_len(name) == strlen(REFERENCE_HOST) &&
			   strncmp(name, REFERENCE_HOST "/", part_len(name) + 1) == 0) ||
		   strncmp(name, REFERENCE_OLD_HOST "/", strlen(REFERENCE_OLD_HOST) + 1) == 0;
	const char *path = host ? rest : name;
	bool alone = path[part_len(path)] == '\0' && !is_any(path);

	if (is_any(name) || !hub)
		snprintf(ret, size, "%s", name);
	else
		snprintf(ret, size, REFERENCE_HOST "/%s%s", alone ? REFERENCE_LIBRARY : "", path);
}

/* NULL or what is wrong. `s` has n bytes. */
static const char *parse(const char *s, size_t n, struct pattern *ret)
{
	char text[PATTERN_MAX + 1];
	const char *at = text, *slash;
	char *colon;

	if (n == 0)
		return "it is empty";
	if (n > PATTERN_MAX)
		return "it is too long";
	if (memchr(s, '\0', n))
		return "it has letters that no name has";
	memcpy(text, s, n);
	text[n] = '\0';
	ret->negated = text[0] == '!';
	at += ret->negated;
	slash = strrchr(at, '/');
	colon = strchr(slash ? slash : at, ':');
	ret->tag[0] = '\0';
	if (colon) {
		*colon = '\0';
		if (colon[1] == '\0' || strspn(colon + 1, LETTERS) != strlen(colon + 1))
			return "behind : stands a tag, which may have * and ?";
		snprintf(ret->tag, sizeof(ret->tag), "%s", colon + 1);
	}
	if (*at == '\0' || *at == '/')
		return "a component is empty";
	normalise(at, ret->name, sizeof(ret->name));
	return check_name(ret->name);
}

static bool matches(const struct pattern *p, const struct reference *r)
{
	char name[sizeof(r->host) + sizeof(r->path)];

	snprintf(name, sizeof(name), "%s/%s", r->host, r->path);
	if (p->tag[0] && (!r->tag[0] || !glob(p->tag, strlen(p->tag), r->tag, strlen(r->tag))))
		return false;
	return name_matches(p->name, name);
}

static int check(const char *s, size_t n, struct err *err)
{
	char shown[SHOWN_MAX];
	struct pattern p;
	const char *wrong = parse(s, n, &p);

	if (!wrong)
		return 0;
	return err_set(err, ERR_USAGE, "'%s' is no pattern for images: %s",
		text_escape(shown, sizeof(shown), s, n), wrong);
}

int pattern_list_add(struct pattern_list *list, const char *pattern, struct err *err)
{
	size_t used = strlen(list->text), n = strlen(pattern);

	if (check(pattern, n, err) != 0)
		return -1;
	if (n + 1 > PATTERN_LIST_MAX - used)
		return err_set(
			err, ERR_LIMIT, "more than %u bytes of image patterns", PATTERN_LIST_MAX);
	snprintf(list->text + used, sizeof(list->text) - used, "%s%s", used ? "," : "", pattern);
	return 0;
}

int pattern_list_parse(const char *text, size_t n, struct pattern_list *ret, struct err *err)
{
	const char *at = text, *end = text + n;

	if (n > PATTERN_LIST_MAX)
		return err_set(
			err, ERR_LIMIT, "more than %u bytes of image patterns", PATTERN_LIST_MAX);
	for (;;) {
		const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;

		if (check(at, (size_t)((comma ? comma : end) - at), err) != 0)
			return -1;
		if (!comma)
			break;
		at = comma + 1;
	}
	memcpy(ret->text, text, n);
	ret->text[n] = '\0';
	return 0;
}

bool pattern_list_allows(const struct pattern_list *list, const struct reference *r)
{
	bool positive = false, allowed = false;

	for (const char *at = list->text; *at;) {
		size_t n = strcspn(at, ",");
		struct pattern p;

		if (parse(at, n, &p) != NULL)
			return false; /* cannot be: lists are checked when they are made */
		if (p.negated && matches(&p, r))
			return false;
		positive = positive || !p.negated;
		allowed = allowed || (!p.negated && matches(&p, r));
		at += n + (at[n] == ',');
	}
	return allowed || !positive;
}
