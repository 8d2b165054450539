/*
 * Owns the vault, what is asked, and where the bytes go. Happy path: the list -> which snapshot is
 * meant -> what it is made of -> the volume is made, or its directory found empty -> its tree comes
 * and is put there, checked chunk by chunk and as a whole -> said. Failure modes: none or several
 * of that name, a volume that holds something, damage, the link; a volume that this run has made is
 * removed again.
 */
#include "client/backup/uv_restore.h"

#include "client/backup/restore_sink.h"
#include "client/backup/uv_blob_take.h"
#include "client/backup/uv_snapshots.h"
#include "client/clock.h"
#include "client/view/json_line.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "common/cargo/snapshot_name.h"
#include "protocol/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 400

struct restore_run {
	const struct restore_options *o;
	struct vault vault;
	double since;
	struct snapshots_ask ask;
	struct snapshot_name meant;
	const struct snapshot_info *info; /* in the list */
	json_t *state;			  /* of RESTORE_STATE */
	struct digest blob;
	const char *volume; /* its name here */
	bool made;	    /* the volume, by this run */
	struct line_talk talk;
	struct uv_conn *conn;
	uint32_t job;
	struct blob_take *take;
	struct restore_sink *sink;
	atomic_bool stop;
	struct err err;
};

/* --- what is said --- */

static void say_json(const struct restore_run *r)
{
	const struct tree_report *t = r->sink ? restore_sink_report(r->sink) : NULL;
	char id[DIGEST_HEX_LEN + 1];

	if (!r->info || r->err.code != ERR_NONE) {
		json_line(json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:f}", "event", "result",
			"ok", 0, "kind", r->info ? r->info->kind : "snapshot", "name",
			r->info ? r->info->name : r->o->snapshot, "target", r->vault.target, "code",
			err_code_name(r->err.code), "error", r->err.text, "seconds",
			clock_seconds() - r->since));
		return;
	}
	digest_hex(&r->info->id, id);
	json_line(json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, "
			    "s:f}",
		"event", "result", "ok", 1, "kind", r->info->kind, "name",
		r->volume ? r->volume : r->info->name, "target", r->vault.target, "id", id, "mode",
		"tree", "layers", (json_int_t)0, "layers_skipped", (json_int_t)0, "bytes_total",
		(json_int_t)r->info->bytes_total, "bytes_sent",
		(json_int_t)line_bytes_sent(r->vault.line), "files_written",
		(json_int_t)(t ? t->files_written : 0), "files_left",
		(json_int_t)(t ? t->files_left : 0), "seconds", clock_seconds() - r->since));
}

static char *shown(char ret[SHOWN_MAX], const char *text)
{
	return text_escape(ret, SHOWN_MAX, text, strlen(text));
}

static void say_text(const struct restore_run *r)
{
	char host[SHOWN_MAX], name[SHOWN_MAX], when[SNAPSHOT_TIME_MAX], total[TEXT_SIZE_MAX];
	char seconds[TEXT_SECONDS_MAX], note[TREE_SENTENCE_MAX], to[SHOWN_MAX];
	const struct tree_report *t = restore_sink_report(r->sink);

	for (unsigned k = 0; t && k < TREE_NOTE_KINDS; k++) {
		if (t->notes[k].n > 0)
			log_warn("%s", tree_note_text(t, (enum tree_note_kind)k, note));
	}
	if (r->o->style == REPORT_QUIET) {
		printf("%s\n", r->volume ? r->volume : r->o->archive);
		return;
	}
	printf("%s %s: what %s/%s was at %s, %s, %s\n", r->volume ? "volume" : "archive",
		shown(to, r->volume ? r->volume : r->o->archive), shown(host, r->info->host),
		shown(name, r->info->name), snapshot_time_text(when, r->info->time_ms),
		text_size(total, r->info->bytes_total),
		text_seconds(seconds, clock_seconds() - r->since));
}

/* --- the end --- */

static void leave(struct restore_run *r)
{
	if (r->o->style == REPORT_JSON)
		say_json(r);
	if (r->err.code != ERR_NONE)
		log_error("%s", r->err.text);
	else if (r->o->style != REPORT_JSON)
		say_text(r);
	vault_leave(&r->vault);
}

static void on_removed(void *ctx, const struct err *err)
{
	struct restore_run *r = ctx;

	if (err)
		log_warn("the volume that was made for it is left: %s", err->text);
	leave(r);
}

static void take_closed(void *ctx)
{
	struct restore_run *r = ctx;

	r->take = NULL;
	if (r->made && r->err.code != ERR_NONE)
		engine_remove_volume(r->vault.engine, r->volume, on_removed, r);
	else
		leave(r);
}

static void finish(struct restore_run *r, const struct err *err)
{
	if (err)
		r->err = *err;
	atomic_store(&r->stop, err != NULL);
	if (r->take)
		blob_take_close(r->take, take_closed, r);
	else
		take_closed(r);
}

/* --- the blob --- */

static int on_end(void *ctx, struct err *err)
{
	return restore_sink_end(((struct restore_run *)ctx)->sink, err);
}

static int on_bytes(void *ctx, const void *bytes, size_t n, struct err *err)
{
	return restore_sink_bytes(((struct restore_run *)ctx)->sink, bytes, n, err);
}

static void on_taken(void *ctx, const struct err *failed)
{
	struct restore_run *r = ctx;
	struct message m = { .type = MSG_RESTORE_DONE, .restore_done = { .job = r->job } };
	struct err err;

	/* All is here: what becomes of the connection does not matter. */
	if (!failed && uv_conn_send(r->conn, &m, &err) != 0)
		log_debug("%s", err.text);
	line_talk_end(r->vault.line, failed);
}

static int begin_restore(void *ctx, struct uv_conn *conn, uint32_t job, struct err *err)
{
	struct restore_run *r = ctx;
	struct message m = { .type = MSG_RESTORE };

	r->conn = conn;
	r->job = job;
	m.restore.job = job;
	m.restore.snapshot = r->info->id;
	return uv_conn_send(conn, &m, err);
}

static int fetch_message(void *ctx, const struct message *m, struct err *err)
{
	struct message part = { .type = MSG_RESTORE_PART };
	struct restore_run *r = ctx;

	if (m->type != MSG_RESTORE_STATE || m->restore_state.job != r->job)
		return blob_take_message(r->take, m, err);
	part.restore_part.job = r->job;
	return uv_conn_send(r->conn, &part, err);
}

static bool may_fetch_again(void *ctx)
{
	return !blob_take_begun(((struct restore_run *)ctx)->take);
}

static void on_fetched(void *ctx, const struct err *err)
{
	finish(ctx, err);
}

static void fetch(struct restore_run *r)
{
	static const struct blob_take_ops ops = {
		.bytes = on_bytes, .end = on_end, .over = on_taken
	};
	struct err err;

	if (vault_check(&r->vault, &err) != 0 ||
		blob_take_new(&r->vault.loop, r->vault.line, &r->blob, true, &ops, r, &r->take,
			&err) != 0) {
		finish(r, &err);
		return;
	}
	r->talk.message = fetch_message;
	r->talk.may_retry = may_fetch_again;
	line_start_talk(r->vault.line, &r->talk, on_fetched, r);
}

/* --- where to --- */

static int open_volume(struct restore_run *r, const json_t *volume, struct err *err)
{
	const char *root = json_string_value(json_object_get(volume, "Mountpoint"));
	const char *driver = json_string_value(json_object_get(volume, "Driver"));
	char name[SHOWN_MAX];

	shown(name, r->volume);
	if ((driver && strcmp(driver, "local") != 0) ||
		json_object_size(json_object_get(volume, "Options")) > 0)
		return err_set(err, ERR_REFUSED,
			"volume %s is kept by a driver or a mount of its own (--name for another)",
			name);
	if (!root)
		return err_set(
			err, ERR_FAILED, "volume %s: the engine does not say where it lies", name);
	if (restore_sink_directory(root, r->o->overwrite, &r->stop, &r->sink, err) == 0)
		return 0;
	if (err->code == ERR_REFUSED)
		return err_set(err, ERR_REFUSED,
			"volume %s is there and holds something (--overwrite replaces it, --name "
			"makes another)",
			name);
	return err_wrap(err, "volume %s (run dray as root beside the engine)", name);
}

static void volume_known(struct restore_run *r, const json_t *volume, const struct err *failed)
{
	struct err err;

	if (failed)
		finish(r, failed);
	else if (open_volume(r, volume, &err) != 0)
		finish(r, &err);
	else
		fetch(r);
}

static void on_created(void *ctx, json_t *volume, const struct err *failed)
{
	struct restore_run *r = ctx;

	r->made = failed == NULL;
	volume_known(r, volume, failed);
}

static void create_volume(struct restore_run *r)
{
	const json_t *artifact = json_object_get(r->state, "artifact");
	json_t *labels = json_object_get(json_object_get(artifact, "volume"), "labels");
	json_t *body = json_pack("{s:s, s:s}", "Name", r->volume, "Driver", "local");
	struct err err;

	if (json_is_object(labels) && json_object_set(body, "Labels", labels) != 0) {
		json_decref(body);
		body = NULL;
	}
	if (body) {
		engine_create_volume(r->vault.engine, body, on_created, r);
		json_decref(body);
		return;
	}
	err_nomem(&err);
	finish(r, &err);
}

static void on_inspected(void *ctx, json_t *volume, const struct err *failed)
{
	struct restore_run *r = ctx;

	if (failed && failed->code == ERR_NOT_FOUND)
		create_volume(r);
	else
		volume_known(r, volume, failed);
}

static void prepare(struct restore_run *r)
{
	struct err err;

	if (vault_check(&r->vault, &err) != 0) {
		finish(r, &err);
	} else if (!r->o->archive) {
		r->volume = r->o->name ? r->o->name : r->info->name;
		engine_inspect_volume(r->vault.engine, r->volume, on_inspected, r);
	} else if (restore_sink_file(r->o->archive, r->o->overwrite, &r->sink, &err) != 0) {
		finish(r, &err);
	} else {
		fetch(r);
	}
}

/* --- what it is made of --- */

static int take_state(struct restore_run *r, const wire_bytes *text, struct err *err)
{
	char name[DIGEST_TEXT_LEN + 1];
	const char *digest, *role;
	json_t *blobs;

	r->state = json_loadb((const char *)text->p, text->n, JSON_REJECT_DUPLICATES, NULL);
	blobs = json_object_get(r->state, "blobs");
	if (strcmp(r->info->kind, "volume") != 0)
		return err_set(err, ERR_FAILED,
			"this version of dray restores volumes, and it is of another kind");
	if (json_array_size(blobs) != 1 ||
		json_unpack(json_array_get(blobs, 0), "{s:s, s:s}", "digest", &digest, "role",
			&role) != 0 ||
		strncmp(role, SNAPSHOT_ROLE_TREE, strlen(SNAPSHOT_ROLE_TREE)) != 0)
		return err_set(err, ERR_PROTOCOL, "a snapshot of a volume that is none");
	snprintf(name, sizeof(name), "sha256:%s", digest);
	return digest_parse(name, &r->blob, err);
}

static int look_message(void *ctx, const struct message *m, struct err *err)
{
	struct restore_run *r = ctx;
	struct message bye = { .type = MSG_RESTORE_DONE, .restore_done = { .job = r->job } };
	struct err why;

	if (m->type != MSG_RESTORE_STATE || m->restore_state.job != r->job)
		return 0;
	if (take_state(r, &m->restore_state.snapshot, &why) != 0) {
		line_talk_end(r->vault.line, &why);
		return 0;
	}
	if (uv_conn_send(r->conn, &bye, err) != 0)
		return -1;
	line_talk_end(r->vault.line, NULL);
	return 0;
}

static bool may_look_again(void *ctx)
{
	(void)ctx;
	return true;
}

static void on_looked(void *ctx, const struct err *err)
{
	if (err)
		finish(ctx, err);
	else
		prepare(ctx);
}

/* --- which one --- */

static void on_list(void *ctx, const struct snapshot_list *list, const struct err *failed)
{
	struct restore_run *r = ctx;
	struct err err;
	size_t at;

	if (failed) {
		finish(r, failed);
	} else if (snapshot_name_resolve(&r->meant, list, &at, &err) != 0) {
		finish(r, &err);
	} else {
		r->info = &list->items[at];
		r->talk = (struct line_talk){
			.begin = begin_restore, .message = look_message, .may_retry = may_look_again
		};
		line_start_talk(r->vault.line, &r->talk, on_looked, r);
	}
}

int restore_run(const struct restore_options *options)
{
	struct restore_run r = { .o = options, .since = clock_seconds() };

	if (snapshot_name_parse(options->snapshot, &r.meant, &r.err) != 0)
		return program_fail(&r.err);
	if (vault_open(&r.vault, &options->vault, &r.err) != 0)
		leave(&r);
	else
		snapshots_list(&r.ask, &r.vault, on_list, &r);
	vault_run(&r.vault);
	restore_sink_free(r.sink);
	snapshots_done(&r.ask);
	snapshot_name_done(&r.meant);
	json_decref(r.state);
	return r.err.code != ERR_NONE ? err_exit_code(&r.err) : 0;
}
