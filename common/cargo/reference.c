#include "common/cargo/reference.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define HEX "0123456789abcdef"
#define SHOWN_MAX 120

/* A piece of the text that is read. */
struct span {
	const char *at;
	size_t n;
};

static bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.n && memcmp(s.at, text, s.n) == 0;
}

/* True when all its bytes are among the letters. */
static bool span_of(struct span s, const char *letters)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.at[i] == '\0' || !strchr(letters, s.at[i]))
			return false;
	}
	return true;
}

/* What is before the first `c`; *rest is what is behind it. All of it when there is no `c`. */
static struct span cut(struct span s, char c, struct span *rest)
{
	const char *found = s.n ? memchr(s.at, c, s.n) : NULL;
	size_t n = found ? (size_t)(found - s.at) : s.n;

	*rest = found ? (struct span){ found + 1, s.n - n - 1 } : (struct span){ s.at + s.n, 0 };
	return (struct span){ s.at, n };
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Runs of lower-case letters and digits, with ".", "_", "__" or any number of "-" between them. */
static bool path_component_ok(struct span s)
{
	size_t i = 0;

	if (s.n == 0 || !is_alnum(s.at[0]) || !is_alnum(s.at[s.n - 1]))
		return false;
	while (i < s.n) {
		char c = s.at[i];
		size_t run = 1;

		if (is_alnum(c)) {
			i++;
			continue;
		}
		while (s.at[i + run] == c) /* ends: the last byte is a letter or digit */
			run++;
		if (!is_alnum(s.at[i + run]) ||
			!(c == '-' || (c == '_' && run <= 2) || (c == '.' && run == 1)))
			return false;
		i += run;
	}
	return true;
}

static bool path_ok(struct span path)
{
	struct span rest = path;

	do {
		const char *end = path.at + path.n;
		struct span part = cut(rest, '/', &rest);

		if (!path_component_ok(part))
			return false;
		if (part.at + part.n == end)
			return true;
	} while (true);
}

/* Names of letters, digits and inner "-", with dots between; or an IPv6 address in brackets. */
static bool host_name_ok(struct span s)
{
	struct span rest = s;

	if (s.n > 2 && s.at[0] == '[')
		return s.at[s.n - 1] == ']' &&
		       span_of((struct span){ s.at + 1, s.n - 2 }, "abcdefABCDEF0123456789:");
	for (;;) {
		struct span label = cut(rest, '.', &rest);

		if (label.n == 0 || !span_of(label, LOWER UPPER DIGITS "-") || label.at[0] == '-' ||
			label.at[label.n - 1] == '-')
			return false;
		if (label.at + label.n == s.at + s.n)
			return true;
	}
}

static bool host_ok(struct span s)
{
	const char *colon = memrchr(s.at, ':', s.n);
	struct span port;

	if (!colon || s.at[s.n - 1] == ']')
		return host_name_ok(s);
	port = (struct span){ colon + 1, (size_t)(s.at + s.n - colon - 1) };
	return port.n > 0 && port.n <= 5 && span_of(port, DIGITS) &&
	       host_name_ok((struct span){ s.at, (size_t)(colon - s.at) });
}

static bool tag_ok(struct span s)
{
	return s.n > 0 && s.n <= REFERENCE_TAG_MAX && s.at[0] != '.' && s.at[0] != '-' &&
	       span_of(s, LOWER UPPER DIGITS "_.-");
}

static bool digest_ok(struct span s)
{
	return s.n == REFERENCE_DIGEST_LEN && memcmp(s.at, "sha256:", 7) == 0 &&
	       span_of((struct span){ s.at + 7, s.n - 7 }, HEX);
}

static void copy(char *to, struct span s)
{
	memcpy(to, s.at, s.n);
	to[s.n] = '\0';
}

bool reference_is_host(const char *part, size_t n)
{
	return memchr(part, '.', n) || memchr(part, ':', n) ||
	       span_is((struct span){ part, n }, "localhost");
}

static const char *check_name(struct span host, struct span path, size_t prefix)
{
	if (host.n > 0 && !host_ok(host))
		return "what is before the first / is no host";
	if (path.n == 0)
		return "the name is missing";
	if (span_of(path, HEX) && path.n == 64)
		return "this is an ID, not a name";
	if (host.n + 1 + prefix + path.n > REFERENCE_NAME_MAX)
		return "the name is longer than 255 bytes";
	if (!path_ok(path))
		return "names are of lower-case letters and digits with single . or _ or - between";
	return NULL;
}

/* Host and path; NULL or what is wrong. */
static const char *parse_name(struct span name, struct reference *ret)
{
	struct span path, host = cut(name, '/', &path), hub = { REFERENCE_HOST, 9 };
	bool named = host.n < name.n && reference_is_host(host.at, host.n);
	const char *wrong;
	size_t prefix = 0;

	if (!named || span_is(host, REFERENCE_OLD_HOST))
		host = hub;
	if (!named)
		path = name;
	if (span_is(host, REFERENCE_HOST) && !memchr(path.at, '/', path.n))
		prefix = strlen(REFERENCE_LIBRARY);
	wrong = check_name(host, path, prefix);
	if (wrong)
		return wrong;
	copy(ret->host, host);
	memcpy(ret->path, REFERENCE_LIBRARY, prefix);
	copy(ret->path + prefix, path);
	return NULL;
}

/* NULL or what is wrong. */
static const char *parse(struct span all, struct reference *ret)
{
	struct span digest, name = cut(all, '@', &digest);
	const char *slash = name.n ? memrchr(name.at, '/', name.n) : NULL;
	const char *from = slash ? slash : name.at;
	const char *colon = memchr(from, ':', (size_t)(name.at + name.n - from));

	if (name.n < all.n) {
		if (!digest_ok(digest))
			return "behind @ stands sha256: and 64 lower-case hexadecimal digits";
		copy(ret->digest, digest);
	}
	if (colon) {
		struct span tag = { colon + 1, (size_t)(name.at + name.n - colon - 1) };

		if (!tag_ok(tag))
			return "a tag has 1 to 128 letters, digits, _ . -, and begins with none of "
			       "the last two";
		copy(ret->tag, tag);
		name.n = (size_t)(colon - name.at);
	} else if (digest.n == 0) {
		copy(ret->tag, (struct span){ "latest", 6 });
	}
	return parse_name(name, ret);
}

int reference_parse(const char *s, struct reference *ret, struct err *err)
{
	struct span all = { s, strlen(s) };
	char shown[SHOWN_MAX];
	struct reference got;
	const char *wrong;

	memset(&got, 0, sizeof(got));
	if (all.n > REFERENCE_MAX)
		wrong = "it is too long";
	else
		wrong = parse(all, &got);
	if (wrong)
		return err_set(err, ERR_USAGE, "'%s' is no image name: %s",
			text_escape(shown, sizeof(shown), s, all.n), wrong);
	*ret = got;
	return 0;
}

/* The beginning of an ID reads as a name, and "sha256:" with one as a name and a tag. */
int reference_check_typed(const char *s, struct err *err)
{
	struct span all = { s, strlen(s) };
	struct reference ignored;

	if (all.n == 64 && span_of(all, HEX))
		return 0;
	return reference_parse(s, &ignored, err);
}

/* Adds to the text of `at` bytes; the new length. Every part is as long as reference_parse lets it
 * be, so that all of them fit. */
static size_t add(char *ret, size_t at, const char *before, const char *text)
{
	int put = 0;

	if (text[0])
		put = snprintf(ret + at, REFERENCE_TEXT_MAX + 1 - at, "%s%s", before, text);
	return at + (put > 0 ? (size_t)put : 0);
}

static char *print(const struct reference *r, bool host, const char *path, char *ret)
{
	size_t at = add(ret, 0, "", host ? r->host : "");

	at = add(ret, at, host ? "/" : "", path);
	at = add(ret, at, ":", r->tag);
	add(ret, at, "@", r->digest);
	return ret;
}

char *reference_familiar(const struct reference *r, char ret[REFERENCE_TEXT_MAX + 1])
{
	const size_t library = strlen(REFERENCE_LIBRARY);
	const char *slash = strchr(r->path, '/');

	if (strcmp(r->host, REFERENCE_HOST) != 0)
		return print(r, true, r->path, ret);
	if (strncmp(r->path, REFERENCE_LIBRARY, library) == 0 && !strchr(r->path + library, '/'))
		return print(r, false, r->path + library, ret);
	/* "docker.io/a.b/c" without its host would be another host's image. */
	if (slash && reference_is_host(r->path, (size_t)(slash - r->path)))
		return print(r, true, r->path, ret);
	return print(r, false, r->path, ret);
}

char *reference_full(const struct reference *r, char ret[REFERENCE_TEXT_MAX + 1])
{
	return print(r, true, r->path, ret);
}
