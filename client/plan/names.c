#include "client/plan/names.h"

#include <string.h>

#define PODMANS_HOST "localhost"

/* A name with a digest and no tag stands for all tags. */
static bool same_tag(const struct reference *typed, const struct reference *ref)
{
	return !typed->tag[0] || strcmp(ref->tag, typed->tag) == 0;
}

static bool is_typed(const struct reference *typed, const struct reference *ref)
{
	return strcmp(ref->host, typed->host) == 0 && strcmp(ref->path, typed->path) == 0 &&
	       same_tag(typed, ref);
}

/* The path as it was typed, when that was without a registry; else NULL. */
static const char *short_path(const char *text, const struct reference *typed)
{
	size_t first = strcspn(text, "/"), library = strlen(REFERENCE_LIBRARY);

	if (text[first] == '/')
		return reference_is_host(text, first) ? NULL : typed->path;
	return typed->path + (strncmp(typed->path, REFERENCE_LIBRARY, library) == 0 ? library : 0);
}

static bool ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0 && (n == m || path[n - m - 1] == '/');
}

struct choice {
	const struct reference *typed;
	const char *short_path;
	char *const *tags;
	size_t n_tags;
	const char **ret;
};

typedef bool names_match_fn(const struct choice *c, const struct reference *ref);

static bool match_typed(const struct choice *c, const struct reference *ref)
{
	return is_typed(c->typed, ref);
}

static bool match_podmans(const struct choice *c, const struct reference *ref)
{
	return strcmp(ref->host, PODMANS_HOST) == 0 && strcmp(ref->path, c->short_path) == 0 &&
	       same_tag(c->typed, ref);
}

static bool match_end(const struct choice *c, const struct reference *ref)
{
	return ends_in(ref->path, c->short_path) && same_tag(c->typed, ref);
}

static size_t choose(const struct choice *c, names_match_fn *matches)
{
	struct reference ref;
	struct err ignored;
	size_t n = 0;

	for (size_t i = 0; i < c->n_tags; i++) {
		if (reference_parse(c->tags[i], &ref, &ignored) == 0 && matches(c, &ref))
			c->ret[n++] = c->tags[i];
	}
	return n;
}

static size_t choose_short(const struct choice *c, char as_typed[REFERENCE_TEXT_MAX + 1])
{
	size_t n = choose(c, match_podmans);

	if (n == 0)
		return choose(c, match_end);
	if (!c->typed->tag[0])
		return n;
	reference_familiar(c->typed, as_typed);
	c->ret[0] = as_typed;
	return 1;
}

size_t names_choose(const char *typed, char *const *tags, size_t n_tags, const char **ret,
	char as_typed[REFERENCE_TEXT_MAX + 1])
{
	struct choice c = { .tags = tags, .n_tags = n_tags, .ret = ret };
	struct reference ref;
	struct err ignored;
	bool named = reference_parse(typed, &ref, &ignored) == 0;
	size_t n = 0;

	c.typed = &ref;
	c.short_path = named ? short_path(typed, &ref) : NULL;
	if (named)
		n = choose(&c, match_typed);
	if (n == 0 && c.short_path)
		n = choose_short(&c, as_typed);
	if (n > 0 || (named && ref.digest[0]))
		return n;
	for (; n < n_tags; n++)
		ret[n] = tags[n];
	return n;
}
