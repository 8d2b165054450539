#include "common/base/text.h"
#include "common/engine/engine_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void name_call(struct engine_call *c, const char *name)
{
	char shown[sizeof(c->what) - 16];

	snprintf(c->what, sizeof(c->what), "image %s",
		text_escape(shown, sizeof(shown), name, strlen(name)));
}

static void name_call_by_id(struct engine_call *c, const struct digest *id)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(id, text);
	name_call(c, text);
}

/* --- inspect --- */

static int parse_image(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, struct engine_image *ret, struct err *err)
{
	json_t *o;
	int r;

	if (engine_call_check(c, status, body, failed, err) != 0 ||
		engine_json_parse(body, "an image", &o, err) != 0)
		return -1;
	r = engine_json_image(o, ret, err);
	json_decref(o);
	return r;
}

static void inspect_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct engine_image image = { 0 };
	struct err err = { 0 };
	int r = parse_image(c, status, body, failed, &image, &err);

	engine_call_free(c);
	call.fn.image(call.ctx, r == 0 ? &image : NULL, r == 0 ? NULL : &err);
	engine_json_image_done(&image);
}

static void start_inspect(struct engine_call *c, const char *name, http_done_fn *done)
{
	CLEANUP(cleanup_free) char *path = engine_path("/images/%s/json", name);

	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, done);
}

void engine_inspect_image(struct engine *e, const char *name, engine_image_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.image = fn;
	name_call(c, name);
	start_inspect(c, name, inspect_done);
	if (!*name)
		http_fail(&c->request, ERR_NOT_FOUND, "an image's name cannot be empty");
}

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

/* The tags are those of the list, since the layers may come from the cache. A copy of the layers,
 * since the callback may change the cache. */
static int tell_image(
	struct engine_call *c, const struct digest *diff_ids, size_t n, struct err *err)
{
	struct engine_image image = { 0 };

	if (engine_json_image_row(json_array_get(c->list, c->at), &image, err) != 0)
		return -1;
	image.diff_ids = malloc((n + 1) * sizeof(image.diff_ids[0]));
	if (!image.diff_ids) {
		engine_json_image_done(&image);
		return err_nomem(err);
	}
	if (n)
		memcpy(image.diff_ids, diff_ids, n * sizeof(image.diff_ids[0]));
	image.n_diff_ids = n;
	c->fn.image(c->ctx, &image, NULL);
	engine_json_image_done(&image);
	return 0;
}

static void row_inspected(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_image image = { 0 };
	struct err err = { 0 };
	int r = parse_image(c, status, body, failed, &image, &err);

	if (r == 0) {
		image_cache_add(&c->engine->cache, &image.id, image.diff_ids, image.n_diff_ids);
		r = tell_image(c, image.diff_ids, image.n_diff_ids, &err);
	} else if (err.code == ERR_NOT_FOUND) {
		r = 0; /* removed since it was listed */
	}
	engine_json_image_done(&image);
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
	engine_json_image_done(&row);
	*ret_asked = !known;
	if (known)
		return tell_image(c, known->diff_ids, known->n_diff_ids, err);
	start_inspect(c, text, row_inspected);
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

void engine_list_images(struct engine *e, engine_image_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.image = fn;
	if (e->lists++ == 0)
		image_cache_begin(&e->cache);
	engine_call_start(c, "GET", "/images/json?all=1", ENGINE_LIST_MAX, list_done);
}

/* --- sizes of layers --- */

static int parse_sizes(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, uint64_t *ret, struct err *err)
{
	json_t *history;
	int r;

	if (engine_call_check(c, status, body, failed, err) != 0 ||
		engine_json_parse(body, "an image's history", &history, err) != 0)
		return -1;
	r = engine_json_sizes(history, c->at, ret, err);
	json_decref(history);
	return r;
}

static void sizes_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	CLEANUP(cleanup_free) uint64_t *sizes = calloc(c->at + 1, sizeof(*sizes));
	struct err err = { 0 };
	int r = sizes ? parse_sizes(c, status, body, failed, sizes, &err) : err_nomem(&err);

	engine_call_free(c);
	call.fn.sizes(call.ctx, r == 0 ? sizes : NULL, r == 0 ? NULL : &err);
}

void engine_layer_sizes(
	struct engine *e, const struct engine_image *image, engine_sizes_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);
	char text[DIGEST_TEXT_LEN + 1];
	CLEANUP(cleanup_free) char *path = NULL;

	digest_text(&image->id, text);
	path = engine_path("/images/%s/history", text);
	c->fn.sizes = fn;
	c->at = image->n_diff_ids;
	name_call_by_id(c, &image->id);
	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, sizes_done);
}

/* --- tag, remove --- */

static void plain_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct err err = { 0 };
	int r = engine_call_check(c, status, body, failed, &err);

	engine_call_free(c);
	call.fn.done(call.ctx, r == 0 ? NULL : &err);
}

/* "host:5000/name:tag" at the colon after the last slash; without one the tag is "latest". */
static char *tag_path(const struct digest *id, const char *tag)
{
	char text[DIGEST_TEXT_LEN + 1];
	const char *slash = strrchr(tag, '/');
	const char *colon = strrchr(slash ? slash : tag, ':');
	size_t n = colon ? (size_t)(colon - tag) : strlen(tag);
	CLEANUP(cleanup_free) char *repo = strndup(tag, n);

	digest_text(id, text);
	return repo ? engine_path("/images/%s/tag?repo=%s&tag=%s", text, repo,
			      colon ? colon + 1 : "latest")
		    : NULL;
}

void engine_tag_image(
	struct engine *e, const struct digest *id, const char *tag, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);
	CLEANUP(cleanup_free) char *path = tag_path(id, tag);

	c->fn.done = fn;
	name_call(c, tag);
	engine_call_start(c, "POST", path, ENGINE_SMALL_MAX, plain_done);
}

void engine_remove_image(struct engine *e, const struct digest *id, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);
	char text[DIGEST_TEXT_LEN + 1];
	CLEANUP(cleanup_free) char *path = NULL;

	digest_text(id, text);
	path = engine_path("/images/%s?noprune=1", text);
	c->fn.done = fn;
	name_call_by_id(c, id);
	engine_call_start(c, "DELETE", path, ENGINE_INSPECT_MAX, plain_done);
}

/* --- in use --- */

static void in_use_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct err err = { 0 };
	json_t *list = NULL;
	bool yes = false;
	int r = engine_call_check(c, status, body, failed, &err);

	if (r == 0)
		r = engine_json_parse(body, "its containers", &list, &err);
	if (r == 0)
		r = engine_json_uses_image(list, &c->id, &yes, &err);
	json_decref(list);
	engine_call_free(c);
	call.fn.yes(call.ctx, yes, r == 0 ? NULL : &err);
}

void engine_image_in_use(struct engine *e, const struct digest *id, engine_bool_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.yes = fn;
	c->id = *id;
	name_call_by_id(c, id);
	/* Not by the "ancestor" filter, which fails when the image is gone. */
	engine_call_start(c, "GET", "/containers/json?all=1", ENGINE_LIST_MAX, in_use_done);
}
