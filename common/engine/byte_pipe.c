#include "common/engine/byte_pipe.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct byte_pipe {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*on_room)(void *ctx);
	void *ctx;
	size_t size;  /* of the ring */
	size_t at;    /* where the content begins */
	size_t len;   /* of the content */
	size_t lent;  /* bytes at the front that the reader holds */
	bool refused; /* a put did not fit: on_room is due */
	bool ended, failed;
	struct err err;
	uint8_t ring[];
};

struct byte_pipe *byte_pipe_new(size_t size, void (*on_room)(void *ctx), void *ctx)
{
	struct byte_pipe *p = calloc(1, sizeof(*p) + size);

	if (!p)
		return NULL;
	if (pthread_mutex_init(&p->lock, NULL) != 0) {
		free(p);
		return NULL;
	}
	if (pthread_cond_init(&p->changed, NULL) != 0) {
		pthread_mutex_destroy(&p->lock);
		free(p);
		return NULL;
	}
	p->size = size;
	p->on_room = on_room;
	p->ctx = ctx;
	return p;
}

void byte_pipe_free(struct byte_pipe *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool byte_pipe_put(struct byte_pipe *p, const void *bytes, size_t n)
{
	size_t to, first;
	bool fits;

	assert(n <= p->size / 2);
	pthread_mutex_lock(&p->lock);
	fits = n <= p->size - p->len;
	if (fits) {
		to = (p->at + p->len) % p->size;
		first = min_size(n, p->size - to);
		memcpy(p->ring + to, bytes, first);
		memcpy(p->ring, (const uint8_t *)bytes + first, n - first);
		p->len += n;
		pthread_cond_signal(&p->changed);
	} else {
		p->refused = true;
	}
	pthread_mutex_unlock(&p->lock);
	return fits;
}

void byte_pipe_end(struct byte_pipe *p, const struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (err && !p->failed) {
		p->failed = true;
		p->err = *err;
	}
	p->ended = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* Gives up what the reader held; true when the writer is to be told of room. */
static bool give_up_lent(struct byte_pipe *p)
{
	p->at = (p->at + p->lent) % p->size;
	p->len -= p->lent;
	p->lent = 0;
	if (!p->refused || p->len > p->size / 2)
		return false;
	p->refused = false;
	return true;
}

int byte_pipe_get(struct byte_pipe *p, const void **ret, size_t *ret_n, struct err *err)
{
	bool room, failed;

	pthread_mutex_lock(&p->lock);
	room = give_up_lent(p);
	pthread_mutex_unlock(&p->lock);
	if (room)
		p->on_room(p->ctx);
	pthread_mutex_lock(&p->lock);
	while (p->len == 0 && !p->ended)
		pthread_cond_wait(&p->changed, &p->lock);
	failed = p->failed;
	if (failed) {
		err_set(err, p->err.code, "%s", p->err.text);
	} else {
		p->lent = min_size(p->len, p->size - p->at);
		*ret = p->ring + p->at;
		*ret_n = p->lent;
	}
	pthread_mutex_unlock(&p->lock);
	return failed ? -1 : 0;
}
