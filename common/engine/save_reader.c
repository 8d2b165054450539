#include "common/engine/save_reader.h"

#include "common/engine/stored_layer.h"
#include "common/engine/v1_names.h"

#include <stdlib.h>
#include <string.h>

struct save_reader {
	const struct engine_image *image;
	const struct engine_save_sink *sink;
	void *sink_ctx;

	struct save_archive archive;
	struct digest *chains;
	bool *delivered; /* by layer */
	size_t unnamed;	 /* layers delivered without a name */
	bool noted, have_config;

	struct digest dir; /* the directory whose json was read last */
	size_t dir_layer;
};

enum entry_kind { ENTRY_OTHER, ENTRY_V1_JSON, ENTRY_V1_LAYER, ENTRY_NAMED };

/* --- entry names --- */

static bool parse_hex(const char *hex, struct digest *ret)
{
	char text[DIGEST_TEXT_LEN + 1] = "sha256:";

	memcpy(text + 7, hex, DIGEST_HEX_LEN);
	text[DIGEST_TEXT_LEN] = '\0';
	return digest_parse(text, ret, NULL) == 0;
}

/* "<hex>/json" and "<hex>/layer.tar" (Docker up to 24), "<hex>.json", "<hex>.tar" (Podman),
 * "blobs/sha256/<hex>" (Docker from 25). */
static enum entry_kind classify(const char *name, struct digest *ret)
{
	static const char blobs[] = "blobs/sha256/";
	const char *rest;

	if (strncmp(name, blobs, sizeof(blobs) - 1) == 0)
		name += sizeof(blobs) - 1;
	if (strnlen(name, DIGEST_HEX_LEN) < DIGEST_HEX_LEN || !parse_hex(name, ret))
		return ENTRY_OTHER;
	rest = name + DIGEST_HEX_LEN;
	if (strcmp(rest, "/json") == 0)
		return ENTRY_V1_JSON;
	if (strcmp(rest, "/layer.tar") == 0)
		return ENTRY_V1_LAYER;
	if (strcmp(rest, "") == 0 || strcmp(rest, ".json") == 0 || strcmp(rest, ".tar") == 0)
		return ENTRY_NAMED;
	return ENTRY_OTHER;
}

/* --- entry contents --- */

static int deliver(
	struct save_reader *r, const struct digest *diff_id, uint64_t size, struct err *err)
{
	const void *bytes;
	uint64_t done = 0;
	size_t n;

	if (r->sink->layer(r->sink_ctx, diff_id, size, err) != 0)
		return -1;
	for (;;) {
		if (save_archive_block(&r->archive, &bytes, &n, err) != 0)
			return -1;
		if (n == 0)
			break;
		if (r->sink->bytes(r->sink_ctx, bytes, n, err) != 0)
			return -1;
		done += n;
	}
	if (done != size)
		return err_set(err, ERR_ENGINE, "the engine's archive ends inside a layer");
	return r->sink->layer_end(r->sink_ctx, err);
}

/* --- what to do with which entry --- */

static bool wants(struct save_reader *r, size_t layer)
{
	return !r->delivered[layer] && r->sink->wants(r->sink_ctx, &r->image->diff_ids[layer]);
}

/* The same layer may stand at several places; it is delivered once. */
static void mark_delivered(struct save_reader *r, const struct digest *diff_id)
{
	for (size_t i = 0; i < r->image->n_diff_ids; i++)
		if (digest_equal(&r->image->diff_ids[i], diff_id))
			r->delivered[i] = true;
}

/* Wanted layers that were not delivered by name. */
static size_t missing(struct save_reader *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->image->n_diff_ids; i++)
		n += engine_image_first(r->image, i) && wants(r, i);
	return n;
}

static int take_layer(struct save_reader *r, size_t layer, uint64_t size, struct err *err)
{
	const struct digest *diff_id = &r->image->diff_ids[layer];

	if (!wants(r, layer))
		return 0;
	if (deliver(r, diff_id, size, err) != 0)
		return -1;
	mark_delivered(r, diff_id);
	return 0;
}

/* A layer as containerd has it stored. */
static int take_stored_layer(struct save_reader *r, size_t layer, uint64_t size, struct err *err)
{
	struct stored_layer l = { .diff_id = &r->image->diff_ids[layer],
		.blob = &r->image->blobs[layer].digest,
		.size = SAVE_SIZE_UNKNOWN,
		.read = save_archive_block,
		.read_ctx = &r->archive,
		.sink = r->sink,
		.sink_ctx = r->sink_ctx };
	char name[DIGEST_TEXT_LEN + 1], blob[DIGEST_TEXT_LEN + 1];

	if (!wants(r, layer))
		return 0;
	if (digest_equal(l.diff_id, l.blob))
		l.size = size;
	if (stored_layer_deliver(&l, err) == 0) {
		mark_delivered(r, l.diff_id);
		return 0;
	}
	digest_text(l.diff_id, name);
	digest_text(l.blob, blob);
	if (l.sink_failed || err->code != ERR_ENGINE)
		return l.sink_failed ? -1 : err_wrap(err, "layer %s", name);
	/* How an engine ends an archive that turns out to want something that it has lost. */
	return err_wrap(err,
		"layer %s: the engine does not give its blob %s, and if it has lost that, pull or "
		"load "
		"the image again",
		name, blob);
}

static int take_unknown_layer(struct save_reader *r, uint64_t size, struct err *err)
{
	if (missing(r) == 0)
		return 0;
	if (!r->noted)
		r->sink->note(r->sink_ctx, "the engine's archive does not tell which layer is "
					   "which: reading them all");
	r->noted = true;
	r->unnamed++;
	return deliver(r, NULL, size, err);
}

static int take_config(struct save_reader *r, uint64_t size, struct err *err)
{
	CLEANUP(buf_done) struct buf config;
	struct digest got;

	buf_init(&config, ENGINE_CONFIG_MAX);
	if (size > ENGINE_CONFIG_MAX)
		return err_set(
			err, ERR_LIMIT, "the image's config is over %u bytes", ENGINE_CONFIG_MAX);
	if (save_archive_whole(&r->archive, &config, err) != 0)
		return -1;
	got = digest_of(buf_bytes(&config), buf_len(&config));
	if (!digest_equal(&got, &r->image->config))
		return err_set(err, ERR_VERIFY,
			"the image's config in the engine's archive does not hash to the image's "
			"ID");
	r->have_config = true;
	return r->sink->config(r->sink_ctx, buf_bytes(&config), buf_len(&config), err);
}

static int take_json(
	struct save_reader *r, const struct digest *dir, uint64_t size, struct err *err)
{
	CLEANUP(buf_done) struct buf json;

	buf_init(&json, V1_JSON_MAX);
	r->dir = *dir;
	r->dir_layer = V1_LAYER_UNKNOWN;
	if (size == 0 || size > V1_JSON_MAX)
		return 0;
	if (save_archive_whole(&r->archive, &json, err) != 0)
		return -1;
	r->dir_layer = v1_layer_index(dir, (const char *)buf_bytes(&json), buf_len(&json),
		r->chains, r->image->n_diff_ids);
	return 0;
}

static int take_named(
	struct save_reader *r, const struct digest *name, uint64_t size, struct err *err)
{
	if (digest_equal(name, &r->image->config))
		return r->have_config ? 0 : take_config(r, size, err);
	for (size_t i = 0; r->image->blobs && i < r->image->n_diff_ids; i++)
		if (digest_equal(&r->image->blobs[i].digest, name))
			return take_stored_layer(r, i, size, err);
	for (size_t i = 0; i < r->image->n_diff_ids; i++)
		if (digest_equal(&r->image->diff_ids[i], name))
			return take_layer(r, i, size, err);
	return 0;
}

static int take_entry(struct save_reader *r, struct archive_entry *entry, struct err *err)
{
	const char *name = archive_entry_pathname(entry);
	int64_t size = archive_entry_size(entry);
	struct digest d;
	enum entry_kind kind;

	kind = classify(name, &d);
	if (kind == ENTRY_V1_JSON)
		return take_json(r, &d, (uint64_t)size, err);
	if (kind == ENTRY_NAMED)
		return take_named(r, &d, (uint64_t)size, err);
	if (kind != ENTRY_V1_LAYER)
		return 0;
	if (r->dir_layer != V1_LAYER_UNKNOWN && digest_equal(&d, &r->dir))
		return take_layer(r, r->dir_layer, (uint64_t)size, err);
	return take_unknown_layer(r, (uint64_t)size, err);
}

/* A containerd engine gives an archive without what it has not got. */
static int lacks_layer(struct save_reader *r, struct err *err)
{
	char name[DIGEST_TEXT_LEN + 1], blob[DIGEST_TEXT_LEN + 1];
	size_t i = 0;

	if (!r->image->blobs)
		return err_set(err, ERR_ENGINE, "the engine's archive lacks a layer of the image");
	while (!engine_image_first(r->image, i) || !wants(r, i))
		i++;
	digest_text(&r->image->diff_ids[i], name);
	digest_text(&r->image->blobs[i].digest, blob);
	return err_set(err, ERR_NOT_FOUND, ENGINE_LACKS_BLOB, name, blob);
}

static int read_entries(struct save_reader *r, struct err *err)
{
	struct archive_entry *entry;

	for (;;) {
		if (save_archive_next(&r->archive, &entry, err) != 0)
			return -1;
		if (!entry)
			break;
		if (take_entry(r, entry, err) != 0)
			return -1;
	}
	if (missing(r) > r->unnamed)
		return lacks_layer(r, err);
	if (!r->have_config)
		return err_set(err, ERR_ENGINE, "the engine's archive lacks the image's config");
	return 0;
}

static int prepare(struct save_reader *r, struct err *err)
{
	size_t n = r->image->n_diff_ids;

	r->chains = calloc(n ? n : 1, sizeof(*r->chains));
	r->delivered = calloc(n ? n : 1, sizeof(*r->delivered));
	if (!r->chains || !r->delivered)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		r->chains[i] = digest_chain(i ? &r->chains[i - 1] : NULL, &r->image->diff_ids[i]);
	return 0;
}

int save_read(const struct engine_image *image, save_read_fn *read, void *read_ctx,
	const struct engine_save_sink *sink, void *sink_ctx, struct err *err)
{
	struct save_reader r = {
		.image = image, .sink = sink, .sink_ctx = sink_ctx, .dir_layer = V1_LAYER_UNKNOWN
	};
	int result = prepare(&r, err);

	if (result == 0)
		result = save_archive_open(&r.archive, read, read_ctx, err);
	if (result == 0)
		result = read_entries(&r, err);
	save_archive_close(&r.archive);
	free(r.chains);
	free(r.delivered);
	return result;
}
