/* The admin commands `stats` (what is in the stores: one step a domain, from its index) and `prune`
 * (give up what nothing needs: in many short ones, between which the store serves). */
#include "server/admin/admin_impl.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/store/prune.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

/* --- stats --- */

struct stats {
	struct store_stats one, all;
	size_t domains; /* that could be looked at */
	uint64_t free_bytes;
	bool free_known;
	size_t sessions;
};

static double ratio(const struct store_stats *s)
{
	return s->stored_bytes > 0 ? (double)s->raw_bytes / (double)s->stored_bytes : 1;
}

static json_t *stats_json(const struct store_stats *s)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I}", "packs",
		admin_number(s->packs), "chunks", admin_number(s->chunks), "blobs",
		admin_number(s->blobs), "manifests", admin_number(s->manifests), "snapshots",
		admin_number(s->snapshots), "raw_bytes", admin_number(s->raw_bytes), "stored_bytes",
		admin_number(s->stored_bytes), "ratio", ratio(s), "pinned_bytes",
		admin_number(s->pinned_bytes), "damaged", admin_number(s->damaged));
}

static void stats_text(struct admin_call *c, const char *name, const struct store_stats *s)
{
	char raw[TEXT_SIZE_MAX], stored[TEXT_SIZE_MAX], pinned[TEXT_SIZE_MAX];

	admin_out(c,
		"%s: %s in %llu pack%s for %s in %llu chunk%s (%.2f:1), %llu blob%s, "
		"%llu snapshot%s; %s pinned",
		name, text_size(stored, s->stored_bytes), (unsigned long long)s->packs,
		admin_plural(s->packs), text_size(raw, s->raw_bytes), (unsigned long long)s->chunks,
		admin_plural(s->chunks), ratio(s), (unsigned long long)s->blobs,
		admin_plural(s->blobs), (unsigned long long)s->snapshots,
		admin_plural(s->snapshots), text_size(pinned, s->pinned_bytes));
	if (s->damaged > 0)
		admin_note(c, "%s: %llu stretch%s unreadable; drayd check --read-data tells more",
			name, (unsigned long long)s->damaged, s->damaged == 1 ? " is" : "es are");
}

static int step_stats(struct admin_call *c, struct store *store, bool *ret_done, struct err *err)
{
	struct stats *s = c->state;

	*ret_done = true;
	return store_stats(store, &s->one, err);
}

static void tell_stats(struct admin_call *c)
{
	struct stats *s = c->state;

	s->domains++;
	s->all.chunks += s->one.chunks;
	s->all.blobs += s->one.blobs;
	s->all.manifests += s->one.manifests;
	s->all.snapshots += s->one.snapshots;
	s->all.packs += s->one.packs;
	s->all.raw_bytes += s->one.raw_bytes;
	s->all.stored_bytes += s->one.stored_bytes;
	s->all.damaged += s->one.damaged;
	s->all.pinned_bytes += s->one.pinned_bytes;
	if (c->json)
		admin_out_domain(c, true, stats_json(&s->one));
	else
		stats_text(c, admin_domain(c), &s->one);
}

static void tell_session(void *ctx, const char *key, const char *where, size_t jobs)
{
	struct admin_call *c = ctx;
	struct stats *s = c->state;

	s->sessions++;
	if (c->json)
		admin_out_json(c, json_pack("{s:s, s:s, s:s, s:I}", "event", "session", "key", key,
					  "address", where, "jobs", admin_number(jobs)));
	else
		admin_out(c, "session of %s (%s): %zu job%s", key, where, jobs, admin_plural(jobs));
}

static int end_stats(struct admin_call *c, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_join(c->env->state_dir, ".");
	const struct store_limits *limits = c->env->limits;
	char size[TEXT_SIZE_MAX];
	struct stats *s = c->state;
	struct statvfs fs;

	if (!path)
		return err_nomem(err);
	if (statvfs(path, &fs) != 0)
		return err_errno(err, errno, "cannot look at the file system of %s", path);
	s->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	s->free_known = true;
	if (c->env->serving && c->env->sessions)
		c->env->sessions(c->env->ctx, tell_session, c);
	if (c->json)
		return 0;
	if (s->domains != 1)
		stats_text(c, "in all", &s->all);
	if (limits && limits->cache_max != UINT64_MAX)
		admin_out(c, "cache limit: %s", text_size(size, limits->cache_max));
	if (limits && limits->floor_free > 0)
		admin_out(c, "kept free: %s", text_size(size, limits->floor_free));
	admin_out(c, "free: %s", text_size(size, s->free_bytes));
	return 0;
}

static json_t *stats_totals(struct admin_call *c)
{
	const struct store_limits *limits = c->env->limits;
	struct stats *s = c->state;
	json_t *all = stats_json(&s->all);
	json_t *more = json_pack("{s:I, s:o*, s:o*, s:o*, s:o*}", "domains",
		admin_number(s->domains), "cache_max",
		limits && limits->cache_max != UINT64_MAX
			? json_integer(admin_number(limits->cache_max))
			: NULL,
		"floor_free", limits ? json_integer(admin_number(limits->floor_free)) : NULL,
		"free_bytes", s->free_known ? json_integer(admin_number(s->free_bytes)) : NULL,
		"sessions", c->env->serving ? json_integer(admin_number(s->sessions)) : NULL);

	return admin_merge(all, more);
}

const struct admin_row admin_row_stats = { .name = "stats",
	.state_len = sizeof(struct stats),
	.step = step_stats,
	.tell = tell_stats,
	.end = end_stats,
	.totals = stats_totals };

/* --- prune --- */

struct prune {
	bool dry_run;
	struct store_prune *prune; /* the store's thread; NULL before the first step */
	struct store_pruned one, all;
	size_t domains;
};

static int take_prune(struct admin_call *c, json_t *parameters, struct err *err)
{
	struct prune *s = c->state;
	json_error_t why;
	int dry_run = 0;

	if (json_unpack_ex(parameters, &why, JSON_STRICT, "{s?b}", "dry-run", &dry_run) != 0)
		return err_set(err, ERR_USAGE, "prune knows no such parameter: %s", why.text);
	s->dry_run = dry_run;
	return 0;
}

static int step_prune(struct admin_call *c, struct store *store, bool *ret_done, struct err *err)
{
	struct prune *s = c->state;
	int r;

	if (!s->prune)
		return store_prune_new(store, s->dry_run, &s->prune, err);
	r = store_prune_step(s->prune, ret_done, err);
	s->one = *store_prune_report(s->prune);
	if (r == 0 && !*ret_done && s->one.marked > 0)
		admin_progress(c, "%s: %llu snapshot%s marked, %llu pack%s given up",
			admin_domain(c), (unsigned long long)s->one.marked,
			admin_plural(s->one.marked), (unsigned long long)s->one.packs,
			admin_plural(s->one.packs));
	return r;
}

static void let_go_prune(struct admin_call *c)
{
	struct prune *s = c->state;

	store_prune_free(s->prune);
	s->prune = NULL;
}

static void prune_text(struct admin_call *c, const char *name, const struct store_pruned *p)
{
	char gone[TEXT_SIZE_MAX], kept[TEXT_SIZE_MAX];
	struct prune *s = c->state;

	admin_out(c, "%s: %s in %llu pack%s %s, %llu written anew, %s kept", name,
		text_size(gone, p->bytes), (unsigned long long)p->packs, admin_plural(p->packs),
		s->dry_run ? "would be given up" : "given up", (unsigned long long)p->rewritten,
		text_size(kept, p->kept_bytes));
	if (p->missing > 0)
		admin_note(c,
			"%s: %llu chunk%s that snapshots need not there; drayd check tells whose",
			name, (unsigned long long)p->missing, p->missing == 1 ? " is" : "s are");
}

static json_t *pruned_json(const struct prune *s, const struct store_pruned *p)
{
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "dry_run", s->dry_run, "packs_freed",
		admin_number(p->packs), "packs_rewritten", admin_number(p->rewritten), "missing",
		admin_number(p->missing), "bytes_freed", admin_number(p->bytes), "bytes_kept",
		admin_number(p->kept_bytes));
}

static void tell_prune(struct admin_call *c)
{
	struct prune *s = c->state;

	s->domains++;
	s->all.packs += s->one.packs;
	s->all.rewritten += s->one.rewritten;
	s->all.missing += s->one.missing;
	s->all.bytes += s->one.bytes;
	s->all.kept_bytes += s->one.kept_bytes;
	if (c->json)
		admin_out_domain(c, true, pruned_json(s, &s->one));
	else
		prune_text(c, admin_domain(c), &s->one);
}

static int end_prune(struct admin_call *c, struct err *err)
{
	struct prune *s = c->state;

	(void)err;
	if (!c->json && s->domains != 1)
		prune_text(c, "in all", &s->all);
	return 0;
}

static json_t *prune_totals(struct admin_call *c)
{
	struct prune *s = c->state;

	return admin_merge(
		pruned_json(s, &s->all), json_pack("{s:I}", "domains", admin_number(s->domains)));
}

const struct admin_row admin_row_prune = { .name = "prune",
	.changes = true,
	.state_len = sizeof(struct prune),
	.take = take_prune,
	.step = step_prune,
	.let_go = let_go_prune,
	.tell = tell_prune,
	.end = end_prune,
	.totals = prune_totals };
