#include "common/base/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool is_set(const char *s)
{
	return s && *s;
}

bool terminal_is_utf8(const char *lc_all, const char *lc_ctype, const char *lang)
{
	const char *locale = is_set(lc_all) ? lc_all : is_set(lc_ctype) ? lc_ctype : lang;
	const char *dot = locale ? strchr(locale, '.') : NULL;
	size_t n = dot ? strcspn(dot + 1, "@") : 0; /* "de_DE.UTF-8@euro" */

	return (n == 5 && strncasecmp(dot + 1, "UTF-8", n) == 0) ||
	       (n == 4 && strncasecmp(dot + 1, "UTF8", n) == 0);
}

/* A number of columns or rows; 0: none that is believed. */
static int believed(const char *s)
{
	char *end = NULL;
	long v = is_set(s) ? strtol(s, &end, 10) : 0;

	return v > 0 && v <= TERMINAL_MAX && *end == '\0' ? (int)v : 0;
}

static int choose(int first, int second, int otherwise)
{
	return first > 0 ? first : second > 0 && second <= TERMINAL_MAX ? second : otherwise;
}

struct terminal terminal_look(int fd)
{
	struct terminal t = { .is_terminal = isatty(fd) == 1 };
	const char *term = getenv("TERM");
	struct winsize size = { 0 };

	if (!t.is_terminal || ioctl(fd, TIOCGWINSZ, &size) != 0)
		size = (struct winsize){ 0 };
	t.columns = choose(believed(getenv("COLUMNS")), size.ws_col, TERMINAL_COLUMNS);
	t.rows = choose(believed(getenv("LINES")), size.ws_row, TERMINAL_ROWS);
	t.colour = t.is_terminal && !is_set(getenv("NO_COLOR")) && is_set(term) &&
		   strcmp(term, "dumb") != 0;
	t.utf8 = terminal_is_utf8(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"));
	return t;
}
