/* The events of --json, one object a line: client/README.md lists them. */
#include "client/view/json_line.h"
#include "client/view/report.h"

void report_json_phase(const struct pair_progress *p)
{
	json_line(json_pack("{s:s, s:s, s:s, s:s}", "event", "phase", "name", p->image, "target",
		p->target, "phase", pair_state_word(p->state)));
}

void report_json_progress(const struct pair_progress *p, uint64_t now_ms)
{
	struct progress_sum sum = pair_sum(p);

	json_line(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "event",
		"progress", "name", p->image, "target", p->target, "phase",
		pair_state_word(p->state), "bytes_done", (json_int_t)sum.done, "bytes_total",
		(json_int_t)sum.total, "bytes_per_second",
		(json_int_t)rate_now(&p->rate, sum.done, now_ms), "layers", (json_int_t)sum.layers,
		"layers_skipped", (json_int_t)sum.there, "layers_done", (json_int_t)sum.moved));
}

void report_json_retry(
	const struct pair_progress *p, const struct err *err, uint64_t wait_ms, uint64_t left_ms)
{
	json_line(json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f}", "event", "retry", "name",
		p->image, "target", p->target, "code", err_code_name(err->code), "reason",
		err->text, "wait", (double)wait_ms / 1000, "left", (double)left_ms / 1000));
}

static void print_failed(const struct pair_progress *p, const struct err *err, double seconds)
{
	json_line(json_pack("{s:s, s:b, s:s, s:s, s:s, s:f, s:s, s:s}", "event", "result", "ok", 0,
		"kind", "image", "name", p->image, "target", p->target, "seconds", seconds, "code",
		err_code_name(err->code), "error", err->text));
}

void report_json_result(const struct pair_progress *p, const struct report_outcome *o)
{
	double seconds = (double)(p->ended_ms - p->started_ms) / 1000;
	char id[DIGEST_TEXT_LEN + 1], target_id[DIGEST_TEXT_LEN + 1];

	if (o->err.code != ERR_NONE) {
		print_failed(p, &o->err, seconds);
		return;
	}
	digest_text(o->id, id);
	digest_text(&o->result.target_id, target_id);
	json_line(json_pack(
		"{s:s, s:b, s:s, s:s, s:s, s:s, s:s?, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:b}",
		"event", "result", "ok", 1, "kind", "image", "name", p->image, "target", p->target,
		"id", id, "target_id", o->dry_run ? NULL : target_id, "mode", "layers", "layers",
		(json_int_t)o->result.layers, "layers_skipped",
		(json_int_t)o->result.layers_skipped, "bytes_total",
		(json_int_t)o->result.bytes_total, "bytes_sent", (json_int_t)o->bytes_sent,
		"bytes_read", (json_int_t)o->result.bytes_read, "seconds", seconds, "dry_run",
		o->dry_run));
}
