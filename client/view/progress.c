#include "client/view/progress.h"

void rate_add(struct rate *r, uint64_t bytes, uint64_t now_ms)
{
	size_t last = (r->next + RATE_SAMPLES - 1) % RATE_SAMPLES;

	if (r->n > 0 && now_ms - r->at_ms[last] < RATE_SAMPLE_MS)
		return;
	r->at_ms[r->next] = now_ms;
	r->bytes[r->next] = bytes;
	r->next = (r->next + 1) % RATE_SAMPLES;
	if (r->n < RATE_SAMPLES)
		r->n++;
}

uint64_t rate_now(const struct rate *r, uint64_t bytes, uint64_t now_ms)
{
	size_t oldest = r->n < RATE_SAMPLES ? 0 : r->next;

	if (r->n == 0 || now_ms <= r->at_ms[oldest] || bytes <= r->bytes[oldest])
		return 0;
	return (uint64_t)((double)(bytes - r->bytes[oldest]) * 1000 /
			  (double)(now_ms - r->at_ms[oldest]));
}

double rate_left(uint64_t bytes_per_second, uint64_t bytes)
{
	if (bytes == 0)
		return 0;
	return bytes_per_second > 0 ? (double)bytes / (double)bytes_per_second : -1;
}

struct progress_sum progress_sum(const struct layer_progress *layers, size_t n)
{
	struct progress_sum sum = { .layers = n, .exact = true };

	for (size_t i = 0; i < n; i++) {
		const struct layer_progress *l = &layers[i];

		if (l->state == LAYER_THERE)
			sum.there++;
		if (l->state == LAYER_THERE || l->state == LAYER_REPEATED)
			continue;
		sum.moved += l->state == LAYER_DONE;
		sum.done += l->done;
		sum.total += l->size > l->done ? l->size : l->done;
		sum.exact = sum.exact && l->begun;
	}
	return sum;
}
