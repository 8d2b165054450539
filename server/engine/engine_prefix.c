#include "server/engine/engine_prefix.h"

#include "server/engine/engine_side.h"

#include <string.h>
#include <time.h>

bool engine_prefix_pays(const struct engine_info *info)
{
	return !info->podman && !info->containerd_store && strcmp(info->driver, "overlay2") == 0;
}

/* After a crash nobody noted when: then since this process began. */
bool engine_prefix_waits(const struct engine_host *h, const struct load_entry *entry)
{
	uint64_t now = (uint64_t)time(NULL), since = entry->kept ? entry->kept : h->started;

	return entry->n_prefixes > 0 && !h->stopping && now >= since &&
	       now - since < PREFIX_WAIT_SECONDS;
}

static bool is_own(const struct engine_job *j, const struct load_entry *entry)
{
	return j->journaled && j->entry == entry->job && digest_equal(&j->image, &entry->image);
}

bool engine_prefix_is_earlier(const struct engine_job *j, const struct load_entry *entry)
{
	return digest_equal(&j->image, &entry->image) && strcmp(j->key, entry->key) == 0 &&
	       entry->n_prefixes > 0 && !engine_entry_is_live(j->host, entry);
}

bool engine_prefix_is_for(const struct engine_job *j, const struct load_entry *list, size_t n,
	const struct digest *id)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_own(j, &list[i]) && !engine_prefix_is_earlier(j, &list[i]))
			continue;
		for (size_t k = 0; k < list[i].n_prefixes; k++)
			if (digest_equal(&list[i].prefixes[k], id))
				return true;
	}
	return false;
}
