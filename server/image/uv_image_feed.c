/*
 * Owns the rebuild of a job and the credit of its load. Happy path: item -> MEMBER or DATA -> END
 * -> the blob's record goes to the store. Failure modes: damage in the store, a blob that
 * arrived and is not what it is named, a store that cannot be read, an engine side that is gone. At
 * its end the feed stays until the rebuild's thread is back from the store.
 */
#include "server/image/uv_image_feed.h"

#include "common/base/log.h"
#include "link/uv_wake.h"
#include "server/image/rebuild.h"

#include <stdlib.h>

#define STORED_BLOB_BASE 0x80000000u /* numbers of blobs that the store has, for the rebuild */

struct image_feed {
	struct depot_domain *domain;
	struct uv_pin *pin;
	struct engine_port *port;
	uint32_t job;
	const struct image_feed_ops *ops;
	void *ctx;
	struct rebuild *rebuild;
	struct uv_wake *wake;
	struct rebuild_item *item; /* taken and not passed on whole */
	size_t item_at;
	uint64_t credit, passed_on;
	bool opened; /* the engine side answered */
	unsigned added, ended;
	uint32_t stored_blobs;
	bool over, finished; /* by image_feed_free */
	bool *gone;	     /* set by image_feed_free while a pump runs */
};

static void on_wake(void *ctx);

static void feed_free(struct image_feed *f)
{
	rebuild_free(f->rebuild);
	uv_wake_close(f->wake);
	rebuild_item_free(f->item);
	free(f);
}

int image_feed_new(uv_loop_t *loop, struct depot_domain *domain, struct uv_pin *pin,
	struct engine_port *port, uint32_t job, const struct image_feed_ops *ops, void *ctx,
	struct image_feed **ret, struct err *err)
{
	struct image_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return err_nomem(err);
	f->domain = domain;
	f->pin = pin;
	f->port = port;
	f->job = job;
	f->opened = port == NULL;
	f->ops = ops;
	f->ctx = ctx;
	if (uv_wake_new(loop, on_wake, f, &f->wake, err) != 0 ||
		rebuild_start(domain, pin, uv_wake_send, f->wake, &f->rebuild, err) != 0) {
		feed_free(f);
		return -1;
	}
	depot_hold(domain);
	*ret = f;
	return 0;
}

/* The thread uses the pin and posts calls until it ends. */
static void maybe_end(struct image_feed *f)
{
	struct depot_domain *domain = f->domain;

	if (!rebuild_stopped(f->rebuild))
		return;
	uv_pin_end(f->pin, f->finished);
	feed_free(f);
	depot_let_go(domain);
}

void image_feed_free(struct image_feed *f, bool finished)
{
	if (f->gone)
		*f->gone = true;
	f->gone = NULL;
	f->over = true;
	f->finished = finished;
	rebuild_stop(f->rebuild);
	maybe_end(f);
}

/* --- blob records --- */

/* The record of a blob that arrived and was verified. Outlives the feed if it must. */
struct record_call {
	struct depot_call call;
	struct rebuild_item *item;
};

static int run_record(struct depot_call *c, struct store *store, struct err *err)
{
	struct rebuild_item *i = ((struct record_call *)c)->item;
	const struct digest *names[2] = { i->names[0], i->names[1] };

	return store_blob_put(store, &i->digest, i->size, names, i->n_names, err);
}

/* A record that could not be written costs only the next transfer: this one is not touched. */
static void record_done(struct depot_call *c)
{
	struct record_call *r = (struct record_call *)c;

	if (c->result != 0)
		log_warn("a blob was loaded but not recorded: %s", c->err.text);
	rebuild_item_free(r->item);
	free(r);
}

static void record_blob(struct image_feed *f, struct rebuild_item *i)
{
	struct record_call *r = calloc(1, sizeof(*r));

	if (!r) {
		rebuild_item_free(i);
		return;
	}
	r->call = (struct depot_call){ .run = run_record, .done = record_done };
	r->item = i;
	depot_post(f->domain, &r->call);
}

/* --- passing on --- */

static int pass_on_begin(struct image_feed *f, struct err *err)
{
	const struct rebuild_item *i = f->item;
	struct port_message m = { .type = PORT_MEMBER };

	if (!f->port)
		return 0;
	m.member.job = f->job;
	m.member.index = f->ops->member(f->ctx, i->digest_known ? &i->digest : NULL);
	m.member.size = i->size;
	return engine_port_send(f->port, &m, err);
}

/* As much as the credit allows. */
static int pass_on_bytes(struct image_feed *f, struct err *err)
{
	size_t n = min_size(f->item->n - f->item_at, (size_t)min_u64(f->credit, PORT_DATA_MAX));
	struct port_message m = { .type = PORT_DATA };

	if (!f->port) {
		f->passed_on += f->item->n;
		f->item_at = f->item->n;
		return 0;
	}
	m.data.job = f->job;
	m.data.bytes = (wire_bytes){ .p = f->item->bytes + f->item_at, .n = (uint32_t)n };
	if (n > 0 && engine_port_send(f->port, &m, err) != 0)
		return -1;
	f->item_at += n;
	f->credit -= n;
	f->passed_on += n;
	return 0;
}

/* Damage was taken out of the store: the same job again finds the chunks missing and has them sent.
 */
static int outcome_error(const struct rebuild_item *i, struct err *err)
{
	char name[DIGEST_TEXT_LEN + 1];

	digest_text(&i->digest, name);
	if (i->outcome == BLOB_STORED)
		return 0;
	if (i->damaged)
		return err_set(err, ERR_AGAIN,
			"what the receiver had stored of %s was damaged; it is asked for again",
			name);
	if (i->from_store && i->outcome == BLOB_AGAIN)
		return err_set(err, ERR_AGAIN,
			"the receiver has not all of %s any more; it is asked for again", name);
	if (i->from_store)
		return err_set(err, ERR_AGAIN,
			"what the receiver had stored as %s was something else; it is asked for "
			"again",
			name);
	if (i->outcome == BLOB_AGAIN)
		return err_set(err, ERR_VERIFY, "some of %s did not arrive", name);
	return err_set(err, ERR_VERIFY, "what arrived of %s does not hash to that name", name);
}

/* Takes over the END item. */
static int pass_on_end(struct image_feed *f, struct rebuild_item *i, struct err *err)
{
	int r = outcome_error(i, err);

	f->ended++;
	/* Of damage the client need not know which names to doubt: FAIL says all. */
	if (!i->from_store && !i->damaged)
		f->ops->blob_done(f->ctx, i->blob, i->outcome);
	if (r == 0 && !i->from_store)
		record_blob(f, i);
	else
		rebuild_item_free(i);
	return r;
}

/* Passes on the item in hand; *ret_stuck when the credit is used up. */
static int pass_on(struct image_feed *f, bool *ret_stuck, struct err *err)
{
	struct rebuild_item *i = f->item;
	int r = 0;

	if (i->kind == REBUILD_BEGIN)
		r = pass_on_begin(f, err);
	else if (i->kind == REBUILD_BYTES)
		r = pass_on_bytes(f, err);
	*ret_stuck = i->kind == REBUILD_BYTES && f->item_at < i->n && f->credit == 0;
	if (r != 0 || *ret_stuck || (i->kind == REBUILD_BYTES && f->item_at < i->n))
		return r;
	f->item = NULL;
	if (i->kind == REBUILD_END)
		return pass_on_end(f, i, err);
	if (i->kind == REBUILD_ERROR) {
		*err = i->err;
		r = -1;
	}
	rebuild_item_free(i);
	return r;
}

static void pump(struct image_feed *f)
{
	bool gone = false, stuck = false;
	struct err err = { 0 };
	int r = 0;

	f->gone = &gone;
	while (f->opened && r == 0 && !stuck) {
		if (!f->item) {
			f->item = rebuild_take(f->rebuild);
			f->item_at = 0;
		}
		if (!f->item)
			break;
		r = pass_on(f, &stuck, &err);
		if (gone)
			return;
	}
	f->gone = NULL;
	if (r != 0)
		f->ops->failed(f->ctx, &err);
	else
		f->ops->moved(f->ctx);
}

static void on_wake(void *ctx)
{
	struct image_feed *f = ctx;

	if (f->over)
		maybe_end(f);
	else
		pump(f);
}

void image_feed_credit(struct image_feed *f, uint32_t bytes)
{
	f->opened = true;
	f->credit += bytes;
	pump(f);
}

/* --- what is to be fed --- */

int image_feed_add_stored(
	struct image_feed *f, const struct digest *digest, uint64_t size, struct err *err)
{
	f->added++;
	return rebuild_add(
		f->rebuild, STORED_BLOB_BASE + f->stored_blobs++, true, digest, size, err);
}

int image_feed_begin(struct image_feed *f, const struct receiver_blob *blob, struct err *err)
{
	f->added++;
	return rebuild_add(f->rebuild, blob->number, false,
		blob->digest_known ? &blob->digest : NULL,
		blob->role == ROLE_TREE ? REBUILD_TREE : blob->size, err);
}

int image_feed_recipes(struct image_feed *f, const struct receiver_blob *blob,
	enum recipe_stream stream, const wire_digests *names, struct err *err)
{
	return rebuild_names(f->rebuild, blob->number, stream, names->at, names->n, err);
}

void image_feed_end(struct image_feed *f, const struct receiver_blob *blob)
{
	rebuild_ended(f->rebuild, blob->number, &blob->digest, blob->size, blob->last_segment);
}

void image_feed_stored(struct image_feed *f, uint64_t segment)
{
	rebuild_stored(f->rebuild, segment);
}

bool image_feed_all_done(const struct image_feed *f)
{
	return f->ended == f->added;
}

uint64_t image_feed_bytes(const struct image_feed *f)
{
	return f->passed_on;
}
