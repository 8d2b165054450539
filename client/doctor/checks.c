#include "client/doctor/checks.h"

#include "client/view/json_line.h"
#include "client/view/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_WIDTH 12

static const char *const words[] = {
	[MARK_FACT] = "", [MARK_OK] = "ok", [MARK_NOTE] = "note", [MARK_PROBLEM] = "problem"
};

static const enum tone tones[] = { [MARK_FACT] = TONE_FAINT,
	[MARK_OK] = TONE_GOOD,
	[MARK_NOTE] = TONE_NOTE,
	[MARK_PROBLEM] = TONE_BAD };

void check_text(struct check *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, args);
	va_end(args);
}

void check_advice(struct check *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->advice, sizeof(c->advice), fmt, args);
	va_end(args);
}

/* A mark where it can be shown, else its word. */
static const char *mark_text(enum mark mark, bool utf8)
{
	static const char *const marks[] = { [MARK_FACT] = "\u00b7",
		[MARK_OK] = "\u2713",
		[MARK_NOTE] = "!",
		[MARK_PROBLEM] = "\u2717" };

	return utf8 ? marks[mark] : words[mark];
}

static size_t mark_width(bool utf8)
{
	return utf8 ? 1 : strlen(words[MARK_PROBLEM]);
}

/* Broken at the terminal's edge, the following lines below the first one. */
static void print_broken(const struct terminal *t, const char *text, size_t indent)
{
	size_t columns = t->is_terminal ? (size_t)t->columns : SIZE_MAX;
	size_t width = columns > indent + 20 ? columns - indent : 20;

	for (bool first = true; *text || first; first = false) {
		size_t n = table_line(text, width);

		printf("%*s%.*s\n", first ? 0 : (int)indent, "", (int)n, text);
		text += n + strspn(text + n, " ");
	}
}

static void print_text(const struct terminal *t, const struct check *c)
{
	size_t indent = mark_width(t->utf8) + 1 + NAME_WIDTH + 1;
	const char *mark = mark_text(c->mark, t->utf8);

	printf("%s%s%s%*s %-*s ", tone_begin(t, tones[c->mark]), mark, tone_end(t, tones[c->mark]),
		(int)(mark_width(t->utf8) - table_width(mark)), "", NAME_WIDTH, c->name);
	print_broken(t, c->text, indent);
	if (!c->advice[0])
		return;
	printf("%*s%s ", (int)indent, "", t->utf8 ? "\u2192" : "->");
	print_broken(t, c->advice, indent + (t->utf8 ? 2 : 3));
}

static void print_json(const struct check *c)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "event", "check", "name", c->name, "mark",
		c->mark == MARK_FACT ? "fact" : words[c->mark], "text", c->text);

	if (o && c->advice[0])
		json_object_set_new(o, "advice", json_string(c->advice));
	if (o && c->unit) {
		json_object_set_new(o, "value", json_real(c->value));
		json_object_set_new(o, "unit", json_string(c->unit));
	}
	json_line(o);
}

void checks_tell(struct checks *all, const struct check *c)
{
	all->n++;
	all->notes += c->mark == MARK_NOTE;
	all->problems += c->mark == MARK_PROBLEM;
	if (all->json)
		print_json(c);
	else if (!all->quiet || c->mark == MARK_NOTE || c->mark == MARK_PROBLEM)
		print_text(&all->terminal, c);
	fflush(stdout);
}

void checks_end(const struct checks *all, double seconds)
{
	if (all->json)
		json_line(json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:f}", "event", "result", "ok",
			all->problems == 0, "kind", "doctor", "checks", (json_int_t)all->n, "notes",
			(json_int_t)all->notes, "problems", (json_int_t)all->problems, "seconds",
			seconds));
	else if (!all->quiet)
		printf("%zu problem%s, %zu note%s\n", all->problems, all->problems == 1 ? "" : "s",
			all->notes, all->notes == 1 ? "" : "s");
}
