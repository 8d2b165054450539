#include "client/doctor/known_fixes.h"

#include <stdlib.h>
#include <string.h>

/* Each as its advisory says. Only what an image can do to an engine that loads or runs it, and what
 * dray asks of an engine. */
static const struct known_fix fixes[] = {
	{ PRODUCT_DOCKER, NULL, "29.7.0", "CVE-2026-17106",
		"a layer's archive can write outside of its directory when it is loaded" },
	{ PRODUCT_DOCKER, "25.0.0", "26.1.0", "CVE-2024-36620",
		"asking for the history of an image without times fails inside the engine" },
	{ PRODUCT_RUNC, NULL, "1.1.12", "CVE-2024-21626",
		"an image's working directory can lead its container out to the host" },
	{ PRODUCT_RUNC, NULL, "1.2.8", "CVE-2025-31133, -52565, -52881",
		"a container can get out by what it puts in the place of /dev/null or /proc "
		"files" },
	{ PRODUCT_RUNC, "1.3.0-rc.1", "1.3.3", "CVE-2025-31133, -52565, -52881",
		"a container can get out by what it puts in the place of /dev/null or /proc "
		"files" },
	{ PRODUCT_RUNC, "1.4.0-rc.1", "1.4.0-rc.3", "CVE-2025-31133, -52565, -52881",
		"a container can get out by what it puts in the place of /dev/null or /proc "
		"files" },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number at *at, moved past it and a dot behind it. */
static unsigned long take_number(const char **at)
{
	char *end;
	unsigned long v = strtoul(*at, &end, 10);

	*at = *end == '.' && is_digit(end[1]) ? end + 1 : end;
	return v;
}

/* "-rc.2" as 2 and "-beta" as 0; a release is behind all of its pre-releases. A "-" with something
 * else ("-ce", "-0ubuntu3") is no pre-release. */
static unsigned long pre_release(const char *s)
{
	if (strncmp(s, "-rc", 3) != 0 && strncmp(s, "-beta", 5) != 0 &&
		strncmp(s, "-alpha", 6) != 0)
		return (unsigned long)-1;
	s += strcspn(s, "0123456789+~");
	return is_digit(*s) ? strtoul(s, NULL, 10) : 0;
}

static int order(unsigned long a, unsigned long b)
{
	return a < b ? -1 : a > b;
}

int version_compare(const char *a, const char *b)
{
	int r = 0;

	a += *a == 'v';
	b += *b == 'v';
	while (r == 0 && (is_digit(*a) || is_digit(*b)))
		r = order(is_digit(*a) ? take_number(&a) : 0, is_digit(*b) ? take_number(&b) : 0);
	return r != 0 ? r : order(pre_release(a), pre_release(b));
}

static bool lacks(const struct known_fix *f, const char *version)
{
	return (!f->from || version_compare(version, f->from) >= 0) &&
	       version_compare(version, f->below) < 0;
}

const struct known_fix *known_fix_next(
	const struct known_fix *last, enum product product, const char *version)
{
	const struct known_fix *f = last ? last + 1 : fixes;

	if (!is_digit(version[version[0] == 'v']))
		return NULL;
	while (f < fixes + ARRAY_LEN(fixes) && (f->product != product || !lacks(f, version)))
		f++;
	return f < fixes + ARRAY_LEN(fixes) ? f : NULL;
}
