/*
 * The container engine, spoken to over its HTTP API on the event loop. One `struct engine` per
 * engine and loop; every function is called on the loop's thread, every callback fires there,
 * exactly once, and never before the starting call returned. An engine that cannot be reached is
 * ERR_UNREACHABLE with the address and what to do; an engine's own error is ERR_ENGINE (404:
 * ERR_NOT_FOUND) with its message, escaped.
 */
#pragma once

#include "common/base/err.h"
#include "common/cargo/oci_search.h"
#include "common/engine/engine_address.h"

#include <uv.h>

struct engine;

/* Connects to nothing yet. The address (engine_choice.h) must outlive the engine. */
int engine_open(uv_loop_t *loop, const struct engine_address *address, struct engine **ret,
	struct err *err) MUST_CHECK;

/* Cancels what is under way (its callbacks fire with ERR_INTERRUPTED), closes all handles, then
 * calls `done` (may be NULL) and frees. */
void engine_close(struct engine *e, void (*done)(void *ctx), void *ctx);

/* For messages: "unix:///var/run/docker.sock". */
const char *engine_host(const struct engine *e);

/* Calls (all but saves and loads) that may be under way at once; more is a bug of the caller. */
#define ENGINE_CALLS_MAX 192

#define ENGINE_LAYERS_MAX 1024u /* of an image; the engines' own limit is 125 */
#define ENGINE_TAGS_MAX 4096u	/* of an image */
#define ENGINE_CONFIG_MAX OCI_CONFIG_MAX
#define ENGINE_LIST_MAX (16u << 20) /* bytes of the engine's list of images or containers */
#define ENGINE_INSPECT_MAX (4u << 20)
#define ENGINE_STEPS_MAX 16384u /* of an image's history */

/* --- facts --- */

struct engine_info {
	char version[64];     /* "20.10.24" */
	char api_version[16]; /* "1.41" */
	char driver[32];      /* "overlay2" */
	char data_root[256];
	char os_arch[64];
	bool podman;
	bool containerd_store; /* images are kept by containerd */
	bool remote;	       /* spoken to over TCP: its files are not looked for here */
	/* "" where the engine does not tell: */
	char min_api_version[16];
	char containerd[64], runc[64]; /* their versions */
};

/* Does the engine's API have what came with this version? */
bool engine_api_at_least(const struct engine_info *info, unsigned major, unsigned minor);

typedef void engine_info_fn(void *ctx, const struct engine_info *info, const struct err *err);
void engine_get_info(struct engine *e, engine_info_fn *fn, void *ctx);

/* What the engine said of itself last; NULL before it was asked, which the calls about images that
 * the answer concerns do themselves. Changes with the next answer. */
const struct engine_info *engine_facts(const struct engine *e);

/* --- images --- */

/* An image has two names. With the classic store they are the same; with containerd's, `id` is the
 * digest of a manifest or of an index, which other engines may have another of for the same image.
 */
struct engine_image {
	struct digest id;     /* this engine's: what it is addressed by */
	struct digest config; /* SHA-256 of its config: the same in every engine */
	bool config_known;    /* else neither the engine tells it nor do its files */
	struct oci_platform platform;
	struct digest *diff_ids;
	size_t n_diff_ids;
	struct oci_item *blobs; /* the layers as containerd's store has them; NULL: not known */
	char **tags;		/* RepoTags */
	size_t n_tags;
	uint64_t size;
	bool partial; /* in a list: it has the label IMAGE_PARTIAL_LABEL */
};

/* A copy with everything that it points to; engine_image_done frees that, also after a failure. */
int engine_image_copy(
	struct engine_image *to, const struct engine_image *from, struct err *err) MUST_CHECK;
void engine_image_done(struct engine_image *image);

/* The same layer may stand at several places: is this the lowest? */
bool engine_image_first(const struct engine_image *image, size_t layer);

/* `image` is valid during the call; err is NULL on success. */
typedef void engine_image_fn(void *ctx, const struct engine_image *image, const struct err *err);

/* `name` is anything the user may type: name[:tag], ID, short ID; percent-encoded here. */
void engine_inspect_image(struct engine *e, const char *name, engine_image_fn *fn, void *ctx);

/* Every image with this config: one callback each and then one with image NULL and err NULL. With
 * the classic store there is one at most. */
void engine_find_images(
	struct engine *e, const struct digest *config, engine_image_fn *fn, void *ctx);

/* Every image, intermediate ones too, one callback each and then one with image NULL and err NULL.
 * Inspect results are cached by image ID. */
void engine_list_images(struct engine *e, engine_image_fn *fn, void *ctx);

/* How many bytes the files of each layer have, the lowest first; 0 where that cannot be told. What
 * is above any layer is never said to be more than it is. `sizes` has image->n_diff_ids numbers and
 * is valid during the call; err is NULL on success. */
typedef void engine_sizes_fn(void *ctx, const uint64_t *sizes, const struct err *err);
void engine_layer_sizes(
	struct engine *e, const struct engine_image *image, engine_sizes_fn *fn, void *ctx);

/* A step of an image's history as the engine tells it. Whether it made a layer is not told. */
struct engine_step {
	int64_t created; /* seconds since 1970; 0: not known */
	uint64_t size;	 /* of the files in its layer, if it made one */
	char *command;	 /* or, without one, the comment */
};

/* The steps, the first one first. They are valid during the call; err is NULL on success. */
typedef void engine_history_fn(
	void *ctx, const struct engine_step *steps, size_t n, const struct err *err);
void engine_get_history(
	struct engine *e, const struct digest *image, engine_history_fn *fn, void *ctx);

/* err NULL on success. */
typedef void engine_done_fn(void *ctx, const struct err *err);

/* Podman takes a name without a host for one of this machine: it is given the whole one. */
void engine_tag_image(
	struct engine *e, const struct digest *id, const char *tag, engine_done_fn *fn, void *ctx);

/* DELETE with noprune=1, without force. A missing image is ERR_NOT_FOUND. */
void engine_remove_image(struct engine *e, const struct digest *id, engine_done_fn *fn, void *ctx);

/* Takes this name off its image, and the image away when it was the last one. */
void engine_remove_tag(struct engine *e, const char *tag, engine_done_fn *fn, void *ctx);

/* Is there a container (running or not) made from this image? */
typedef void engine_bool_fn(void *ctx, bool yes, const struct err *err);
void engine_image_in_use(struct engine *e, const struct digest *id, engine_bool_fn *fn, void *ctx);

/* --- save: an image out of the engine, or of its files --- */

#define SAVE_SIZE_UNKNOWN UINT64_MAX

/* Called on the save's own thread, one at a time. Functions that return int stop the save with -1;
 * they may wait, and the engine's socket is then read no further. */
struct engine_save_sink {
	/* Is this layer to be read? Layers that are not wanted are passed over without hashing. */
	bool (*wants)(void *ctx, const struct digest *diff_id);
	/* A layer's raw tar begins. `diff_id` is NULL when the archive does not tell which layer it
	 * is, and `size` SAVE_SIZE_UNKNOWN when it does not tell how large that is. */
	int (*layer)(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err);
	int (*bytes)(void *ctx, const void *bytes, size_t n, struct err *err);
	int (*layer_end)(void *ctx, struct err *err);
	/* The image's config, whole: its SHA-256 is the image ID (checked). */
	int (*config)(void *ctx, const void *bytes, size_t n, struct err *err);
	/* One line for people, e.g. that layers cannot be told apart and all are read. */
	void (*note)(void *ctx, const char *text);
};

struct engine_save;

/* Where an image's layers are read: from the engine's own files (overlay2, on this machine, with
 * the right to), or out of the archive that the engine makes of it. */
enum engine_read { READ_AUTO, READ_DIRECT, READ_API };

/*
 * Starts to read the image: from the engine's files in the way of READ_DIRECT (ERR_FAILED when that
 * is impossible), from its archive in the way of READ_API, and READ_AUTO takes the files where it
 * can. `image` and `info` are copied. `fn` fires on the loop's thread when everything was read or
 * something failed; the sink checks each layer against its diffID (ERR_VERIFY). ERR_AGAIN, from
 * READ_AUTO only: the files turned out not to be right; READ_API may do what is left.
 */
int engine_read_start(struct engine *e, const struct engine_info *info,
	const struct engine_image *image, enum engine_read way, const struct engine_save_sink *sink,
	void *sink_ctx, engine_done_fn *fn, void *ctx, struct engine_save **ret,
	struct err *err) MUST_CHECK;

/* For an image whose config is not known: reads as much of its archive as it takes to tell. `fn`
 * gets the image with config and blobs, or the error: ERR_NOT_FOUND when the engine has them no
 * more. `image` is copied. */
int engine_learn(struct engine *e, const struct engine_image *image, engine_image_fn *fn, void *ctx,
	struct err *err) MUST_CHECK;

/* Starts GET /images/{id}/get and a thread that reads the archive. `image` is copied. `fn` fires on
 * the loop's thread when the archive was read to its end or something failed. The layers that were
 * wanted and not found, or a missing config, are ERR_ENGINE. */
int engine_save_start(struct engine *e, const struct engine_image *image,
	const struct engine_save_sink *sink, void *sink_ctx, engine_done_fn *fn, void *ctx,
	struct engine_save **ret, struct err *err) MUST_CHECK;

/* Stops early; `fn` fires with ERR_INTERRUPTED. The sink's functions that wait must be woken by the
 * caller. */
void engine_save_cancel(struct engine_save *s);

/* The config of this name without `save`, out of the engine's files, when this process may read
 * them and the bytes hash to it. False when not (no error: save has it too). Blocking, quick. */
bool engine_read_config(const struct engine_info *info, const struct digest *config, uint8_t **ret,
	size_t *ret_len);

/* --- load: an image into the engine --- */

struct engine_load;

/* Starts POST /images/load with a body of unknown length. `room` fires on the loop's thread when
 * engine_load_write may take more after it took less than it was given. `fn` fires once at the end:
 * success only if the reply's lines hold no error. */
int engine_load_start(struct engine *e, void (*room)(void *ctx), engine_done_fn *fn, void *ctx,
	struct engine_load **ret, struct err *err) MUST_CHECK;

/* Takes up to n bytes of the archive; returns how many (0: wait for `room`). */
size_t engine_load_write(struct engine_load *l, const void *bytes, size_t n);

/* The archive is whole: ends the body. */
void engine_load_end(struct engine_load *l);

/* Breaks the connection so that the engine drops what it got; `fn` fires with ERR_INTERRUPTED (or
 * with the engine's own error when that came first). */
void engine_load_abort(struct engine_load *l);
