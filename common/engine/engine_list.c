/* All images of an engine, and those of a config. */
#include "common/engine/engine_call.h"

#include <stdlib.h>
#include <string.h>

/* --- list: the IDs and tags, then an inspect of every image whose layers are not known --- */

static void next_image(struct engine_call *c);

static void end_list(struct engine_call *c, const struct err *err)
{
	struct engine_call call = *c;

	/* Two lists at once share the marks: then what is gone stays until the next one. */
	if (!err && call.engine->lists == 1)
		image_cache_end(&call.engine->cache);
	call.engine->lists--;
	engine_call_free(c);
	call.fn.image(call.ctx, NULL, err);
}

/* The tags are those of the list, since the rest may come from the cache. A copy of the layers,
 * since the callback may change the cache. */
static int tell_image(struct engine_call *c, const struct digest *diff_ids, size_t n,
	const struct digest *config, bool config_known, struct err *err)
{
	struct engine_image image = { 0 };

	if (engine_json_image_row(json_array_get(c->list, c->at), &image, err) != 0)
		return -1;
	image.config = *config;
	image.config_known = config_known;
	image.diff_ids = malloc((n + 1) * sizeof(image.diff_ids[0]));
	if (!image.diff_ids) {
		engine_image_done(&image);
		return err_nomem(err);
	}
	if (n)
		memcpy(image.diff_ids, diff_ids, n * sizeof(image.diff_ids[0]));
	image.n_diff_ids = n;
	if (!c->filtered || (config_known && digest_equal(config, &c->id)))
		c->fn.image(c->ctx, &image, NULL);
	engine_image_done(&image);
	return 0;
}

static void row_inspected(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_image image = { 0 };
	struct err err = { 0 };
	int r = engine_image_parse(c, status, body, failed, &image, &err);

	if (r == 0) {
		image_cache_add(&c->engine->cache, &image);
		r = tell_image(c, image.diff_ids, image.n_diff_ids, &image.config,
			image.config_known, &err);
	} else if (err.code == ERR_NOT_FOUND) {
		r = 0; /* removed since it was listed */
	}
	engine_image_done(&image);
	if (r != 0) {
		end_list(c, &err);
		return;
	}
	c->at++;
	next_image(c);
}

/* Tells the image at c->at when its layers are known, else asks for them (*ret_asked). */
static int tell_or_ask(struct engine_call *c, bool *ret_asked, struct err *err)
{
	struct engine_image row;
	struct cached_image *known;
	char text[DIGEST_TEXT_LEN + 1];

	if (engine_json_image_row(json_array_get(c->list, c->at), &row, err) != 0)
		return -1;
	known = image_cache_find(&c->engine->cache, &row.id);
	digest_text(&row.id, text);
	engine_image_done(&row);
	*ret_asked = !known;
	if (known)
		return tell_image(c, known->diff_ids, known->n_diff_ids, &known->config,
			known->config_known, err);
	engine_image_ask(c, text, row_inspected);
	return 0;
}

static void next_image(struct engine_call *c)
{
	struct err err = { 0 };
	bool asked = false;

	for (; c->at < json_array_size(c->list); c->at++) {
		if (tell_or_ask(c, &asked, &err) != 0) {
			end_list(c, &err);
			return;
		}
		if (asked)
			return;
	}
	end_list(c, NULL);
}

static void list_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct err err = { 0 };

	if (engine_call_check(c, status, body, failed, &err) != 0 ||
		engine_json_parse(body, "its images", &c->list, &err) != 0) {
		end_list(c, &err);
		return;
	}
	if (!json_is_array(c->list)) {
		err_set(&err, ERR_ENGINE, "the engine's list of images is no array");
		end_list(c, &err);
		return;
	}
	next_image(c);
}

static void go_list(struct engine_call *c)
{
	engine_call_start(c, "GET", "/images/json?all=1", ENGINE_LIST_MAX, list_done);
}

static void begin_list(struct engine_call *c)
{
	if (c->engine->lists++ == 0)
		image_cache_begin(&c->engine->cache);
}

void engine_list_images(struct engine *e, engine_image_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.image = fn;
	begin_list(c);
	engine_call_with_facts(c, go_list, list_done);
}

/* --- find: the classic store's ID is the config's digest; the other one is looked through --- */

static void found(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct engine_image image = { 0 };
	struct err err = { 0 };
	int r = engine_image_parse(c, status, body, failed, &image, &err);

	engine_call_free(c);
	if (r == 0)
		call.fn.image(call.ctx, &image, NULL);
	call.fn.image(call.ctx, NULL, r == 0 || err.code == ERR_NOT_FOUND ? NULL : &err);
	engine_image_done(&image);
}

static void go_find(struct engine_call *c)
{
	char text[DIGEST_TEXT_LEN + 1];

	if (c->engine->facts.containerd_store) {
		c->filtered = true;
		begin_list(c);
		go_list(c);
		return;
	}
	digest_text(&c->id, text);
	engine_image_ask(c, text, found);
}

void engine_find_images(
	struct engine *e, const struct digest *config, engine_image_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.image = fn;
	c->id = *config;
	engine_call_name_id(c, config);
	engine_call_with_facts(c, go_find, found);
}
