/*
 * Owns one tree's way: the offer, the reading, the sender's questions, the packer. Happy path:
 * OFFERING -> SENDING -> COMMITTING -> over. Failure modes: the directory, the link, the target's
 * FAIL; each leaves the reading and ends in `over` from the loop.
 */
#include "client/migrate/uv_tree_push.h"

#include "client/push/level.h"
#include "client/push/packed_send.h"
#include "link/uv_wake.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>

/* Room in the session's output that control messages may need besides a segment. */
#define CONTROL_ROOM (2u << 20)

enum state { OFFERING, SENDING, COMMITTING, ENDING };

struct tree_push {
	struct tree_push_config c;
	struct tree_push_ops ops;
	void *ctx;
	enum state state;
	struct tree_reading *reading;
	struct sender *sender;
	struct packer *packer;
	struct level level;
	struct uv_wake *wake;
	struct tree_result result;
	bool begun, read_all, ended; /* ended: the sender knows that it was all */
	bool blob_out;		     /* BLOB_END is */
	bool pumping, again;
	uint64_t done;
	struct err err;
};

/* --- the end --- */

static void finish(struct tree_push *p)
{
	p->ops.over(p->ctx, &p->result, p->again, p->err.code == ERR_NONE ? NULL : &p->err);
	sender_free(p->sender);
	packer_close(p->packer);
	uv_wake_close(p->wake);
	free(p);
}

/* From the loop: nothing is freed under a caller's feet. */
static void end(struct tree_push *p, const struct err *err)
{
	if (p->state == ENDING)
		return;
	p->state = ENDING;
	if (err)
		p->err = *err;
	tree_reading_leave(p->reading);
	p->reading = NULL;
	uv_wake_send(p->wake);
}

void tree_push_lost(struct tree_push *p, const struct err *err)
{
	end(p, err);
}

static int tell(struct tree_push *p, const struct message *m, struct err *err)
{
	return uv_conn_send(p->c.conn, m, err);
}

bool tree_push_has_blob(const struct tree_push *p, uint32_t blob)
{
	return p->begun && blob == p->c.blob;
}

/* --- the sender's operations --- */

static void pump(struct tree_push *p);

static int on_send(void *ctx, const struct message *m, struct err *err)
{
	return tell(ctx, m, err);
}

static void on_pack(void *ctx, struct sender_parcel *parcel)
{
	packer_add(((struct tree_push *)ctx)->packer, parcel);
}

static void count_done(struct tree_push *p, const struct batch *b)
{
	if (b->stream != STREAM_MAIN)
		return;
	p->done += b->span;
	p->ops.progress(p->ctx, p->done);
}

static void on_settled(void *ctx, uint32_t blob, const struct batch *b, bool skipped)
{
	(void)blob;
	if (skipped)
		count_done(ctx, b);
}

static void on_flush(void *ctx, uint32_t blob)
{
	packer_flush(((struct tree_push *)ctx)->packer, blob);
}

/* BLOB_AGAIN is followed by the job's FAIL, which ends it. */
static void on_done(void *ctx, uint32_t blob, enum blob_outcome outcome)
{
	struct tree_push *p = ctx;

	(void)blob;
	p->again = p->again || (outcome == BLOB_AGAIN && !p->c.full_names);
}

/* --- the packer's --- */

static void on_packed(void *ctx, const struct sender_parcel *parcel)
{
	count_done(ctx, parcel->batch);
}

static void on_ready(void *ctx)
{
	pump(ctx);
}

static void on_pack_failed(void *ctx, const struct err *err)
{
	end(ctx, err);
}

/* --- moving --- */

static int pump_reading(struct tree_push *p, struct err *err)
{
	int r = 0;

	while (r == 0 && p->reading && sender_waiting(p->sender) < SENDER_WAITING_MAX &&
		uv_conn_room(p->c.conn) > CONTROL_ROOM) {
		struct batch *b;

		r = tree_reading_take(p->reading, &b, err);
		if (r == 0 && b) {
			r = sender_batch(p->sender, p->c.blob, b, err);
		} else if (r == 0) {
			if (!p->read_all || p->ended)
				break;
			p->ended = true;
			r = sender_end(
				p->sender, p->c.blob, &p->result.digest, p->result.size, err);
		}
	}
	return r == 0 ? sender_ask(p->sender, err) : r;
}

static int commit_backup(struct tree_push *p, struct err *err)
{
	const struct tree_backup *b = p->c.backup;
	struct message m = { .type = MSG_BACKUP_COMMIT };
	struct buf roles CLEANUP(buf_done);

	buf_init(&roles, BACKUP_TEXT_MAX + 2);
	m.backup_commit.job = p->c.job;
	m.backup_commit.blobs = (wire_digests){ .at = &p->result.digest, .n = 1 };
	m.backup_commit.roles = wire_texts_of(&roles, &b->role, 1);
	m.backup_commit.artifact = (wire_bytes){ .p = (const uint8_t *)b->artifact,
		.n = (uint32_t)strlen(b->artifact) };
	return buf_ok(&roles) ? tell(p, &m, err) : err_nomem(err);
}

static int commit(struct tree_push *p, struct err *err)
{
	struct message m = { .type = MSG_TREE_COMMIT, .tree_commit = { .job = p->c.job } };

	p->state = COMMITTING;
	tree_reading_leave(p->reading);
	p->reading = NULL;
	return p->c.backup ? commit_backup(p, err) : tell(p, &m, err);
}

static void pump(struct tree_push *p)
{
	struct err err = { 0 };
	unsigned whole;
	int r;

	if (p->state != SENDING || p->pumping)
		return;
	p->pumping = true;
	level_look(&p->level, uv_now(p->c.loop), lanes_blocked_ms(p->c.lanes),
		packer_busy_ms(p->packer));
	packer_tune(p->packer, p->level.now, lanes_segment_size(p->c.lanes));
	r = packed_send(p->packer, p->c.lanes, p->sender, &whole, &err);
	p->blob_out = p->blob_out || whole > 0;
	if (r == 0)
		r = pump_reading(p, &err);
	if (r == 0 && p->state == SENDING && p->blob_out)
		r = commit(p, &err);
	p->pumping = false;
	if (r != 0)
		end(p, &err);
}

void tree_push_room(struct tree_push *p)
{
	pump(p);
}

/* --- the reading --- */

static void on_batches(void *ctx)
{
	pump(ctx);
}

static void on_read(void *ctx, const struct tree_result *result, const struct err *err)
{
	struct tree_push *p = ctx;

	p->result = *result;
	p->read_all = err == NULL;
	if (err)
		end(p, err);
	else
		pump(p);
}

static int start_sending(struct tree_push *p, bool store_empty, struct err *err)
{
	static const struct sender_ops sender_ops = { .send = on_send,
		.pack = on_pack,
		.settled = on_settled,
		.flush = on_flush,
		.done = on_done };
	static const struct packer_ops packer_ops = {
		.packed = on_packed, .ready = on_ready, .failed = on_pack_failed
	};
	static const struct tree_reading_ops reading_ops = { .batches = on_batches,
		.over = on_read };

	p->sender = sender_new(&sender_ops, p, p->c.full_names, p->c.blob);
	if (!p->sender)
		return err_nomem(err);
	p->packer = packer_new(p->c.loop, &packer_ops, p, err);
	if (!p->packer)
		return -1;
	level_start(&p->level, p->c.level, lanes_far(p->c.lanes), uv_now(p->c.loop),
		lanes_blocked_ms(p->c.lanes));
	if (store_empty)
		sender_assume_nothing(p->sender);
	p->state = SENDING;
	p->begun = true;
	if (sender_begin(p->sender, p->c.job, p->c.blob, ROLE_TREE, NULL, UINT64_MAX, err) != 0)
		return -1;
	return tree_reading_start(
		p->c.loop, p->c.root, p->c.cache, p->c.reread, &reading_ops, p, &p->reading, err);
}

/* --- messages --- */

static void take_snapshot(struct tree_push *p, const struct msg_backup_done *m)
{
	p->result.snapshot = m->snapshot;
	p->result.bytes_total = m->bytes_total;
	p->result.bytes_new = m->bytes_new;
}

int tree_push_message(struct tree_push *p, const struct message *m, struct err *err)
{
	struct err why;

	if (p->state == ENDING)
		return 0;
	if (m->type == MSG_FAIL) {
		message_failure(&m->fail, "the target", &why);
		end(p, &why);
		return 0;
	}
	if (m->type == MSG_PROGRESS)
		return 0;
	if (m->type == (p->c.backup ? MSG_BACKUP_STATE : MSG_TREE_STATE) && p->state == OFFERING) {
		if (start_sending(p,
			    p->c.backup ? m->backup_state.store_empty : m->tree_state.store_empty,
			    &why) != 0)
			end(p, &why);
		return 0;
	}
	if (m->type == (p->c.backup ? MSG_BACKUP_DONE : MSG_TREE_DONE) && p->state == COMMITTING) {
		if (p->c.backup)
			take_snapshot(p, &m->backup_done);
		end(p, NULL);
		return 0;
	}
	if (!p->sender || (m->type != MSG_TELL_RECIPES && m->type != MSG_TELL_CHUNKS &&
				  m->type != MSG_BLOB_DONE))
		return err_set(err, ERR_PROTOCOL, "%s out of place", message_name(m->type));
	if (sender_take(p->sender, m, err) != 0)
		return -1;
	pump(p);
	return 0;
}

/* --- the start --- */

static void on_wake(void *ctx)
{
	struct tree_push *p = ctx;

	if (p->state == ENDING)
		finish(p);
}

static int offer(struct tree_push *p, struct err *err)
{
	const struct tree_backup *b = p->c.backup;
	struct message m = { .type = b ? MSG_BACKUP_OFFER : MSG_TREE_OFFER };

	if (b) {
		m.backup_offer.job = p->c.job;
		m.backup_offer.kind = wire_text_of("volume", strlen("volume"));
		m.backup_offer.name = wire_text_of(b->name, strlen(b->name));
		m.backup_offer.host = wire_text_of(b->host, strlen(b->host));
	} else {
		m.tree_offer.job = p->c.job;
		memcpy(m.tree_offer.migration.bytes, p->c.migration, sizeof(p->c.migration));
		m.tree_offer.volume = wire_text_of(p->c.volume, strlen(p->c.volume));
	}
	return tell(p, &m, err);
}

int tree_push_start(const struct tree_push_config *config, const struct tree_push_ops *ops,
	void *ctx, struct tree_push **ret, struct err *err)
{
	struct tree_push *p = calloc(1, sizeof(*p));
	if (!p)
		return err_nomem(err);
	p->c = *config;
	p->ops = *ops;
	p->ctx = ctx;
	if (uv_wake_new(config->loop, on_wake, p, &p->wake, err) == 0 && offer(p, err) == 0) {
		*ret = p;
		return 0;
	}
	uv_wake_close(p->wake);
	free(p);
	return -1;
}
