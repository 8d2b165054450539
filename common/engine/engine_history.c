#include "common/engine/engine_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- out of its JSON --- */

void engine_json_history_done(struct engine_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(steps[i].command);
	free(steps);
}

static int take_step(const json_t *row, struct engine_step *ret, struct err *err)
{
	const json_t *size = json_object_get(row, "Size");
	const char *command = json_string_value(json_object_get(row, "CreatedBy"));
	json_int_t created = json_integer_value(json_object_get(row, "Created"));

	if (!command || !*command) /* "Imported from -" */
		command = json_string_value(json_object_get(row, "Comment"));
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(err, ERR_ENGINE,
			"the engine's answer is not understood: a row of an image's history "
			"without a size");
	ret->size = (uint64_t)json_integer_value(size);
	ret->created = created > 0 ? created : 0; /* the year 1 stands for no time */
	ret->command = strdup(command ? command : "");
	return ret->command ? 0 : err_nomem(err);
}

int engine_json_history(
	const json_t *history, struct engine_step **ret, size_t *ret_n, struct err *err)
{
	size_t n = json_array_size(history);
	struct engine_step *steps;

	if (!json_is_array(history))
		return err_set(err, ERR_ENGINE,
			"the engine's answer is not understood: an image's history is no array");
	if (n > ENGINE_STEPS_MAX)
		return err_set(err, ERR_LIMIT, "an image's history has more than %u steps",
			ENGINE_STEPS_MAX);
	steps = calloc(n + 1, sizeof(*steps));
	if (!steps)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) { /* the latest comes first */
		if (take_step(json_array_get(history, n - 1 - i), &steps[i], err) != 0) {
			engine_json_history_done(steps, n);
			return -1;
		}
	}
	*ret = steps;
	*ret_n = n;
	return 0;
}

/* --- the call --- */

static int parse(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, struct engine_step **ret, size_t *ret_n, struct err *err)
{
	json_t *history;
	int r;

	if (engine_call_check(c, status, body, failed, err) != 0 ||
		engine_json_parse(body, "an image's history", &history, err) != 0)
		return -1;
	r = engine_json_history(history, ret, ret_n, err);
	json_decref(history);
	return r;
}

static void history_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct engine_step *steps = NULL;
	struct err err = { 0 };
	size_t n = 0;
	int r = parse(c, status, body, failed, &steps, &n, &err);

	engine_call_free(c);
	call.fn.history(call.ctx, steps, n, r == 0 ? NULL : &err);
	engine_json_history_done(steps, n);
}

void engine_get_history(
	struct engine *e, const struct digest *image, engine_history_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);
	char text[DIGEST_TEXT_LEN + 1];
	CLEANUP(cleanup_free) char *path = NULL;

	digest_text(image, text);
	path = engine_path("/images/%s/history", text);
	c->fn.history = fn;
	snprintf(c->what, sizeof(c->what), "the history of image %.19s", text);
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, history_done);
}
