/*
 * Owns two exports and a load. An archive says how long a member is before its bytes, and an
 * image's config what they hash to, so the file system is read twice. Happy path: the engine's
 * platform -> the first export is hashed and counted -> the config -> a load begins -> the second
 * export goes into it, hashed again -> the documents -> the engine has the image. Failure modes:
 * the engine's; a second export that is another one than the first (ERR_VERIFY).
 */
#include "client/migrate/flat_image.h"

#include "common/cargo/docker_archive.h"
#include "common/engine/engine_export.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DOCUMENTS_MAX (2u << 20)

struct flat_image {
	struct engine *engine;
	char *container, *base;
	json_t *settings;
	flat_image_fn *fn;
	void *ctx;
	char os[32], arch[32];
	struct engine_export *export; /* NULL: none under way */
	struct engine_load *load;     /* likewise */
	struct hasher *hasher;
	struct digest layer, id;
	uint64_t size, passed; /* of the layer; in the second export */
	char *config;
	struct buf pending; /* of the archive, not taken by the load yet */
	bool second;	    /* the first export is through */
	bool whole;	    /* the archive is, but for what is pending */
	bool ending;
	struct err err;
};

/* --- the end --- */

static void maybe_over(struct flat_image *f)
{
	if (f->export || f->load)
		return;
	f->fn(f->ctx, &f->id, f->err.code == ERR_NONE ? NULL : &f->err);
	hasher_free(f->hasher);
	json_decref(f->settings);
	buf_done(&f->pending);
	free(f->config);
	free(f->container);
	free(f->base);
	free(f);
}

/* What is under way ends first. */
static void fail(struct flat_image *f, const struct err *err)
{
	if (!f->ending) {
		f->ending = true;
		f->err = *err;
		if (f->export)
			engine_export_cancel(f->export);
		if (f->load)
			engine_load_abort(f->load);
	}
	maybe_over(f);
}

void flat_image_cancel(struct flat_image *f)
{
	struct err err;

	err_set(&err, ERR_INTERRUPTED, "interrupted");
	if (f->export || f->load)
		fail(f, &err);
	else
		f->ending = true; /* the engine is being asked: see facts_known */
	if (f->ending && f->err.code == ERR_NONE)
		f->err = err;
}

/* --- the archive --- */

static void put_document(struct flat_image *f, const char *name, const char *text)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	size_t n = strlen(text);

	docker_archive_header(block, name, n);
	buf_append(&f->pending, block, sizeof(block));
	buf_append(&f->pending, text, n);
	memset(block, 0, sizeof(block));
	buf_append(&f->pending, block, docker_archive_padding(n));
}

static void put_layer_header(struct flat_image *f)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	char name[DOCKER_ARCHIVE_NAME_MAX];

	docker_archive_blob_name(&f->layer, name);
	docker_archive_header(block, name, f->size);
	buf_append(&f->pending, block, sizeof(block));
}

/* All that stands behind the layer. */
static int put_rest(struct flat_image *f, struct err *err)
{
	struct archive_layer layer = {
		.digest = f->layer, .size = f->size, .media_type = DOCKER_ARCHIVE_RAW_LAYER
	};
	char config[DOCKER_ARCHIVE_NAME_MAX], name[DOCKER_ARCHIVE_NAME_MAX];
	const char *names[] = { name };
	CLEANUP(cleanup_free) char *oci = NULL, *index = NULL, *manifest = NULL;
	uint8_t zeros[DOCKER_ARCHIVE_END] = { 0 };
	struct digest digest;

	docker_archive_blob_name(&f->layer, name);
	docker_archive_blob_name(&f->id, config);
	if (docker_archive_oci_manifest(&f->id, strlen(f->config), &layer, 1, &oci, err) != 0)
		return -1;
	digest = digest_of(oci, strlen(oci));
	if (docker_archive_index(&digest, strlen(oci), &index, err) != 0 ||
		docker_archive_manifest(config, names, 1, &manifest, err) != 0)
		return -1;
	buf_append(&f->pending, zeros, docker_archive_padding(f->size));
	put_document(f, DOCKER_ARCHIVE_LAYOUT_NAME, DOCKER_ARCHIVE_LAYOUT);
	put_document(f, config, f->config);
	docker_archive_blob_name(&digest, name);
	put_document(f, name, oci);
	put_document(f, "index.json", index);
	put_document(f, "manifest.json", manifest);
	buf_append(&f->pending, zeros, sizeof(zeros));
	return buf_ok(&f->pending) ? 0 : err_nomem(err);
}

/* --- the load --- */

static void pump(struct flat_image *f)
{
	size_t n;

	if (f->ending || !f->load)
		return;
	n = engine_load_write(f->load, buf_bytes(&f->pending), buf_len(&f->pending));
	buf_consume(&f->pending, n);
	if (f->whole && buf_len(&f->pending) == 0)
		engine_load_end(f->load);
}

static void on_room(void *ctx)
{
	struct flat_image *f = ctx;

	pump(f);
	if (f->export && !f->ending && buf_len(&f->pending) == 0)
		engine_export_resume(f->export);
}

static void loaded(void *ctx, const struct err *err)
{
	struct flat_image *f = ctx;
	struct err early;

	f->load = NULL;
	if (!err && !f->whole) {
		err_set(&early, ERR_ENGINE, "the engine ended the load before it had everything");
		err = &early;
	}
	if (err)
		fail(f, err);
	else
		maybe_over(f);
}

/* --- the exports --- */

static size_t take_bytes(void *ctx, const void *bytes, size_t n)
{
	struct flat_image *f = ctx;
	size_t taken = n;

	if (f->ending)
		return n;
	if (f->second) {
		taken = f->load && buf_len(&f->pending) == 0 ? engine_load_write(f->load, bytes, n)
							     : 0;
		f->passed += taken;
	} else {
		f->size += taken;
	}
	if (taken > 0)
		hasher_update(f->hasher, bytes, taken);
	return taken;
}

static void exported(void *ctx, const struct err *err);

static int start_export(struct flat_image *f, struct err *err)
{
	return engine_export_start(
		f->engine, f->container, take_bytes, exported, f, &f->export, err);
}

static int make_config(struct flat_image *f, struct err *err)
{
	char layer[DIGEST_TEXT_LEN + 1], created[40];
	time_t now = time(NULL);
	struct tm tm;
	json_t *o;

	gmtime_r(&now, &tm);
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	digest_text(&f->layer, layer);
	o = json_pack("{s:s, s:s, s:s, s:O, s:{s:s, s:[s]}, s:[{s:s, s:s, s:s}]}", "architecture",
		f->arch, "os", f->os, "created", created, "config", f->settings, "rootfs", "type",
		"layers", "diff_ids", layer, "history", "created", created, "created_by",
		"dray migrate --mode flat", "comment", f->base);
	f->config = o ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(o);
	if (!f->config)
		return err_nomem(err);
	f->id = digest_of(f->config, strlen(f->config));
	return 0;
}

static int begin_load(struct flat_image *f, struct err *err)
{
	f->layer = hasher_end(f->hasher);
	f->second = true;
	if (make_config(f, err) != 0)
		return -1;
	put_layer_header(f);
	if (engine_load_start(f->engine, on_room, loaded, f, &f->load, err) != 0 ||
		start_export(f, err) != 0)
		return -1;
	pump(f);
	return 0;
}

static int end_load(struct flat_image *f, struct err *err)
{
	struct digest again = hasher_end(f->hasher);

	if (f->passed != f->size || !digest_equal(&again, &f->layer))
		return err_set(err, ERR_VERIFY,
			"the container's files changed while they were read, although it is "
			"stopped");
	if (put_rest(f, err) != 0)
		return -1;
	f->whole = true;
	pump(f);
	return 0;
}

static void exported(void *ctx, const struct err *failed)
{
	struct flat_image *f = ctx;
	struct err err = { 0 };
	int r;

	f->export = NULL;
	if (failed || f->ending) {
		fail(f, failed ? failed : &f->err);
		return;
	}
	r = f->second ? end_load(f, &err) : begin_load(f, &err);
	if (r != 0)
		fail(f, &err);
}

/* --- the start --- */

static void facts_known(void *ctx, const struct engine_info *info, const struct err *failed)
{
	struct flat_image *f = ctx;
	struct err err = { 0 };
	const char *slash;

	if (failed || f->ending) {
		if (failed)
			f->err = *failed;
		maybe_over(f);
		return;
	}
	slash = strchr(info->os_arch, '/');
	if (!slash || strlen(slash + 1) >= sizeof(f->arch) ||
		(size_t)(slash - info->os_arch) >= sizeof(f->os)) {
		err_set(&f->err, ERR_ENGINE, "the engine does not say what system it is for");
		maybe_over(f);
		return;
	}
	memcpy(f->os, info->os_arch, (size_t)(slash - info->os_arch));
	memcpy(f->arch, slash + 1, strlen(slash + 1));
	if (start_export(f, &err) != 0) {
		f->err = err;
		maybe_over(f);
	}
}

int flat_image_start(struct engine *e, const char *container, const json_t *config,
	const char *base, flat_image_fn *fn, void *ctx, struct flat_image **ret, struct err *err)
{
	struct flat_image *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->engine = e;
	f->fn = fn;
	f->ctx = ctx;
	buf_init(&f->pending, DOCUMENTS_MAX);
	f->container = strdup(container);
	f->base = strdup(base);
	f->settings = config ? json_deep_copy(config) : json_object();
	f->hasher = hasher_new();
	if (!f->container || !f->base || !f->settings || !f->hasher) {
		hasher_free(f->hasher);
		json_decref(f->settings);
		free(f->container);
		free(f->base);
		free(f);
		return err_nomem(err);
	}
	engine_get_info(e, facts_known, f);
	*ret = f;
	return 0;
}
