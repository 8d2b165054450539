/*
 * Prefixes: images of an image's lower layers only, without a tag, which a load has the engine make
 * while the upper layers are still on their way. They hold what was applied until the image itself
 * holds it; then they are removed. When a load is broken off and the same push may come again, they
 * wait for it for a while. The journal has their IDs; nobody else's image has the same, because
 * each load's have a label of its own. This file has the rules, engine_load_calls.c makes them.
 */
#pragma once

#include "common/engine/engine.h"
#include "server/engine/load_journal.h"

struct engine_host;
struct engine_job;

/* A prefix holds at least so many bytes of layers more than the one before it: each costs a call,
 * 10 to 130 ms of the engine's time. */
#define PREFIX_MIN (16u << 20)

/* And so large is the next layer at least: else the engine gains nothing by beginning now. */
#define PREFIX_NEXT_MIN (2u << 20)

/* So long prefixes of a load that was broken off wait: an agent that lost its link tries again
 * after RETRY_MOST_MS (10 s) at most, and meanwhile `docker images` shows them without a name. A
 * load that failed for good, or is broken off because drayd stops, leaves none. */
#define PREFIX_WAIT_SECONDS 60u

/* Does the engine apply layers only once it has the whole archive, and find those of another image
 * by their chain? Podman and the containerd store gain nothing from prefixes (ENGINES.md's tables:
 * they take longer with them), and name images otherwise. */
bool engine_prefix_pays(const struct engine_info *info);

/* Do the prefixes of this entry, which no load is behind, still wait? */
bool engine_prefix_waits(const struct engine_host *h, const struct load_entry *entry);

/* Is this image a prefix that the job may count on: its own, or one that waits for the same push of
 * the same key? `list` is the journal's. Others go at any moment. */
bool engine_prefix_is_for(const struct engine_job *j, const struct load_entry *list, size_t n,
	const struct digest *id);

/* Are these the prefixes of an earlier try of what the job does? */
bool engine_prefix_is_earlier(const struct engine_job *j, const struct load_entry *entry);
