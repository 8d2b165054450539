/*
 * --live: what changes little goes while the source runs, so that little is left for the time in
 * which no copy is up. Happy path: a commit of the running container, unpaused, is sent and dropped
 * again at both ends: what it was made of stays in the target's store -> the volumes, again and
 * again until the remainder is small or shrinks no more -> the order of things without --live,
 * which then finds nearly everything there.
 */
#include "client/migrate/uv_migrate_impl.h"

#include "common/base/log.h"

#include <string.h>

#define ROUNDS_MAX 8u
#define ROUND_SMALL (1u << 20) /* bytes that had to be read */

static void next_round(struct migration *m);

/* --- volumes --- */

/* Halving is what a round is worth. */
static bool is_enough(const struct migration *m)
{
	return m->round_bytes <= ROUND_SMALL || m->rounds >= ROUNDS_MAX ||
	       (m->rounds > 1 && m->round_bytes > m->last_round_bytes / 2);
}

static void round_over(struct migration *m)
{
	m->rounds++;
	log_debug("%s: round %u read %llu bytes", m->j.name, m->rounds,
		(unsigned long long)m->round_bytes);
	if (m->n_trees == 0 || is_enough(m))
		m->after_live(m);
	else
		next_round(m);
}

static void next_round(struct migration *m)
{
	m->last_round_bytes = m->round_bytes;
	migration_send_trees(m, round_over);
}

/* --- what the container has written --- */

/* It served to bring its chunks; the target's engine need not keep it. */
static void drop_told(void *ctx, const struct line_answer *answer, const struct err *err)
{
	struct migration *m = ctx;

	(void)answer;
	if (err && err->code == ERR_INTERRUPTED) {
		migration_fail(m, err);
		return;
	}
	if (err)
		log_info("an image without a name is left at the target: %s", err->text);
	next_round(m);
}

static void tell_drop(struct migration *m)
{
	struct line_call call = migration_call(m, MIGRATE_DROP);

	call.image = m->config;
	line_ask(m->run->line, &call, drop_told, m);
}

static void image_sent(struct migration *m)
{
	migration_drop_image(m, tell_drop);
}

static void is_committed(struct migration *m)
{
	migration_send_image(m, m->j.image, image_sent);
}

void migration_send_ahead(struct migration *m, void (*then)(struct migration *m))
{
	m->after_live = then;
	migration_commit_image(m, false, is_committed);
}
