/*
 * An image out of the engine, by its archive or by its files. The happy path: the archive's bytes
 * go from the socket into a bounded pipe on the loop's thread; a thread of the save's own reads the
 * pipe through libarchive and feeds the sink. A full pipe pauses the socket, and the thread wakes
 * the loop when there is room again. When both the request and the thread are over, the owner is
 * told. Whichever fails first ends the other. Where the files are read, there is the thread alone.
 */
#include "common/engine/uv_save.h"

#include "common/engine/byte_pipe.h"
#include "common/engine/containerd_read.h"
#include "common/engine/engine_call.h"
#include "common/engine/overlay2.h"
#include "common/engine/save_learn.h"
#include "common/engine/save_reader.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_PIPE_SIZE (4u << 20)

struct engine_save {
	struct engine *engine;
	struct engine_save *next; /* in engine->saves */
	struct engine_image image;
	enum engine_read way;	  /* as it was asked for */
	bool direct;		  /* from the files: no request, no pipe */
	struct engine_info *info; /* of direct reads */
	struct engine_save_sink sink;
	void *sink_ctx;
	engine_done_fn *fn;
	engine_image_fn *learnt; /* what is read for is the manifest: instead of sink and fn */
	struct oci_document manifest;
	void *ctx;

	struct http_request request;
	struct byte_pipe *pipe;
	uv_thread_t thread;
	uv_async_t wake;
	bool request_over, canceled;
	atomic_bool reader_over, stop;
	struct err err; /* the reader's; written by the thread before reader_over */
	int result;
};

/* --- the reading thread --- */

static int read_pipe(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	struct engine_save *s = ctx;

	return byte_pipe_get(s->pipe, ret, ret_n, err);
}

static int read_files(struct engine_save *s)
{
	int r = s->info->containerd_store ? containerd_read(s->info, &s->image, &s->stop, &s->sink,
						    s->sink_ctx, &s->err)
					  : overlay2_read(s->info, &s->image, &s->stop, &s->sink,
						    s->sink_ctx, &s->err);

	if (r == 0 || s->err.code != ERR_AGAIN)
		return r;
	if (s->way == READ_AUTO)
		return err_wrap(&s->err,
			"cannot read the engine's files, so the engine is asked for "
			"the image");
	s->err.code = ERR_FAILED;
	return err_wrap(&s->err, "cannot read the engine's files");
}

static void read_image(void *ctx)
{
	struct engine_save *s = ctx;

	if (s->learnt)
		s->result = save_learn(&s->image, read_pipe, s, &s->manifest, &s->err);
	else if (s->direct)
		s->result = read_files(s);
	else
		s->result = save_read(&s->image, read_pipe, s, &s->sink, s->sink_ctx, &s->err);
	atomic_store(&s->reader_over, true);
	uv_async_send(&s->wake);
}

static void pipe_has_room(void *ctx)
{
	struct engine_save *s = ctx;

	uv_async_send(&s->wake);
}

/* --- the loop's thread --- */

static void free_save(struct engine_save *s)
{
	byte_pipe_free(s->pipe);
	engine_image_done(&s->image);
	oci_document_done(&s->manifest);
	free(s->info);
	free(s);
}

static void tell_learnt(struct engine_save *s)
{
	if (s->result == 0) {
		s->image.config = s->manifest.config.digest;
		s->image.config_known = true;
		s->image.blobs = s->manifest.items;
		s->manifest = (struct oci_document){ 0 };
		image_cache_add(&s->engine->cache, &s->image);
	}
	s->learnt(s->ctx, s->result == 0 ? &s->image : NULL, s->result == 0 ? NULL : &s->err);
}

static void wake_closed(uv_handle_t *handle)
{
	struct engine_save *s = handle->data, **at;
	struct engine *e = s->engine;

	for (at = &e->saves; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	if (s->canceled)
		s->result = err_set(&s->err, ERR_INTERRUPTED, "interrupted");
	if (s->learnt)
		tell_learnt(s);
	else
		s->fn(s->ctx, s->result == 0 ? NULL : &s->err);
	free_save(s);
	engine_maybe_close(e);
}

static void discarded(uv_handle_t *handle)
{
	free_save(handle->data);
}

static void maybe_over(struct engine_save *s)
{
	if (!s->request_over || !atomic_load(&s->reader_over) ||
		uv_is_closing((uv_handle_t *)&s->wake))
		return;
	uv_thread_join(&s->thread);
	uv_close((uv_handle_t *)&s->wake, wake_closed);
}

/* Room in the pipe, or the reader is over. */
static void woken(uv_async_t *wake)
{
	struct engine_save *s = wake->data;

	if (!atomic_load(&s->reader_over)) {
		http_resume(&s->request);
		return;
	}
	http_cancel(&s->request);
	maybe_over(s);
}

static bool take_bytes(void *ctx, const void *bytes, size_t n)
{
	struct engine_save *s = ctx;

	return byte_pipe_put(s->pipe, bytes, n);
}

static void request_done(void *ctx, int status, const struct buf *body, const struct err *failed)
{
	struct engine_save *s = ctx;
	struct err err = { 0 };

	if (failed)
		err = *failed;
	else if (status < 200 || status >= 300)
		engine_json_error(status, body, &err);
	byte_pipe_end(s->pipe, err.code ? &err : NULL);
	s->request_over = true;
	maybe_over(s);
}

void engine_save_cancel(struct engine_save *s)
{
	if (s->request_over && atomic_load(&s->reader_over))
		return;
	s->canceled = true;
	atomic_store(&s->stop, true);
	http_cancel(&s->request);
	if (s->pipe)
		byte_pipe_end(
			s->pipe, &(struct err){ .code = ERR_INTERRUPTED, .text = "interrupted" });
}

void uv_save_cancel_all(struct engine *e)
{
	for (struct engine_save *s = e->saves; s; s = s->next)
		engine_save_cancel(s);
}

/* An index is saved with all its platforms when none is named. */
static char *save_path(const struct engine_save *s)
{
	const struct oci_platform *p = &s->image.platform;
	CLEANUP(cleanup_free) char *text = NULL;
	char id[DIGEST_TEXT_LEN + 1];
	json_t *platform;

	digest_text(&s->image.id, id);
	if (!s->engine->facts.containerd_store || !engine_api_at_least(&s->engine->facts, 1, 48))
		return engine_path("/images/%s/get", id);
	platform = json_pack(
		"{s:s, s:s, s:s}", "os", p->os, "architecture", p->arch, "variant", p->variant);
	text = json_dumps(platform, JSON_COMPACT);
	json_decref(platform);
	return text ? engine_path("/images/%s/get?platform=%s", id, text) : NULL;
}

static void start_request(struct engine_save *s)
{
	CLEANUP(cleanup_free) char *path = save_path(s);
	struct http_call call = { .method = "GET",
		.own_connection = true,
		.sink = take_bytes,
		.done = request_done,
		.ctx = s };

	call.path = path ? path : "/";
	http_start(s->engine->http, &s->request, &call);
	if (!path)
		http_fail(&s->request, ERR_NOMEM, "out of memory");
}

static int start_thread(struct engine_save *s, struct err *err)
{
	int r = uv_async_init(s->engine->loop, &s->wake, woken);

	if (r != 0) {
		free_save(s);
		return err_errno(err, -r, "cannot wake the event loop");
	}
	s->wake.data = s;
	r = uv_thread_create(&s->thread, read_image, s);
	if (r != 0) {
		uv_close((uv_handle_t *)&s->wake, discarded);
		return err_errno(err, -r, "cannot start a thread");
	}
	s->next = s->engine->saves;
	s->engine->saves = s;
	return 0;
}

/* What the thread reads of. */
static int prepare(struct engine_save *s, const struct engine_info *info,
	const struct engine_image *image, struct err *err)
{
	if (s->direct) {
		s->request_over = true;
		s->info = malloc(sizeof(*s->info));
		if (!s->info)
			return err_nomem(err);
		*s->info = *info;
	} else {
		s->pipe = byte_pipe_new(SAVE_PIPE_SIZE, pipe_has_room, s);
		if (!s->pipe)
			return err_nomem(err);
	}
	if (image->n_diff_ids > ENGINE_LAYERS_MAX)
		return err_set(
			err, ERR_LIMIT, "the image has more than %u layers", ENGINE_LAYERS_MAX);
	return engine_image_copy(&s->image, image, err);
}

static int check_files(
	const struct engine_info *info, const struct engine_image *image, struct err *err)
{
	return info->containerd_store ? containerd_check(info, image, err)
				      : overlay2_check(info, image, err);
}

/* Whether the files are to be read; -1 when they are, and cannot. */
static int choose(struct engine *e, const struct engine_info *info,
	const struct engine_image *image, enum engine_read way, bool *ret, struct err *err)
{
	struct err why;

	*ret = way != READ_API && check_files(info, image, &why) == 0;
	if (way != READ_DIRECT || *ret)
		return 0;
	return err_set(err, ERR_FAILED, "cannot read the files of the engine at %s: %s",
		engine_host(e), why.text);
}

int engine_read_start(struct engine *e, const struct engine_info *info,
	const struct engine_image *image, enum engine_read way, const struct engine_save_sink *sink,
	void *sink_ctx, engine_done_fn *fn, void *ctx, struct engine_save **ret, struct err *err)
{
	struct engine_save *s;
	bool direct;

	if (choose(e, info, image, way, &direct, err) != 0)
		return -1;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(err);
	s->engine = e;
	s->way = way;
	s->direct = direct;
	s->sink = *sink;
	s->sink_ctx = sink_ctx;
	s->ctx = ctx;
	s->fn = fn;
	if (prepare(s, info, image, err) != 0) {
		free_save(s);
		return -1;
	}
	if (start_thread(s, err) != 0)
		return -1;
	if (!direct)
		start_request(s);
	*ret = s;
	return 0;
}

int engine_learn(struct engine *e, const struct engine_image *image, engine_image_fn *fn, void *ctx,
	struct err *err)
{
	struct engine_save *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	s->engine = e;
	s->learnt = fn;
	s->ctx = ctx;
	if (prepare(s, NULL, image, err) != 0) {
		free_save(s);
		return -1;
	}
	if (start_thread(s, err) != 0)
		return -1;
	start_request(s);
	return 0;
}

int engine_save_start(struct engine *e, const struct engine_image *image,
	const struct engine_save_sink *sink, void *sink_ctx, engine_done_fn *fn, void *ctx,
	struct engine_save **ret, struct err *err)
{
	return engine_read_start(e, NULL, image, READ_API, sink, sink_ctx, fn, ctx, ret, err);
}
