#include "client/push/window.h"

#include <pthread.h>
#include <stdlib.h>

struct window {
	pthread_mutex_t lock;
	pthread_cond_t room;
	uint64_t max, taken;
	bool closed;
};

struct window *window_new(uint64_t max)
{
	struct window *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->room, NULL);
	w->max = max;
	return w;
}

void window_free(struct window *w)
{
	if (!w)
		return;
	pthread_cond_destroy(&w->room);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

bool window_take(struct window *w, uint64_t n)
{
	bool open;

	pthread_mutex_lock(&w->lock);
	while (!w->closed && w->taken >= w->max)
		pthread_cond_wait(&w->room, &w->lock);
	open = !w->closed;
	if (open)
		w->taken += n;
	pthread_mutex_unlock(&w->lock);
	return open;
}

void window_give(struct window *w, uint64_t n)
{
	pthread_mutex_lock(&w->lock);
	w->taken -= n;
	pthread_cond_signal(&w->room);
	pthread_mutex_unlock(&w->lock);
}

bool window_full(struct window *w)
{
	bool full;

	pthread_mutex_lock(&w->lock);
	full = w->taken >= w->max;
	pthread_mutex_unlock(&w->lock);
	return full;
}

void window_close(struct window *w)
{
	pthread_mutex_lock(&w->lock);
	w->closed = true;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
}
