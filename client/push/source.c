/*
 * Owns the splitter of the blob that is being read, and the queue to the loop. Happy path: layer
 * begins, bytes go through the splitter, batches come out and wait for room in the window, the
 * layer ends. Failure modes: bytes that do not hash to their diffID (the engine's copy is damaged),
 * the push being stopped.
 */
#include "client/push/source.h"

#include <stdlib.h>
#include <string.h>

struct source {
	struct window *window;
	struct queue *items;
	struct splitter *splitter; /* NULL between blobs */
	struct digest *wanted;
	bool *taken;
	size_t n_wanted;
	bool want_config;
	uint32_t next_blob;
	struct source_item now; /* of the blob that is being read: its BEGIN */
};

void source_item_free(struct source_item *i)
{
	if (!i)
		return;
	batch_free(i->batch);
	free(i->text);
	free(i);
}

static void drop_item(void *item)
{
	source_item_free(item);
}

struct source *source_new(struct window *window, queue_wake_fn *wake, void *ctx, struct err *err)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s)
		s->items = queue_new(SIZE_MAX);
	if (!s || !s->items) {
		free(s);
		err_nomem(err);
		return NULL;
	}
	s->window = window;
	queue_set_wake(s->items, NULL, wake, ctx);
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	queue_close(s->items);
	queue_free(s->items, drop_item);
	splitter_free(s->splitter);
	free(s->wanted);
	free(s->taken);
	free(s);
}

int source_want(
	struct source *s, const struct digest *diff_ids, size_t n, bool config, struct err *err)
{
	s->wanted = calloc(n + 1, sizeof(*s->wanted));
	s->taken = calloc(n + 1, sizeof(*s->taken));
	if (!s->wanted || !s->taken)
		return err_nomem(err);
	memcpy(s->wanted, diff_ids, n * sizeof(*diff_ids));
	s->n_wanted = n;
	s->want_config = config;
	return 0;
}

bool source_wants_more(const struct source *s)
{
	for (size_t i = 0; i < s->n_wanted; i++) {
		if (!s->taken[i])
			return true;
	}
	return s->want_config;
}

bool source_wants_config(const struct source *s)
{
	return s->want_config;
}

static int put(struct source *s, const struct source_item *from, struct err *err)
{
	struct source_item *i = malloc(sizeof(*i));

	if (!i) {
		batch_free(from->batch);
		return err_nomem(err);
	}
	*i = *from;
	if (queue_push(s->items, i, 1))
		return 0;
	source_item_free(i);
	return err_set(err, ERR_INTERRUPTED, "the push was stopped");
}

static int on_batch(void *ctx, struct batch *b, struct err *err)
{
	struct source *s = ctx;
	struct source_item i = { .kind = SOURCE_BATCH, .blob = s->now.blob, .batch = b };

	if (!window_take(s->window, batch_weight(b))) {
		batch_free(b);
		return err_set(err, ERR_INTERRUPTED, "the push was stopped");
	}
	return put(s, &i, err);
}

static int begin(struct source *s, enum blob_role role, const struct digest *digest, uint64_t size,
	struct err *err)
{
	s->splitter = splitter_new(role == ROLE_LAYER, on_batch, s);
	if (!s->splitter)
		return err_nomem(err);
	s->now = (struct source_item){
		.kind = SOURCE_BEGIN, .blob = s->next_blob++, .role = role, .size = size
	};
	if (digest) {
		s->now.digest = *digest;
		s->now.digest_known = true;
	}
	return put(s, &s->now, err);
}

static int end(struct source *s, struct err *err)
{
	struct source_item i = { .kind = SOURCE_END, .blob = s->now.blob };
	char name[DIGEST_TEXT_LEN + 1];
	int r = splitter_end(s->splitter, &i.digest, &i.size, err);

	splitter_free(s->splitter);
	s->splitter = NULL;
	if (r != 0)
		return -1;
	if (s->now.digest_known && !digest_equal(&i.digest, &s->now.digest)) {
		digest_text(&s->now.digest, name);
		return err_set(err, ERR_VERIFY,
			"the engine gave other bytes for %s than it is named for: its copy is "
			"damaged",
			name);
	}
	return put(s, &i, err);
}

/* --- the sink: the save's thread --- */

static size_t wanted_index(const struct source *s, const struct digest *diff_id)
{
	for (size_t i = 0; i < s->n_wanted; i++) {
		if (!s->taken[i] && digest_equal(&s->wanted[i], diff_id))
			return i;
	}
	return SIZE_MAX;
}

static bool sink_wants(void *ctx, const struct digest *diff_id)
{
	return wanted_index(ctx, diff_id) != SIZE_MAX;
}

static int sink_layer(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err)
{
	return begin(ctx, ROLE_LAYER, diff_id, size, err);
}

static int sink_bytes(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct source *s = ctx;

	return splitter_feed(s->splitter, bytes, n, err);
}

/* A layer that came without a name is known by its digest now. */
static int sink_layer_end(void *ctx, struct err *err)
{
	struct source *s = ctx;
	size_t i;

	if (end(s, err) != 0)
		return -1;
	i = s->now.digest_known ? wanted_index(s, &s->now.digest) : SIZE_MAX;
	if (i != SIZE_MAX)
		s->taken[i] = true;
	return 0;
}

int source_give_config(struct source *s, const void *bytes, size_t n, struct err *err)
{
	struct digest digest = digest_of(bytes, n);

	if (!s->want_config)
		return 0;
	s->want_config = false;
	if (begin(s, ROLE_CONFIG, &digest, n, err) != 0 ||
		splitter_feed(s->splitter, bytes, n, err) != 0)
		return -1;
	return end(s, err);
}

static int sink_config(void *ctx, const void *bytes, size_t n, struct err *err)
{
	return source_give_config(ctx, bytes, n, err);
}

static void sink_note(void *ctx, const char *text)
{
	struct source *s = ctx;
	struct source_item i = { .kind = SOURCE_NOTE, .text = strdup(text) };
	struct err err;

	if (i.text && put(s, &i, &err) != 0)
		return; /* stopped: nobody reads notes any more */
}

const struct engine_save_sink source_sink = { .wants = sink_wants,
	.layer = sink_layer,
	.bytes = sink_bytes,
	.layer_end = sink_layer_end,
	.config = sink_config,
	.note = sink_note };

struct source_item *source_take(struct source *s)
{
	return queue_try_pop(s->items);
}

void source_stop(struct source *s)
{
	window_close(s->window);
	queue_close(s->items);
}
