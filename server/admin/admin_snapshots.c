/* The admin commands `snapshots` (what backups left here, domain by domain, the oldest first) and
 * `forget` (what a policy does not keep; its room is free after the next prune). */
#include "server/admin/admin_impl.h"

#include "common/base/text.h"
#include "common/cargo/retention.h"
#include "common/cargo/snapshot_name.h"
#include "common/store/snapshot.h"

#include <stdlib.h>
#include <string.h>

#define LINES_A_STEP 200u
#define SHOWN_MAX 120

static char *id_text(const struct snapshot_info *i, char ret[DIGEST_HEX_LEN + 1], bool whole)
{
	digest_hex(&i->id, ret);
	if (!whole)
		ret[SNAPSHOT_SHORT_LEN] = '\0';
	return ret;
}

static char *shown(char ret[SHOWN_MAX], const char *text)
{
	return text_escape(ret, SHOWN_MAX, text, strlen(text));
}

static json_t *info_json(struct admin_call *c, const struct snapshot_info *i)
{
	char id[DIGEST_HEX_LEN + 1], when[SNAPSHOT_TIME_MAX];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "event", "snapshot",
		"id", id_text(i, id, true), "time", snapshot_time_text(when, i->time_ms), "host",
		i->host, "key", i->key, "name", i->name, "kind", i->kind, "domain", admin_domain(c),
		"bytes_total", admin_number(i->bytes_total), "bytes_new",
		admin_number(i->bytes_new));
}

static void info_text(struct admin_call *c, const char *before, const struct snapshot_info *i)
{
	char total[TEXT_SIZE_MAX], fresh[TEXT_SIZE_MAX], when[SNAPSHOT_TIME_MAX];
	char host[SHOWN_MAX], name[SHOWN_MAX], kind[SHOWN_MAX], id[DIGEST_HEX_LEN + 1];

	admin_out(c, "%s%s  %s  %s/%s  %s  %s, %s new", before, id_text(i, id, false),
		snapshot_time_text(when, i->time_ms), shown(host, i->host), shown(name, i->name),
		shown(kind, i->kind), text_size(total, i->bytes_total),
		text_size(fresh, i->bytes_new));
}

/* --- snapshots --- */

struct snapshots {
	char *host, *name, *kind; /* NULL: any */
	struct snapshot_list list;
	bool listed;
	size_t at;
	uint64_t count, total, fresh;
};

/* NULL stays NULL. */
static int copy(const char *text, char **ret, struct err *err)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? err_nomem(err) : 0;
}

static int take_snapshots(struct admin_call *c, json_t *parameters, struct err *err)
{
	const char *host = NULL, *name = NULL, *kind = NULL;
	struct snapshots *s = c->state;
	json_error_t why;

	if (json_unpack_ex(parameters, &why, JSON_STRICT, "{s?s, s?s, s?s}", "host", &host, "name",
		    &name, "kind", &kind) != 0)
		return err_set(err, ERR_USAGE, "snapshots knows no such parameter: %s", why.text);
	if (copy(host, &s->host, err) != 0 || copy(name, &s->name, err) != 0)
		return -1;
	return copy(kind, &s->kind, err);
}

static int step_snapshots(
	struct admin_call *c, struct store *store, bool *ret_done, struct err *err)
{
	struct snapshots *s = c->state;
	const struct snapshot_filter filter = { .host = s->host, .name = s->name, .kind = s->kind };

	if (!s->listed) {
		s->at = 0;
		s->listed = true;
		return store_snapshots(store, &filter, &s->list, err);
	}
	for (size_t n = 0; n < LINES_A_STEP && s->at < s->list.n; n++) {
		const struct snapshot_info *i = &s->list.items[s->at++];

		s->count++;
		s->total += i->bytes_total;
		s->fresh += i->bytes_new;
		if (c->json)
			admin_out_json(c, info_json(c, i));
		else
			info_text(c, "", i);
	}
	*ret_done = s->at == s->list.n;
	return 0;
}

static void let_go_snapshots(struct admin_call *c)
{
	struct snapshots *s = c->state;

	snapshot_list_done(&s->list);
	s->listed = false;
}

static void tell_nothing(struct admin_call *c)
{
	(void)c;
}

static int end_snapshots(struct admin_call *c, struct err *err)
{
	char total[TEXT_SIZE_MAX], fresh[TEXT_SIZE_MAX];
	struct snapshots *s = c->state;

	(void)err;
	if (!c->json)
		admin_note(c, "%llu snapshot%s: %s, stored in %s", (unsigned long long)s->count,
			admin_plural(s->count), text_size(total, s->total),
			text_size(fresh, s->fresh));
	return 0;
}

static json_t *snapshots_totals(struct admin_call *c)
{
	struct snapshots *s = c->state;

	return json_pack("{s:I, s:I, s:I}", "snapshots", admin_number(s->count), "bytes_total",
		admin_number(s->total), "bytes_new", admin_number(s->fresh));
}

static void done_snapshots(struct admin_call *c)
{
	struct snapshots *s = c->state;

	snapshot_list_done(&s->list);
	free(s->host);
	free(s->name);
	free(s->kind);
}

const struct admin_row admin_row_snapshots = { .name = "snapshots",
	.state_len = sizeof(struct snapshots),
	.take = take_snapshots,
	.step = step_snapshots,
	.let_go = let_go_snapshots,
	.tell = tell_nothing,
	.end = end_snapshots,
	.totals = snapshots_totals,
	.done = done_snapshots };

/* --- forget --- */

struct forget {
	struct retention keep;
	char *host, *name;
	bool dry_run;
	struct snapshot_list list; /* of the domain that is being looked at */
	bool *kept;
	size_t at;
	uint64_t forgotten, left;
};

static int take_forget(struct admin_call *c, json_t *parameters, struct err *err)
{
	json_int_t last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0, within = 0;
	const char *host = NULL, *name = NULL;
	struct forget *s = c->state;
	json_error_t why;
	int dry_run = 0;

	if (json_unpack_ex(parameters, &why, JSON_STRICT,
		    "{s?I, s?I, s?I, s?I, s?I, s?I, s?I, s?s, s?s, s?b}", "keep-last", &last,
		    "keep-hourly", &hourly, "keep-daily", &daily, "keep-weekly", &weekly,
		    "keep-monthly", &monthly, "keep-yearly", &yearly, "keep-within", &within,
		    "host", &host, "name", &name, "dry-run", &dry_run) != 0)
		return err_set(err, ERR_USAGE, "forget knows no such parameter: %s", why.text);
	if (last < 0 || hourly < 0 || daily < 0 || weekly < 0 || monthly < 0 || yearly < 0 ||
		within < 0)
		return err_set(err, ERR_USAGE, "forget: a number of snapshots is not negative");
	s->keep = (struct retention){ (uint64_t)last, (uint64_t)hourly, (uint64_t)daily,
		(uint64_t)weekly, (uint64_t)monthly, (uint64_t)yearly, (uint64_t)within };
	if (retention_is_empty(&s->keep))
		return err_set(err, ERR_USAGE,
			"forget needs to know what to keep, at least one of --keep-last, "
			"--keep-hourly, --keep-daily, --keep-weekly, --keep-monthly, --keep-yearly "
			"and --keep-within");
	s->dry_run = dry_run;
	return copy(host, &s->host, err) != 0 ? -1 : copy(name, &s->name, err);
}

static int choose(struct forget *s, struct store *store, struct err *err)
{
	const struct snapshot_filter filter = { .host = s->host, .name = s->name };

	if (store_snapshots(store, &filter, &s->list, err) != 0)
		return -1;
	s->at = 0;
	s->kept = calloc(s->list.n + 1, sizeof(*s->kept));
	if (!s->kept)
		return err_nomem(err);
	return retention_apply(&s->keep, &s->list, s->kept, err);
}

static void tell_one(struct admin_call *c, const struct snapshot_info *i)
{
	struct forget *s = c->state;

	if (c->json)
		admin_out_json(c, admin_merge(info_json(c, i),
					  json_pack("{s:s}", "event",
						  s->dry_run ? "would_forget" : "forget")));
	else
		info_text(c, s->dry_run ? "would forget " : "forgot ", i);
}

/* Some are forgotten, then told: what is told is so. */
static int step_forget(struct admin_call *c, struct store *store, bool *ret_done, struct err *err)
{
	struct forget *s = c->state;
	struct digest ids[LINES_A_STEP];
	const struct snapshot_info *infos[LINES_A_STEP];
	size_t n = 0;

	if (!s->kept)
		return choose(s, store, err);
	while (n < LINES_A_STEP && s->at < s->list.n) {
		if (s->kept[s->at]) {
			s->left++;
		} else {
			infos[n] = &s->list.items[s->at];
			ids[n] = infos[n]->id;
			n++;
		}
		s->at++;
	}
	if (n > 0 && !s->dry_run && store_snapshot_forget(store, ids, n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		tell_one(c, infos[i]);
	s->forgotten += n;
	*ret_done = s->at == s->list.n;
	return 0;
}

static void let_go_forget(struct admin_call *c)
{
	struct forget *s = c->state;

	snapshot_list_done(&s->list);
	free(s->kept);
	s->kept = NULL;
}

static int end_forget(struct admin_call *c, struct err *err)
{
	struct forget *s = c->state;

	(void)err;
	if (!c->json)
		admin_note(c, "%llu snapshot%s %s, %llu kept%s", (unsigned long long)s->forgotten,
			admin_plural(s->forgotten), s->dry_run ? "would be forgotten" : "forgotten",
			(unsigned long long)s->left,
			s->forgotten > 0 && !s->dry_run ? "; drayd prune makes their room free"
							: "");
	return 0;
}

static json_t *forget_totals(struct admin_call *c)
{
	struct forget *s = c->state;

	return json_pack("{s:b, s:I, s:I}", "dry_run", s->dry_run, "forgotten",
		admin_number(s->forgotten), "kept", admin_number(s->left));
}

static void done_forget(struct admin_call *c)
{
	struct forget *s = c->state;

	let_go_forget(c);
	free(s->host);
	free(s->name);
}

const struct admin_row admin_row_forget = { .name = "forget",
	.changes = true,
	.state_len = sizeof(struct forget),
	.take = take_forget,
	.step = step_forget,
	.let_go = let_go_forget,
	.tell = tell_nothing,
	.end = end_forget,
	.totals = forget_totals,
	.done = done_forget };
