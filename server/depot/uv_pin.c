/*
 * Owns two calls to the store, begin and end. The store's thread runs calls in the order of their
 * posting, so everything posted between the two finds the pin.
 */
#include "server/depot/uv_pin.h"

#include "common/base/log.h"

#include <stdlib.h>
#include <string.h>

struct uv_pin {
	struct depot_call begin, end;
	struct depot_domain *domain;
	struct digest owner;
	struct store_pin *pin; /* the store's thread only */
	bool finished;
};

static int run_begin(struct depot_call *c, struct store *store, struct err *err)
{
	struct uv_pin *p = CONTAINER_OF(c, struct uv_pin, begin);

	return store_pin_begin(store, &p->owner, &p->pin, err);
}

static void begun(struct depot_call *c)
{
	if (c->result != 0)
		log_warn("a job goes on without keeping what it needs: %s", c->err.text);
}

static int run_end(struct depot_call *c, struct store *store, struct err *err)
{
	struct uv_pin *p = CONTAINER_OF(c, struct uv_pin, end);

	(void)err;
	if (p->pin)
		store_pin_end(store, p->pin, p->finished);
	return 0;
}

static void ended(struct depot_call *c)
{
	free(CONTAINER_OF(c, struct uv_pin, end));
}

struct uv_pin *uv_pin_begin(
	struct depot_domain *domain, const char *key, const struct digest *image)
{
	struct uv_pin *p = calloc(1, sizeof(*p));
	size_t n = strlen(key) + 1;
	char *text = malloc(n + DIGEST_LEN);

	if (!p || !text) {
		free(p);
		free(text);
		return NULL;
	}
	memcpy(text, key, n);
	memcpy(text + n, image->bytes, DIGEST_LEN);
	p->owner = digest_of(text, n + DIGEST_LEN);
	free(text);
	p->domain = domain;
	p->begin = (struct depot_call){ .run = run_begin, .done = begun };
	depot_post(domain, &p->begin);
	return p;
}

void uv_pin_end(struct uv_pin *p, bool finished)
{
	if (!p)
		return;
	p->finished = finished;
	p->end = (struct depot_call){ .run = run_end, .done = ended };
	depot_post(p->domain, &p->end);
}

struct store_pin *uv_pin_of(const struct uv_pin *p)
{
	return p ? p->pin : NULL;
}
