/*
 * Owns the vault and the backups, one after the other. Happy path of a volume: the engine says
 * where it lies -> its tree is sent -> the target has made a snapshot of it -> said. Failure modes:
 * no such volume, one that a driver keeps, files that cannot be read, the link; the others are
 * tried all the same.
 */
#include "client/backup/uv_backup.h"

#include "client/clock.h"
#include "client/cmd/exit_code.h"
#include "client/migrate/journal.h"
#include "client/view/json_line.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHOWN_MAX 400

struct backup_run {
	const struct backup_options *o;
	struct vault vault;
	char host[SNAPSHOT_HOST_MAX + 1];
	size_t at;
	int *codes;

	/* the one at hand */
	double since;
	uint64_t sent_before;
	const char *name; /* of the volume */
	char *root, *cache, *role, *artifact;
	struct tree_backup backup;
};

static void next_backup(struct backup_run *r);

/* --- what is said --- */

static char *shown(char ret[SHOWN_MAX], const char *text)
{
	return text_escape(ret, SHOWN_MAX, text, strlen(text));
}

static void say_failed(const struct backup_run *r, const struct err *err)
{
	char name[SHOWN_MAX];

	if (r->o->style == REPORT_JSON)
		json_line(json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:f}", "event", "result",
			"ok", 0, "kind", "volume", "name", r->name, "target", r->vault.target,
			"code", err_code_name(err->code), "error", err->text, "seconds",
			clock_seconds() - r->since));
	log_error("%s%s: %s", BACKUP_VOLUME, shown(name, r->name), err->text);
}

static void say_notes(const struct backup_run *r, const struct tree_result *result)
{
	char text[TREE_SENTENCE_MAX], name[SHOWN_MAX];

	for (unsigned k = 0; k < TREE_NOTE_KINDS; k++) {
		if (result->report.notes[k].n > 0)
			log_warn("volume %s: %s", shown(name, r->name),
				tree_note_text(&result->report, (enum tree_note_kind)k, text));
	}
}

static void say_json(const struct backup_run *r, const struct tree_result *result, const char *id)
{
	const struct tree_report *t = &result->report;
	uint64_t sent = line_bytes_sent(r->vault.line) - r->sent_before;

	json_line(json_pack(
		"{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}",
		"event", "result", "ok", 1, "kind", "volume", "name", r->name, "host", r->host,
		"target", r->vault.target, "id", id, "mode", "tree", "layers", (json_int_t)0,
		"layers_skipped", (json_int_t)0, "bytes_total", (json_int_t)result->bytes_total,
		"bytes_sent", (json_int_t)sent, "bytes_read", (json_int_t)t->bytes_read,
		"bytes_new", (json_int_t)result->bytes_new, "seconds", clock_seconds() - r->since));
}

static void say_done(const struct backup_run *r, const struct tree_result *result)
{
	char id[DIGEST_HEX_LEN + 1], name[SHOWN_MAX], total[TEXT_SIZE_MAX], read[TEXT_SIZE_MAX];
	char sent[TEXT_SIZE_MAX], fresh[TEXT_SIZE_MAX], seconds[TEXT_SECONDS_MAX];

	digest_hex(&result->snapshot, id);
	say_notes(r, result);
	if (r->o->style == REPORT_JSON) {
		say_json(r, result, id);
	} else if (r->o->style == REPORT_QUIET) {
		printf("%s\n", id);
	} else {
		id[SNAPSHOT_SHORT_LEN] = '\0';
		printf("%s  %s%s to %s: %s, %s read, %s sent, %s new there, %s\n", id,
			BACKUP_VOLUME, shown(name, r->name), r->vault.target,
			text_size(total, result->bytes_total),
			text_size(read, result->report.bytes_read),
			text_size(sent, line_bytes_sent(r->vault.line) - r->sent_before),
			text_size(fresh, result->bytes_new),
			text_seconds(seconds, clock_seconds() - r->since));
	}
	fflush(stdout);
}

/* --- one --- */

static void let_go(struct backup_run *r)
{
	free(r->root);
	free(r->cache);
	free(r->role);
	free(r->artifact);
	r->root = r->cache = r->role = r->artifact = NULL;
}

static void over(struct backup_run *r, const struct tree_result *result, const struct err *err)
{
	r->codes[r->at] = err ? err_exit_code(err) : 0;
	if (err)
		say_failed(r, err);
	else
		say_done(r, result);
	let_go(r);
	r->at++;
	next_backup(r);
}

static void on_tree(void *ctx, const struct tree_result *result, const struct err *err)
{
	over(ctx, result, err);
}

static void on_progress(void *ctx, uint64_t done)
{
	(void)ctx;
	(void)done;
}

/* Where it lies. */
static int check_volume(const json_t *volume, const char **ret, struct err *err)
{
	const char *driver = json_string_value(json_object_get(volume, "Driver"));
	const char *path = json_string_value(json_object_get(volume, "Mountpoint"));
	struct stat st;

	if ((driver && strcmp(driver, "local") != 0) ||
		json_object_size(json_object_get(volume, "Options")) > 0)
		return err_set(err, ERR_FAILED,
			"is kept by a driver or a mount of its own, which dray does not read");
	if (!path || stat(path, &st) != 0)
		return err_set(err, ERR_FAILED,
			"cannot be read%s%s: run dray as root beside the engine", path ? ": " : "",
			path ? strerror(errno) : "");
	*ret = path;
	return 0;
}

/* What the volume is made anew of. */
static char *artifact_of(const char *name, const json_t *volume)
{
	json_t *labels = json_object_get(volume, "Labels");
	json_t *o = json_pack("{s:i, s:{s:s, s:s, s:O}}", "version", 1, "volume", "name", name,
		"driver", "local", "labels", json_is_object(labels) ? labels : json_null());
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

static int take_volume(struct backup_run *r, const json_t *volume, struct err *err)
{
	CLEANUP(cleanup_free) char *what = NULL;
	const char *path;

	if (vault_check(&r->vault, err) != 0 || check_volume(volume, &path, err) != 0)
		return -1;
	r->root = strdup(path);
	r->artifact = artifact_of(r->name, volume);
	if (!r->root || !r->artifact ||
		asprintf(&r->role, "%s%s", SNAPSHOT_ROLE_TREE, r->name) < 0 ||
		asprintf(&what, "backup %s %s", r->vault.target, path) < 0)
		return err_nomem(err);
	r->backup = (struct tree_backup){
		.name = r->name, .host = r->host, .role = r->role, .artifact = r->artifact
	};
	return journal_tree_cache(what, &r->cache, err);
}

static void on_volume(void *ctx, json_t *volume, const struct err *failed)
{
	struct backup_run *r = ctx;
	struct line_tree tree = { .reread = r->o->reread, .backup = &r->backup };
	struct err err;

	if (failed) {
		over(r, NULL, failed);
	} else if (take_volume(r, volume, &err) != 0) {
		over(r, NULL, &err);
	} else {
		tree.root = r->root;
		tree.cache = r->cache;
		line_send_tree(r->vault.line, &tree, on_progress, on_tree, r);
	}
}

static void next_backup(struct backup_run *r)
{
	struct err err;

	if (r->at == r->o->n_names) {
		vault_leave(&r->vault);
		return;
	}
	r->name = r->o->names[r->at] + strlen(BACKUP_VOLUME);
	r->since = clock_seconds();
	r->sent_before = line_bytes_sent(r->vault.line);
	if (vault_check(&r->vault, &err) != 0)
		over(r, NULL, &err);
	else
		engine_inspect_volume(r->vault.engine, r->name, on_volume, r);
}

int backup_run(const struct backup_options *options)
{
	struct backup_run r = { .o = options, .codes = calloc(options->n_names, sizeof(int)) };
	struct err err = { 0 };
	int code;

	if (!r.codes) {
		err_nomem(&err);
		return program_fail(&err);
	}
	if (vault_open(&r.vault, &options->vault, &err) != 0 || vault_host(r.host, &err) != 0)
		vault_leave(&r.vault);
	else
		next_backup(&r);
	vault_run(&r.vault);
	code = err.code != ERR_NONE ? program_fail(&err)
				    : exit_code_merge(r.codes, options->n_names);
	free(r.codes);
	return code;
}
