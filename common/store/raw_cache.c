#include "common/store/raw_cache.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS 64u /* small segments are not worth more */

struct raw_cache {
	pthread_mutex_t lock;
	struct raw_segment *slots[SLOTS]; /* a ring, oldest at `first` */
	size_t first, n, bytes;
};

struct raw_segment *raw_segment_new(const struct segment *head)
{
	struct raw_segment *s = malloc(sizeof *s + head->raw_len);
	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	s->stored_digest = head->stored_digest;
	s->len = head->raw_len;
	return s;
}

void raw_segment_unref(struct raw_segment *s)
{
	if (s && atomic_fetch_sub(&s->refs, 1) == 1)
		free(s);
}

struct raw_cache *raw_cache_new(void)
{
	struct raw_cache *c = calloc(1, sizeof *c);
	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void drop_oldest(struct raw_cache *c)
{
	struct raw_segment *s = c->slots[c->first];
	c->first = (c->first + 1) % SLOTS;
	c->n--;
	c->bytes -= s->len;
	raw_segment_unref(s);
}

void raw_cache_free(struct raw_cache *c)
{
	if (!c)
		return;
	while (c->n > 0)
		drop_oldest(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void raw_cache_put(struct raw_cache *c, struct raw_segment *s)
{
	atomic_fetch_add(&s->refs, 1);
	pthread_mutex_lock(&c->lock);
	while (c->n > 0 && (c->n == SLOTS || c->bytes + s->len > RAW_CACHE_BYTES))
		drop_oldest(c);
	c->slots[(c->first + c->n++) % SLOTS] = s;
	c->bytes += s->len;
	pthread_mutex_unlock(&c->lock);
}

struct raw_segment *raw_cache_get(struct raw_cache *c, const struct segment *head)
{
	struct raw_segment *found = NULL;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n && !found; i++) {
		struct raw_segment *s = c->slots[(c->first + i) % SLOTS];
		if (s->len == head->raw_len &&
			digest_equal(&s->stored_digest, &head->stored_digest))
			found = s;
	}
	if (found)
		atomic_fetch_add(&found->refs, 1);
	pthread_mutex_unlock(&c->lock);
	return found;
}
