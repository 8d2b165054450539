/*
 * Owns the choice of lines. A pair has a line of its own, and below it one for each layer while it
 * is being sent. When there are more than rows, what is under way is kept first.
 */
#include "client/view/screen.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define SHORT_ID 12
#define NAME_WIDTH_MAX 40u
#define BAR_MIN 10u
#define BAR_MAX 60u
#define FIGURES_WIDTH 17u /* "12.3MB / 45.1MB" */

enum priority { FIRST_OF_ALL, UNDER_WAY, ENDED, STILL_WAITING, LEAST, PRIORITIES };

struct row {
	const struct pair_progress *pair;
	const struct layer_progress *layer; /* NULL: the pair's own line */
	enum priority priority;
};

const char *pair_state_word(enum pair_state s)
{
	static const char *const words[] = { [PAIR_WAITING] = "waiting",
		[PAIR_CONNECTING] = "connecting",
		[PAIR_ASKING] = "asking",
		[PAIR_SENDING] = "sending",
		[PAIR_APPLYING] = "applying",
		[PAIR_RETRYING] = "retrying",
		[PAIR_DONE] = "done",
		[PAIR_FAILED] = "failed" };

	return words[s];
}

struct progress_sum pair_sum(const struct pair_progress *p)
{
	return progress_sum(p->layers, p->layers ? p->n_layers : 0);
}

bool pair_active(const struct pair_progress *p)
{
	return p->state != PAIR_WAITING && p->state != PAIR_DONE && p->state != PAIR_FAILED;
}

bool pair_moves(const struct pair_progress *p)
{
	bool begun = false;

	for (size_t i = 0; p->layers && i < p->n_layers; i++)
		begun = begun || p->layers[i].begun;
	return p->state == PAIR_SENDING && begun;
}

/* --- text --- */

static void put_sending(char ret[PAIR_TEXT_MAX], const struct pair_progress *p, uint64_t now_ms)
{
	struct progress_sum sum = pair_sum(p);
	uint64_t speed = rate_now(&p->rate, sum.done, now_ms);
	double left = rate_left(speed, sum.total - sum.done);
	char done[TEXT_SIZE_MAX], all[TEXT_SIZE_MAX], rate[TEXT_SIZE_MAX], took[TEXT_SECONDS_MAX];
	int n;

	if (sum.done == sum.total && sum.exact) {
		snprintf(ret, PAIR_TEXT_MAX, "%s read, the last of it is on its way",
			text_size(done, sum.done));
		return;
	}
	n = snprintf(ret, PAIR_TEXT_MAX, "%s of %s%s, %s/s", text_size(done, sum.done),
		sum.exact ? "" : "about ", text_size(all, sum.total), text_size(rate, speed));
	if (left >= 0 && n > 0 && n < PAIR_TEXT_MAX)
		snprintf(ret + n, PAIR_TEXT_MAX - (size_t)n, ", %s left", text_seconds(took, left));
}

char *pair_text(char ret[PAIR_TEXT_MAX], const struct pair_progress *p, uint64_t now_ms)
{
	static const char *const words[] = { [PAIR_WAITING] = "waits for its turn",
		[PAIR_CONNECTING] = "connecting",
		[PAIR_ASKING] = "asking what is there",
		[PAIR_SENDING] = "waiting for the source's engine",
		[PAIR_APPLYING] = "the engine is applying it",
		[PAIR_RETRYING] = "waiting to try again",
		[PAIR_DONE] = "done",
		[PAIR_FAILED] = "failed" };
	bool ended = p->state == PAIR_DONE || p->state == PAIR_FAILED;
	char took[TEXT_SECONDS_MAX];

	if (pair_moves(p))
		put_sending(ret, p, now_ms);
	else if (p->state == PAIR_WAITING)
		snprintf(ret, PAIR_TEXT_MAX, "%s", words[p->state]);
	else
		snprintf(ret, PAIR_TEXT_MAX, "%s, %s", words[p->state],
			text_seconds(took, (double)(ended ? p->ended_ms - p->started_ms
							  : now_ms - p->state_ms) /
						   1000));
	return ret;
}

/* --- rows --- */

static enum priority pair_priority(const struct pair_progress *p)
{
	if (pair_active(p))
		return FIRST_OF_ALL;
	return p->state == PAIR_WAITING ? STILL_WAITING : ENDED;
}

static enum priority layer_priority(const struct layer_progress *l)
{
	if (l->state == LAYER_READING || l->state == LAYER_REBUILDING)
		return UNDER_WAY;
	return l->state == LAYER_WAITING ? STILL_WAITING : LEAST;
}

/* What the rows are, in order; the n-th of them. Asked twice, it spares a list without a limit. */
typedef void row_fn(void *ctx, const struct row *row);

static void each_row(const struct pair_progress *pairs, size_t n, row_fn *fn, void *ctx)
{
	for (size_t i = 0; i < n; i++) {
		const struct pair_progress *p = &pairs[i];
		struct row row = { .pair = p, .priority = pair_priority(p) };

		if (p->state == PAIR_SENDING) {
			for (size_t k = 0; p->layers && k < p->n_layers; k++) {
				struct row below = { .pair = p,
					.layer = &p->layers[k],
					.priority = layer_priority(&p->layers[k]) };

				if (below.layer->state != LAYER_REPEATED)
					fn(ctx, &below);
			}
		}
		fn(ctx, &row);
	}
}

/* --- lines --- */

static unsigned bar_width(const struct terminal_line *l, unsigned behind)
{
	unsigned used = l->width + behind;

	if (used + BAR_MIN > l->columns)
		return 0;
	return l->columns - used < BAR_MAX ? l->columns - used : BAR_MAX;
}

static void put_layer(struct terminal_line *l, const struct layer_progress *layer)
{
	static const char *const words[] = { [LAYER_WAITING] = "waiting",
		[LAYER_THERE] = "already there",
		[LAYER_REPEATED] = "",
		[LAYER_READING] = "reading",
		[LAYER_REBUILDING] = "sent, being rebuilt",
		[LAYER_DONE] = "sent" };
	char done[TEXT_SIZE_MAX], all[TEXT_SIZE_MAX], figures[2 * TEXT_SIZE_MAX + 4];
	char name[DIGEST_TEXT_LEN + 1];
	const char *hex;
	enum terminal_colour colour = layer->state == LAYER_READING ? COLOUR_BUSY
				      : layer->state == LAYER_DONE  ? COLOUR_GOOD
								    : COLOUR_DIM;

	digest_text(&layer->id, name);
	hex = strchr(name, ':');
	terminal_line_text(l, COLOUR_NONE, "  ");
	terminal_line_field(l, COLOUR_NONE, hex ? hex + 1 : name, SHORT_ID);
	terminal_line_text(l, COLOUR_NONE, "  ");
	if (layer->state == LAYER_READING) {
		unsigned width = bar_width(l, FIGURES_WIDTH + 1 + 21);

		snprintf(figures, sizeof(figures), "%s / %s", text_size(done, layer->done),
			text_size(all, layer->size));
		terminal_line_bar(l, width, layer->done, layer->size);
		terminal_line_text(l, COLOUR_NONE, width > 0 ? " " : "");
		terminal_line_field(l, COLOUR_NONE, figures, FIGURES_WIDTH);
		terminal_line_text(l, colour, words[layer->state]);
		return;
	}
	terminal_line_text(l, colour, words[layer->state]);
	if (layer->size > 0 && layer->state != LAYER_THERE) {
		snprintf(figures, sizeof(figures), ", %s%s", layer->begun ? "" : "about ",
			text_size(all, layer->size));
		terminal_line_text(l, colour, figures);
	}
}

/* The end of a long name tells more than its beginning. */
static void fit_end(char ret[NAME_WIDTH_MAX + 1], unsigned width, const char *whole)
{
	size_t n = strlen(whole), kept = min_size(n, width);

	memcpy(ret, whole + n - kept, kept + 1);
	if (kept < n)
		memcpy(ret, "...", 3);
}

static void put_pair(
	struct terminal_line *l, const struct pair_progress *p, unsigned names, uint64_t now_ms)
{
	enum terminal_colour colour = p->state == PAIR_DONE ? COLOUR_GOOD
				      : p->state == PAIR_FAILED || p->state == PAIR_RETRYING
					      ? COLOUR_BAD
				      : p->state == PAIR_WAITING ? COLOUR_DIM
								 : COLOUR_BUSY;
	char whole[PAIR_NAME_MAX + 128], name[NAME_WIDTH_MAX + 1], text[PAIR_TEXT_MAX];
	struct progress_sum sum = pair_sum(p);

	snprintf(whole, sizeof(whole), "%s -> %s", p->image, p->target);
	fit_end(name, names, whole);
	pair_text(text, p, now_ms);
	terminal_line_field(l, COLOUR_NONE, name, names);
	terminal_line_text(l, COLOUR_NONE, "  ");
	if (p->state == PAIR_SENDING && sum.done > 0) {
		unsigned width = bar_width(l, (unsigned)strlen(text) + 2);

		width = width > BAR_MAX / 2 ? BAR_MAX / 2 : width;
		terminal_line_bar(l, width, sum.done, sum.total);
		terminal_line_text(l, COLOUR_NONE, width > 0 ? "  " : "");
	}
	terminal_line_text(l, colour, text);
}

/* --- the screen --- */

struct composing {
	struct terminal_line *lines;
	unsigned n, rows;
	size_t seen[PRIORITIES], room[PRIORITIES]; /* rows of each priority: counted; to be shown */
	unsigned names;
	uint64_t now_ms;
};

static void count_row(void *ctx, const struct row *row)
{
	((struct composing *)ctx)->seen[row->priority]++;
}

static void put_row(void *ctx, const struct row *row)
{
	struct composing *c = ctx;
	struct terminal_line *l = &c->lines[c->n];

	if (c->room[row->priority] == 0)
		return;
	c->room[row->priority]--;
	c->n++;
	if (row->layer)
		put_layer(l, row->layer);
	else
		put_pair(l, row->pair, c->names, c->now_ms);
}

/* Shares the rows out; returns how many lines find no room. */
static size_t share_rows(struct composing *c)
{
	size_t all = 0, left = c->rows, hidden = 0;

	for (int i = 0; i < PRIORITIES; i++)
		all += c->seen[i];
	if (all > left)
		left--; /* for the line that says how many more there are */
	for (int i = 0; i < PRIORITIES; i++) {
		c->room[i] = min_size(c->seen[i], left);
		left -= c->room[i];
		hidden += c->seen[i] - c->room[i];
	}
	return hidden;
}

unsigned screen_compose(struct terminal_line *lines, unsigned rows,
	const struct pair_progress *pairs, size_t n, uint64_t now_ms)
{
	struct composing c = { .lines = lines, .rows = rows, .now_ms = now_ms };
	char more[64];
	size_t hidden;

	if (rows == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(pairs[i].image) + 4 + strlen(pairs[i].target);

		c.names = len > c.names ? (unsigned)min_size(len, NAME_WIDTH_MAX) : c.names;
	}
	if (c.names > lines[0].columns / 3 && c.names > 12)
		c.names = lines[0].columns / 3 > 12 ? lines[0].columns / 3 : 12;
	each_row(pairs, n, count_row, &c);
	hidden = share_rows(&c);
	each_row(pairs, n, put_row, &c);
	if (hidden > 0) {
		snprintf(more, sizeof(more), "  and %zu more", hidden);
		terminal_line_text(&lines[c.n++], COLOUR_DIM, more);
	}
	return c.n;
}
