/* What is said of a migration: phases, findings, the result; as text, as JSON, or only the ID. */
#include "client/migrate/uv_migrate_impl.h"

#include "client/view/json_line.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum report_style style_of(const struct migration *m)
{
	return m->run->o->style;
}

static const char *name_of(const struct migration *m)
{
	return m->j.name[0] ? m->j.name : m->typed;
}

void migrate_say_phase(const struct migration *m, const char *phase)
{
	if (style_of(m) == REPORT_JSON)
		json_line(json_pack("{s:s, s:s, s:s, s:s}", "event", "phase", "name", name_of(m),
			"target", m->run->o->target->name, "phase", phase));
	else
		log_debug("%s -> %s: %s", name_of(m), m->run->o->target->name, phase);
}

/* --- rows --- */

static void print_rows(const json_t *report, FILE *to)
{
	struct fidelity rows = { 0 };
	struct err err;

	if (!report || fidelity_parse(report, &rows, &err) != 0)
		return;
	for (size_t i = 0; i < rows.n; i++) {
		CLEANUP(buf_done) struct buf line;

		buf_init(&line, 1u << 16);
		if (rows.rows[i].outcome == FIDELITY_CARRIED)
			continue;
		fidelity_line(&rows.rows[i], &line);
		if (buf_ok(&line))
			fprintf(to, "  %.*s\n", (int)buf_len(&line), (char *)buf_bytes(&line));
	}
	fidelity_done(&rows);
}

size_t migrate_missing(const json_t *report, char *ret, size_t size)
{
	struct fidelity rows = { 0 };
	struct err err;
	size_t n = 0;

	ret[0] = '\0';
	if (!report)
		return 0;
	if (fidelity_parse(report, &rows, &err) != 0) {
		snprintf(ret, size, "the target's report is not understood");
		return 1;
	}
	for (size_t i = 0; i < rows.n; i++) {
		CLEANUP(buf_done) struct buf line;

		buf_init(&line, 1u << 16);
		if (rows.rows[i].outcome == FIDELITY_CARRIED || n++ > 0)
			continue;
		fidelity_line(&rows.rows[i], &line);
		if (buf_ok(&line))
			snprintf(ret, size, "%.*s", (int)min_size(buf_len(&line), size - 1),
				(char *)buf_bytes(&line));
	}
	fidelity_done(&rows);
	return n;
}

/* --- plan --- */

void migrate_say_findings(const struct migration *m)
{
	char first[600];
	size_t n = migrate_missing(m->report, first, sizeof(first));

	if (style_of(m) == REPORT_JSON) {
		json_line(json_pack("{s:s, s:s, s:s, s:I, s:O*}", "event", "plan", "name",
			name_of(m), "target", m->run->o->target->name, "volumes",
			(json_int_t)m->n_trees, "findings", m->report));
		return;
	}
	printf("%s -> %s: %s, %zu volume%s\n", name_of(m), m->run->o->target->name,
		n == 0 ? "nothing stands in the way" : "some things will not be as they were:",
		m->n_trees, m->n_trees == 1 ? "" : "s");
	print_rows(m->report, stdout);
	fflush(stdout);
}

/* --- the result --- */

static bool stopped_source(const struct migration *m)
{
	return m->j.taken_down && m->j.was_running;
}

/* Which copy is live now. */
static const char *live_copy(const struct migration *m)
{
	if (m->unknown)
		return "unknown";
	if (m->err.code != ERR_NONE || m->undone)
		return m->j.was_running ? "source" : "none";
	if (m->j.no_start || !m->j.was_running)
		return m->j.keep && m->j.was_running ? "source" : "none";
	return m->j.keep ? "both" : "target";
}

/* From the source's stop until one of the two copies was up. */
static uint64_t downtime_ms(const struct migration *m)
{
	if (!stopped_source(m) || m->j.down_ms == 0 || m->up_ms < m->j.down_ms)
		return 0;
	return m->up_ms - m->j.down_ms;
}

static json_t *volumes_json(const struct migration *m)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < m->n_trees; i++) {
		const struct migration_tree *t = &m->trees[i];

		if (json_array_append_new(
			    list, json_pack("{s:s, s:I, s:I, s:I}", "name", t->name, "bytes",
					  (json_int_t)t->result.size, "files_read",
					  (json_int_t)t->result.report.files_read, "bytes_read",
					  (json_int_t)t->result.report.bytes_read)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static uint64_t total_bytes(const struct migration *m)
{
	uint64_t n = m->image_bytes;

	for (size_t i = 0; i < m->n_trees; i++)
		n += m->trees[i].result.size;
	return n;
}

static uint64_t sent_bytes(const struct migration *m)
{
	return m->bytes_sent + (m->run->line ? line_bytes_sent(m->run->line) : 0);
}

static double seconds(const struct migration *m)
{
	return (double)(migration_now_ms() - m->started_ms) / 1000;
}

static void print_json(const struct migration *m)
{
	bool ok = m->err.code == ERR_NONE && !m->unknown;
	json_t *o = json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:f, s:I, s:O*}", "event", "result",
		"ok", ok, "kind", "container", "name", name_of(m), "target",
		m->run->o->target->name, "live", live_copy(m), "seconds", seconds(m), "downtime_ms",
		(json_int_t)downtime_ms(m), "report", m->report);

	if (o && ok)
		json_object_update_new(
			o, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o*}", "id", m->made,
				   "as", m->j.new_name[0] ? m->j.new_name : name_of(m), "mode",
				   m->j.flat ? "flat" : "layers", "layers", (json_int_t)m->layers,
				   "layers_skipped", (json_int_t)m->layers_skipped, "bytes_total",
				   (json_int_t)total_bytes(m), "bytes_sent",
				   (json_int_t)sent_bytes(m), "volumes", volumes_json(m)));
	if (o && !ok)
		json_object_update_new(
			o, json_pack("{s:s, s:s}", "code",
				   m->unknown ? "unknown" : err_code_name(m->err.code), "error",
				   m->err.text));
	json_line(o);
}

static void print_text(const struct migration *m)
{
	char sent[TEXT_SIZE_MAX], total[TEXT_SIZE_MAX], took[TEXT_SECONDS_MAX];
	char down[TEXT_SECONDS_MAX], first[600];
	size_t n = migrate_missing(m->report, first, sizeof(first));

	if (m->undone) {
		printf("%s: the migration to %s is undone; live: %s\n", name_of(m),
			m->run->o->target->name, live_copy(m));
		return;
	}
	printf("%s -> %s: live: %s, %s of %s sent in %s", name_of(m), m->run->o->target->name,
		live_copy(m), text_size(sent, sent_bytes(m)), text_size(total, total_bytes(m)),
		text_seconds(took, seconds(m)));
	if (downtime_ms(m) > 0)
		printf(", down for %s", text_seconds(down, (double)downtime_ms(m) / 1000));
	printf("; %s\n", n == 0 ? "everything was carried" : "not all was carried:");
	print_rows(m->report, stdout);
}

/* The error and, where it matters, what is live now. */
static void print_error(const struct migration *m)
{
	if (m->unknown)
		log_error("%s: unknown: the target may be live (%s); dray migrate --resume %s goes "
			  "on, --undo %s has it back",
			name_of(m), m->err.text, name_of(m), name_of(m));
	else if (m->j.taken_down && m->j.stage == CUTOVER_OVER)
		log_error("%s: %s; it runs here again as it did", name_of(m), m->err.text);
	else
		log_error("%s", m->err.text);
}

void migrate_say_result(const struct migration *m)
{
	bool ok = m->err.code == ERR_NONE && !m->unknown;

	report_terminal_clear(&m->run->report);
	if (!ok)
		print_error(m);
	if (m->run->o->way == MIGRATE_WAY_PLAN && ok)
		return;
	if (style_of(m) == REPORT_JSON)
		print_json(m);
	else if (ok && style_of(m) == REPORT_QUIET)
		puts(m->undone ? name_of(m) : m->made);
	else if (ok)
		print_text(m);
	fflush(stdout);
}
