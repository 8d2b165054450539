#include "server/image/image_lookup.h"

#include <stdlib.h>
#include <string.h>

/* Owned by the call, which may outlive whoever asked. */
struct image_lookup {
	struct depot_call call;
	image_lookup_fn *fn; /* NULL when nobody wants to know any more */
	void *ctx;
	const struct uv_pin *pin;
	uint32_t n;
	bool empty;
	bool *found;
	uint64_t *sizes;
	struct digest names[];
};

static void lookup_free(struct image_lookup *l)
{
	free(l->found);
	free(l->sizes);
	free(l);
}

static int run(struct depot_call *c, struct store *store, struct err *err)
{
	struct image_lookup *l = (struct image_lookup *)c;

	l->empty = store_bytes(store) == 0;
	for (uint32_t i = 0; i < l->n; i++) {
		struct blob_record record;

		if (store_blob_find(store, &l->names[i], uv_pin_of(l->pin), &record, &l->found[i],
			    err) != 0)
			return -1;
		if (!l->found[i])
			continue;
		l->sizes[i] = record.size;
		blob_record_done(&record);
	}
	return 0;
}

static void done(struct depot_call *c)
{
	struct image_lookup *l = (struct image_lookup *)c;

	if (l->fn)
		l->fn(l->ctx, l->found, l->sizes, l->empty, c->result == 0 ? NULL : &c->err);
	lookup_free(l);
}

int image_lookup_start(struct depot_domain *domain, const struct uv_pin *pin,
	const struct digest *names, uint32_t n, image_lookup_fn *fn, void *ctx,
	struct image_lookup **ret, struct err *err)
{
	struct image_lookup *l = calloc(1, sizeof(*l) + n * sizeof(struct digest));

	if (!l)
		return err_nomem(err);
	l->found = calloc(n, sizeof(*l->found));
	l->sizes = calloc(n, sizeof(*l->sizes));
	if (!l->found || !l->sizes) {
		lookup_free(l);
		return err_nomem(err);
	}
	memcpy(l->names, names, n * sizeof(*names));
	l->n = n;
	l->pin = pin;
	l->fn = fn;
	l->ctx = ctx;
	l->call = (struct depot_call){ .run = run, .done = done };
	*ret = l;
	depot_post(domain, &l->call);
	return 0;
}

void image_lookup_forget(struct image_lookup *l)
{
	if (l)
		l->fn = NULL;
}
