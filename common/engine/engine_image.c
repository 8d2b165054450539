#include "common/base/text.h"
#include "common/cargo/reference.h"
#include "common/engine/containerd_content.h"
#include "common/engine/engine_call.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void engine_call_name_id(struct engine_call *c, const struct digest *id)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(id, text);
	engine_call_name(c, "image", text);
}

/* --- what is known of an image --- */

void engine_image_done(struct engine_image *image)
{
	for (size_t i = 0; i < image->n_tags; i++)
		free(image->tags[i]);
	free(image->tags);
	free(image->diff_ids);
	free(image->blobs);
	*image = (struct engine_image){ 0 };
}

bool engine_image_first(const struct engine_image *image, size_t layer)
{
	for (size_t i = 0; i < layer; i++)
		if (digest_equal(&image->diff_ids[i], &image->diff_ids[layer]))
			return false;
	return true;
}

/* A new array, not NULL though it may be empty. */
static void *copy_of(const void *array, size_t n, size_t size)
{
	void *copy = calloc(n + 1, size);

	if (copy && n > 0)
		memcpy(copy, array, n * size);
	return copy;
}

int engine_image_copy(struct engine_image *to, const struct engine_image *from, struct err *err)
{
	size_t n = from->n_diff_ids;

	*to = *from;
	to->n_tags = 0;
	to->diff_ids = copy_of(from->diff_ids, n, sizeof(*to->diff_ids));
	to->blobs = from->blobs ? copy_of(from->blobs, n, sizeof(*to->blobs)) : NULL;
	to->tags = calloc(from->n_tags + 1, sizeof(*to->tags));
	if (!to->diff_ids || !to->tags || (from->blobs && !to->blobs))
		return err_nomem(err);
	for (; to->n_tags < from->n_tags; to->n_tags++) {
		to->tags[to->n_tags] = strdup(from->tags[to->n_tags]);
		if (!to->tags[to->n_tags])
			return err_nomem(err);
	}
	return 0;
}

static void identify(struct engine *e, struct engine_image *image)
{
	const struct cached_image *known = image_cache_find(&e->cache, &image->id);
	struct oci_document manifest;

	if (!e->facts.containerd_store) {
		image->config = image->id;
		image->config_known = true;
	} else if (containerd_content_manifest(&e->facts, image, &manifest, NULL) == 0) {
		image->config = manifest.config.digest;
		image->config_known = true;
		image->blobs = manifest.items; /* taken over; it has nothing else */
	} else if (known && known->config_known) {
		image->config = known->config;
		image->config_known = true;
	}
}

/* --- inspect --- */

int engine_image_parse(struct engine_call *c, int status, const struct buf *body,
	const struct err *failed, struct engine_image *ret, struct err *err)
{
	json_t *o;
	int r;

	if (engine_call_check(c, status, body, failed, err) != 0 ||
		engine_json_parse(body, "an image", &o, err) != 0)
		return -1;
	r = engine_json_image(o, ret, err);
	json_decref(o);
	if (r == 0)
		identify(c->engine, ret);
	return r;
}

static void inspect_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_call *c = ctx;
	struct engine_call call = *c;
	struct engine_image image = { 0 };
	struct err err = { 0 };
	int r = engine_image_parse(c, status, body, failed, &image, &err);

	engine_call_free(c);
	call.fn.image(call.ctx, r == 0 ? &image : NULL, r == 0 ? NULL : &err);
	engine_image_done(&image);
}

void engine_image_ask(struct engine_call *c, const char *name, http_done_fn *done)
{
	CLEANUP(cleanup_free) char *path = engine_path("/images/%s/json", name);

	engine_call_start(c, "GET", path, ENGINE_INSPECT_MAX, done);
}

static void go_inspect(struct engine_call *c)
{
	engine_call_start(c, "GET", c->path, ENGINE_INSPECT_MAX, inspect_done);
}

void engine_inspect_image(struct engine *e, const char *name, engine_image_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);

	c->fn.image = fn;
	engine_call_name(c, "image", name);
	c->path = engine_path("/images/%s/json", name);
	engine_call_with_facts(c, go_inspect, inspect_done);
	if (!*name)
		http_fail(&c->request, ERR_NOT_FOUND, "an image's name cannot be empty");
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
	engine_call_name_id(c, &image->id);
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

/* A name that is none is left to the engine's judgement. */
static const char *whole_name(const char *tag, char ret[REFERENCE_TEXT_MAX + 1])
{
	struct reference r;

	return reference_parse(tag, &r, NULL) == 0 ? reference_full(&r, ret) : tag;
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
	char whole[REFERENCE_TEXT_MAX + 1];
	CLEANUP(cleanup_free)
	char *path = tag_path(id, e->facts.podman ? whole_name(tag, whole) : tag);

	c->fn.done = fn;
	engine_call_name(c, "image", tag);
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
	engine_call_name_id(c, id);
	engine_call_start(c, "DELETE", path, ENGINE_INSPECT_MAX, plain_done);
}

void engine_remove_tag(struct engine *e, const char *tag, engine_done_fn *fn, void *ctx)
{
	struct engine_call *c = engine_call_new(e, ctx);
	CLEANUP(cleanup_free) char *path = engine_path("/images/%s?noprune=1", tag);

	c->fn.done = fn;
	engine_call_name(c, "image", tag);
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
	engine_call_name_id(c, id);
	/* Not by the "ancestor" filter, which fails when the image is gone. */
	engine_call_start(c, "GET", "/containers/json?all=1", ENGINE_LIST_MAX, in_use_done);
}
