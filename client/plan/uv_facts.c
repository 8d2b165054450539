/*
 * Owns the copy of what the engine said. Happy path: the engine's facts -> the image -> its config,
 * if that is not clear -> the sizes of its layers. Failure modes: the engine's, each told once;
 * sizes that the engine does not tell are done without.
 */
#include "client/plan/uv_facts.h"

#include "common/base/text.h"

#include <stdlib.h>
#include <string.h>

static void over(struct facts *f, const struct err *err)
{
	f->fn(f->ctx, err);
}

/* --- the image --- */

static bool choose_tags(struct facts *f)
{
	f->tags = calloc(f->image.n_tags + 1, sizeof(*f->tags));
	if (!f->tags)
		return false;
	f->n_tags = names_choose(f->typed, f->image.tags, f->image.n_tags, f->tags, f->as_typed);
	return true;
}

void facts_done(struct facts *f)
{
	free(f->tags);
	engine_image_done(&f->image);
	free(f->layer_sizes);
}

/* --- asking --- */

/* The push does without them: the target can then say only later that it has no room. */
static void on_sizes(void *ctx, const uint64_t *sizes, const struct err *err)
{
	struct facts *f = ctx;
	size_t n = f->image.n_diff_ids;

	f->layer_sizes = err ? NULL : calloc(n + 1, sizeof(*f->layer_sizes));
	if (f->layer_sizes)
		memcpy(f->layer_sizes, sizes, n * sizeof(*sizes));
	f->sizes_known = true;
	over(f, NULL);
}

static void ask_sizes(struct facts *f)
{
	if (f->sizes_known)
		over(f, NULL);
	else
		engine_layer_sizes(f->engine, &f->image, on_sizes, f);
}

static void take_image(struct facts *f, const struct engine_image *image)
{
	struct err err = { 0 };

	if (engine_image_copy(&f->image, image, &err) == 0 && !choose_tags(f))
		err_nomem(&err);
	if (err.code != ERR_NONE) {
		over(f, &err);
		return;
	}
	f->image_known = true;
	ask_sizes(f);
}

static void on_learnt(void *ctx, const struct engine_image *image, const struct err *err)
{
	if (err)
		over(ctx, err);
	else
		take_image(ctx, image);
}

static void on_image(void *ctx, const struct engine_image *image, const struct err *err)
{
	struct facts *f = ctx;
	char shown[REFERENCE_TEXT_MAX + 1];
	struct err why = { 0 };

	if (image && image->config_known) {
		take_image(f, image);
		return;
	}
	if (image && engine_learn(f->engine, image, on_learnt, f, &why) == 0)
		return;
	if (err && err->code == ERR_NOT_FOUND) {
		text_escape(shown, sizeof(shown), f->typed, strlen(f->typed));
		err_set(&why, ERR_NOT_FOUND,
			"no image %s in the engine at %s (docker images lists them)", shown,
			engine_host(f->engine));
	} else if (err) {
		why = *err;
	}
	over(f, &why);
}

static void on_info(void *ctx, const struct engine_info *info, const struct err *err)
{
	struct facts *f = ctx;

	if (err) {
		over(f, err);
		return;
	}
	f->info = *info;
	f->engine_known = true;
	if (f->image_known)
		ask_sizes(f);
	else
		engine_inspect_image(f->engine, f->typed, on_image, f);
}

void facts_ask(struct facts *f, struct engine *engine, const char *typed,
	void (*fn)(void *ctx, const struct err *err), void *ctx)
{
	f->engine = engine;
	f->typed = typed;
	f->fn = fn;
	f->ctx = ctx;
	engine_get_info(engine, on_info, f);
}
