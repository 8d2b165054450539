/*
 * Keeps the stores of all domains within one limit, and their file system above the floor. Happy
 * path: after a call the store's bytes are counted; when they are too many, the domain whose next
 * pack was unused for longest gives that one up, and so on. A domain that is closed is opened only
 * when its turn comes; of those that nobody uses, few are left open. Failure modes: everything is
 * pinned (tried again a second later; the cache may exceed its size, and each store holds the floor
 * by itself), a domain that cannot be opened or written to (said once, and left alone for a while),
 * a store whose sync failed (opened again when no job uses it any more).
 */
#include "server/depot/depot_impl.h"

#include "common/base/log.h"
#include "common/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define CACHE_DEFAULT_MAX (UINT64_C(10) * 1000 * 1000 * 1000)
#define CACHE_DEFAULT_PART 10u /* of the file system, percent */
#define FLOOR_PART 5u
#define LOOK_EVERY (UINT64_C(4) << 20) /* bytes stored between two looks at the free space */
#define TRY_AGAIN_MS 1000u
#define SKIP_MS (600u * 1000u) /* a domain with nothing to give up is left alone for so long */
#define OPEN_MAX 8u	       /* stores, but for those in use: each has files and caches */

/* --- the start --- */

static int set_limits(struct depot *d, uint64_t cache, struct err *err)
{
	struct statvfs fs;
	uint64_t percent;

	if (statvfs(d->dir, &fs) != 0)
		return err_errno(err, errno, "cannot look at the file system of %s", d->dir);
	percent = (uint64_t)fs.f_blocks * fs.f_frsize / 100;
	d->limits.floor_free = percent * FLOOR_PART;
	d->limits.cache_max = cache ? cache
				    : min_u64(CACHE_DEFAULT_MAX, percent * CACHE_DEFAULT_PART);
	return 0;
}

static void count(struct depot_domain *domain)
{
	struct depot *d = domain->depot;

	if (domain->counted)
		return;
	domain->counted = true;
	domain->next_counted = d->counted;
	d->counted = domain;
}

static int count_domain(struct depot *d, const char *name, struct err *err)
{
	struct depot_domain *domain = depot_domain(d, name);

	if (!domain)
		return err_nomem(err);
	if (store_measure(domain->dir, &domain->bytes, &domain->oldest, err) != 0)
		return -1;
	count(domain);
	d->bytes += domain->bytes;
	return 0;
}

static int count_domains(struct depot *d, struct err *err)
{
	DIR *dir = opendir(d->dir);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_errno(err, errno, "cannot open %s", d->dir);
	while (r == 0 && (entry = readdir(dir))) {
		if (text_is_name(entry->d_name, strlen(entry->d_name)))
			r = count_domain(d, entry->d_name, err);
	}
	closedir(dir);
	return r;
}

int depot_cache_start(struct depot *d, uint64_t cache, struct err *err)
{
	d->looked_at = UINT64_MAX;
	return set_limits(d, cache, err) != 0 ? -1 : count_domains(d, err);
}

/* --- counting --- */

static void recount(struct depot_domain *domain)
{
	uint64_t bytes = store_bytes(domain->store);

	domain->depot->bytes += bytes - domain->bytes;
	domain->bytes = bytes;
}

static void log_damage(void *ctx, const char *text)
{
	const struct depot_domain *domain = ctx;

	log_warn("store of %s: %s", domain->name, text);
}

static uint64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_store(struct depot_domain *domain)
{
	struct err err;
	bool any = false;

	if (store_oldest(domain->store, &any, &domain->oldest, &err) != 0 || !any)
		domain->skip_until = monotonic_ms() + SKIP_MS;
	store_close(domain->store);
	domain->store = NULL;
	domain->depot->n_open--;
}

/* Of those that nobody uses, the ones that were called longest ago. */
static void close_idle(struct depot *d, const struct depot_domain *but)
{
	while (d->n_open > OPEN_MAX) {
		struct depot_domain *idle = NULL, *domain;

		for (domain = d->counted; domain; domain = domain->next_counted) {
			if (domain != but && domain->store && !store_in_use(domain->store) &&
				(!idle || domain->opened_for < idle->opened_for))
				idle = domain;
		}
		if (!idle)
			return;
		close_store(idle);
	}
}

int depot_cache_open(struct depot_domain *domain, struct err *err)
{
	struct depot *d = domain->depot;

	domain->opened_for = ++d->calls;
	if (domain->store && store_broken(domain->store) && !store_in_use(domain->store))
		close_store(domain);
	if (domain->store)
		return 0;
	if (store_open(domain->dir, &domain->store, err) != 0)
		return -1;
	d->n_open++;
	store_set_limits(domain->store, &d->limits);
	store_on_damage(domain->store, log_damage, domain);
	domain->unusable = false;
	domain->skip_until = 0;
	count(domain);
	recount(domain);
	close_idle(d, domain);
	return 0;
}

/* --- giving up --- */

static void leave_alone(struct depot_domain *domain, const struct err *err)
{
	if (!domain->unusable)
		log_warn("%s: nothing of it can be given up: %s", domain->name, err->text);
	domain->unusable = true;
	domain->skip_until = monotonic_ms() + SKIP_MS;
}

/* When the pack that the domain would give up was last used; false: none. */
static bool oldest_of(struct depot_domain *domain, uint64_t *ret)
{
	struct err err;
	bool any = false;

	if (domain->bytes == 0 || monotonic_ms() < domain->skip_until)
		return false;
	if (!domain->store) {
		*ret = domain->oldest;
		return true;
	}
	if (store_oldest(domain->store, &any, ret, &err) != 0) {
		leave_alone(domain, &err);
		return false;
	}
	return any;
}

static struct depot_domain *longest_unused(struct depot *d)
{
	struct depot_domain *best = NULL;
	uint64_t best_used = 0, used = 0;

	for (struct depot_domain *domain = d->counted; domain; domain = domain->next_counted) {
		if (!oldest_of(domain, &used) || (best && used >= best_used))
			continue;
		best = domain;
		best_used = used;
	}
	return best;
}

/* One pack of any domain. False: there is none. */
static bool give_up_one(struct depot *d)
{
	struct depot_domain *domain;
	struct err err;

	while ((domain = longest_unused(d))) {
		bool was_open = domain->store != NULL;
		uint64_t gone = 0;

		/* Once it is open it knows better, and another one may be the next. */
		if ((!was_open && depot_cache_open(domain, &err) != 0) ||
			(was_open && store_give_up_oldest(domain->store, &gone, &err) != 0))
			leave_alone(domain, &err);
		else if (was_open) {
			recount(domain);
			return gone > 0;
		}
	}
	return false;
}

static bool too_little_free(struct depot *d)
{
	struct statvfs fs;

	if (statvfs(d->dir, &fs) != 0)
		return false;
	d->looked_at = d->bytes;
	/* The next look comes before the floor. */
	return (uint64_t)fs.f_bavail * fs.f_frsize < d->limits.floor_free + 2 * LOOK_EVERY;
}

static bool look_is_due(const struct depot *d)
{
	return d->looked_at == UINT64_MAX || d->bytes > d->looked_at + LOOK_EVERY ||
	       d->bytes < d->looked_at;
}

static void shrink(struct depot *d)
{
	bool gone = true;

	while (gone && (d->bytes > d->limits.cache_max || too_little_free(d)))
		gone = give_up_one(d);
	d->next_try = gone ? 0 : monotonic_ms() + TRY_AGAIN_MS;
}

void depot_cache_fit(struct depot_domain *domain)
{
	struct depot *d = domain->depot;

	recount(domain);
	/* In the middle of a group this would be one more sync. */
	if (store_unsynced(domain->store) > 0)
		return;
	if (d->bytes <= d->limits.cache_max && !(look_is_due(d) && too_little_free(d)))
		return;
	if (monotonic_ms() >= d->next_try)
		shrink(d);
}
