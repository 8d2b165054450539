/*
 * Steps are first gathered as rows, each with a guess whether it made a layer; then the layers are
 * given to the rows in order; then rows are added for layers that no step tells of.
 */
#include "client/plan/history.h"

#include "client/view/age.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum guess { MADE, NONE, MAYBE };

struct draft {
	struct history h;
	enum guess *guesses; /* of each row */
};

void history_done(struct history *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->rows[i].command);
	free(h->rows);
	*h = (struct history){ 0 };
}

const struct history_row *history_of_layer(const struct history *h, size_t layer)
{
	size_t i = 0;

	while (i < h->n && h->rows[i].layer != (int)layer)
		i++;
	return i < h->n ? &h->rows[i] : NULL;
}

/* --- the steps --- */

static int start(struct draft *d, size_t n, size_t n_layers, struct err *err)
{
	d->h.rows = calloc(n + n_layers + 1, sizeof(*d->h.rows));
	d->guesses = calloc(n + 1, sizeof(*d->guesses));
	return d->h.rows && d->guesses ? 0 : err_nomem(err);
}

static int add_row(struct draft *d, const struct history_row *row, const char *command,
	enum guess guess, struct err *err)
{
	struct history_row *to = &d->h.rows[d->h.n];

	*to = *row;
	to->command = command ? strdup(command) : NULL;
	if (command && !to->command)
		return err_nomem(err);
	d->guesses[d->h.n++] = guess;
	return 0;
}

/* Builders write down even steps that only change the config; those are known by their words. */
static bool only_changes_config(const char *command)
{
	static const char *const words[] = { "CMD ", "ENV ", "LABEL ", "EXPOSE ", "ENTRYPOINT ",
		"USER ", "VOLUME ", "ARG ", "STOPSIGNAL ", "HEALTHCHECK ", "MAINTAINER ",
		"ONBUILD ", "SHELL " };
	const char *nop = strstr(command, "#(nop) ");

	if (nop)
		command = nop + strlen("#(nop) ") + strspn(nop + strlen("#(nop) "), " ");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strncmp(command, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

static size_t count(const struct draft *d, enum guess guess)
{
	size_t n = 0;

	for (size_t i = 0; i < d->h.n; i++)
		n += d->guesses[i] == guess;
	return n;
}

static void decide(struct draft *d, enum guess guess)
{
	for (size_t i = 0; i < d->h.n; i++) {
		if (d->guesses[i] == MAYBE)
			d->guesses[i] = guess;
	}
}

/* A layer without files looks like a step without a layer. How many layers there are decides most
 * cases, and the builders' words some more. */
static void weigh(struct draft *d, size_t n_layers)
{
	size_t made = count(d, MADE), maybe = count(d, MAYBE), worded = 0;

	if (made == n_layers) {
		decide(d, NONE);
	} else if (made + maybe == n_layers) {
		decide(d, MADE);
	} else {
		for (size_t i = 0; i < d->h.n; i++)
			worded += d->guesses[i] == MAYBE &&
				  only_changes_config(d->h.rows[i].command);
		if (made + maybe - worded != n_layers)
			return;
		for (size_t i = 0; i < d->h.n; i++) {
			if (d->guesses[i] == MAYBE && only_changes_config(d->h.rows[i].command))
				d->guesses[i] = NONE;
		}
		decide(d, MADE);
	}
}

static int take_steps(struct draft *d, const struct engine_step *steps, size_t n, size_t n_layers,
	struct err *err)
{
	if (start(d, n, n_layers, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct history_row row = {
			.created = steps[i].created, .size = steps[i].size, .size_known = true
		};

		if (add_row(d, &row, steps[i].command, steps[i].size > 0 ? MADE : MAYBE, err) != 0)
			return -1;
	}
	weigh(d, n_layers);
	return 0;
}

/* The config's steps; the engine's tell their sizes if they are as many. */
static int take_config(struct draft *d, const json_t *entries, const struct engine_step *steps,
	size_t n_steps, size_t n_layers, struct err *err)
{
	size_t n = json_array_size(entries);

	if (start(d, n, n_layers, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(entries, i);
		const char *command = json_string_value(json_object_get(entry, "created_by"));
		const char *created = json_string_value(json_object_get(entry, "created"));
		struct history_row row = { .size_known = n == n_steps,
			.size = n == n_steps ? steps[i].size : 0 };

		if (!command || !*command)
			command = json_string_value(json_object_get(entry, "comment"));
		if (!created || !age_parse_time(created, &row.created) || row.created < 0)
			row.created = 0; /* the year 1 stands for no time */
		if (add_row(d, &row, command ? command : "",
			    json_is_true(json_object_get(entry, "empty_layer")) ? NONE : MADE,
			    err) != 0)
			return -1;
	}
	return 0;
}

static json_t *config_history(json_t *config)
{
	json_t *entries = json_object_get(config, "history");
	json_t *entry;
	size_t i;

	if (json_array_size(entries) == 0 || json_array_size(entries) > ENGINE_STEPS_MAX)
		return NULL;
	json_array_foreach(entries, i, entry)
	{
		if (!json_is_object(entry))
			return NULL;
	}
	return entries;
}

/* --- the layers --- */

/* From both ends up to the first doubt; what is between is unknown. More layers than the history
 * tells of are the highest ones, as engines take it; fewer cannot be. */
static void give_layers(struct draft *d, size_t n_layers)
{
	bool doubt = count(d, MAYBE) > 0, impossible = count(d, MADE) > n_layers;
	size_t low = 0, high = d->h.n, next = 0, last = n_layers;

	for (size_t i = 0; i < d->h.n; i++)
		d->h.rows[i].layer = d->guesses[i] == NONE ? HISTORY_NO_LAYER : HISTORY_UNKNOWN;
	if (impossible)
		return;
	for (; low < high && d->guesses[low] != MAYBE; low++) {
		if (d->guesses[low] == MADE)
			d->h.rows[low].layer = (int)next++;
	}
	for (; doubt && high > low && d->guesses[high - 1] != MAYBE; high--) {
		if (d->guesses[high - 1] == MADE)
			d->h.rows[high - 1].layer = (int)--last;
	}
}

/* Layers without a row come above the last step that may have made them. */
static void add_layers(struct history *h, size_t n_layers)
{
	struct history_row *at;
	size_t missing = 0, place = h->n;

	for (size_t i = 0; i < n_layers; i++)
		missing += history_of_layer(h, i) == NULL;
	for (size_t i = 0; i < h->n; i++) {
		if (h->rows[i].layer == HISTORY_UNKNOWN)
			place = i + 1;
	}
	memmove(&h->rows[place + missing], &h->rows[place], (h->n - place) * sizeof(*h->rows));
	at = &h->rows[place];
	memset(at, 0, missing * sizeof(*at));
	for (size_t i = 0; i < missing; i++)
		at[i].layer = HISTORY_UNKNOWN;
	h->n += missing;
	for (size_t i = 0; i < n_layers; i++) {
		if (!history_of_layer(h, i))
			(at++)->layer = (int)i;
	}
}

int history_build(const struct engine_step *steps, size_t n_steps, const void *config,
	size_t config_len, size_t n_layers, struct history *ret, struct err *err)
{
	json_t *parsed = config ? json_loadb(config, config_len, 0, NULL) : NULL;
	json_t *entries = config_history(parsed);
	struct draft d = { 0 };
	int r = entries ? take_config(&d, entries, steps, n_steps, n_layers, err)
			: take_steps(&d, steps, n_steps, n_layers, err);

	json_decref(parsed);
	if (r == 0) {
		give_layers(&d, n_layers);
		add_layers(&d.h, n_layers);
		*ret = d.h;
	} else {
		history_done(&d.h);
	}
	free(d.guesses);
	return r;
}
