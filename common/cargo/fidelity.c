#include "common/cargo/fidelity.h"

#include "common/base/text.h"
#include "common/cargo/json_shape.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 32

static const char *const outcome_names[] = {
	[FIDELITY_CARRIED] = "carried",
	[FIDELITY_CHANGED] = "changed",
	[FIDELITY_NOT_CARRIED] = "not carried",
};

const char *fidelity_outcome_name(enum fidelity_outcome outcome)
{
	return outcome_names[outcome];
}

static void row_done(struct fidelity_row *row)
{
	free(row->field);
	free(row->reason);
	free(row->was);
	free(row->now);
}

void fidelity_done(struct fidelity *f)
{
	for (size_t i = 0; i < f->n; i++)
		row_done(&f->rows[i]);
	free(f->rows);
	*f = (struct fidelity){ 0 };
}

static int make_room(struct fidelity *f, struct err *err)
{
	size_t cap = f->cap ? 2 * f->cap : FIRST_ROWS;
	struct fidelity_row *rows;

	if (f->n == FIDELITY_ROWS_MAX)
		return err_set(err, ERR_LIMIT, "a report has more than %u rows", FIDELITY_ROWS_MAX);
	if (f->n < f->cap)
		return 0;
	rows = reallocarray(f->rows, cap, sizeof(rows[0]));
	if (!rows)
		return err_nomem(err);
	f->rows = rows;
	f->cap = cap;
	return 0;
}

/* A value as compact JSON, cut where it is long (at a whole character: it goes into JSON again). */
static char *shown_value(const json_t *v)
{
	char *s = json_dumps(
		v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	char *cut = s ? strndup(s, FIDELITY_TEXT_MAX) : NULL;

	free(s);
	return cut;
}

static char *cut_text(const char *s)
{
	size_t n = strnlen(s, FIDELITY_TEXT_MAX);

	if (s[n])
		while (n && ((unsigned char)s[n] & 0xC0u) == 0x80u)
			n--;
	return strndup(s, n);
}

static int add(struct fidelity *f, struct fidelity_row row, bool whole, struct err *err)
{
	if (!whole || make_room(f, err) != 0) {
		row_done(&row);
		return whole ? -1 : err_nomem(err);
	}
	f->rows[f->n++] = row;
	return 0;
}

int fidelity_add(struct fidelity *f, const char *field, enum fidelity_outcome outcome,
	const char *reason, const json_t *was, const json_t *now, struct err *err)
{
	struct fidelity_row row = {
		.field = cut_text(field),
		.reason = cut_text(reason),
		.was = was ? shown_value(was) : NULL,
		.now = now ? shown_value(now) : NULL,
		.outcome = outcome,
	};

	return add(f, row, row.field && row.reason && (!was || row.was) && (!now || row.now), err);
}

size_t fidelity_count(const struct fidelity *f, enum fidelity_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->rows[i].outcome == outcome;
	return n;
}

bool fidelity_full(const struct fidelity *f)
{
	return fidelity_count(f, FIDELITY_CARRIED) == f->n;
}

/* --- as JSON --- */

static json_t *row_json(const struct fidelity_row *row)
{
	json_t *o = json_pack("{s:s,s:s,s:s}", "field", row->field, "outcome",
		outcome_names[row->outcome], "reason", row->reason);

	if (o && ((row->was && json_object_set_new(o, "was", json_string(row->was)) != 0) ||
			 (row->now && json_object_set_new(o, "now", json_string(row->now)) != 0))) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *fidelity_json(const struct fidelity *f)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < f->n; i++)
		if (json_array_append_new(list, row_json(&f->rows[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int outcome_of(const char *name, enum fidelity_outcome *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(outcome_names); i++)
		if (strcmp(outcome_names[i], name) == 0) {
			*ret = (enum fidelity_outcome)i;
			return 0;
		}
	return err_set(err, ERR_PROTOCOL, "a report has a row with an unknown outcome");
}

static int parse_row(struct fidelity *f, const json_t *o, struct err *err)
{
	const char *was = json_string_value(json_object_get(o, "was"));
	const char *now = json_string_value(json_object_get(o, "now"));
	struct fidelity_row row = { 0 };

	if (outcome_of(json_text(o, "outcome"), &row.outcome, err) != 0)
		return -1;
	row.field = cut_text(json_text(o, "field"));
	row.reason = cut_text(json_text(o, "reason"));
	row.was = was ? cut_text(was) : NULL;
	row.now = now ? cut_text(now) : NULL;
	return add(f, row, row.field && row.reason && (!was || row.was) && (!now || row.now), err);
}

int fidelity_parse(const json_t *report, struct fidelity *ret, struct err *err)
{
	struct json_taker strict = { .code = ERR_PROTOCOL };
	json_t *list = NULL;
	const json_t *o;
	size_t i;
	int r = json_shape_take(&strict, report, "[{field:s,outcome:s,reason:s,was:s,now:s}]",
		"report", &list, err);

	*ret = (struct fidelity){ 0 };
	json_array_foreach(list, i, o)
	{
		if (r == 0)
			r = parse_row(ret, o, err);
	}

	json_decref(list);
	if (r != 0)
		fidelity_done(ret);
	return r;
}

/* --- for a terminal --- */

static void put(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

static void put_escaped(struct buf *b, const char *s)
{
	char shown[4 * FIDELITY_TEXT_MAX + 1];

	put(b, text_escape(shown, sizeof(shown), s, strlen(s)));
}

void fidelity_line(const struct fidelity_row *row, struct buf *ret)
{
	const char *name = outcome_names[row->outcome];

	put(ret, name);
	put(ret, &"            "[strlen(name)]);
	put_escaped(ret, row->field);
	if (row->was || row->now) {
		put(ret, ": ");
		put_escaped(ret, row->was ? row->was : "nothing");
		put(ret, ", now ");
		put_escaped(ret, row->now ? row->now : "nothing");
	}
	if (row->reason[0]) {
		put(ret, ": ");
		put_escaped(ret, row->reason);
	}
}
