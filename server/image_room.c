/*
 * The engine first keeps the archive that it is sent, whole, and then applies each layer: so its
 * disk takes each layer's files once in the archive (where a layer that occurs twice stands once)
 * and once for every time that the layer occurs.
 */
#include "server/image_room.h"

#include "common/base/text.h"

#include <stdlib.h>

/* Sizes are a peer's words. */
static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t *image_room_sizes(const struct msg_image_offer *offer)
{
	uint64_t *sizes = calloc(offer->diff_ids.n + 1u, sizeof(*sizes));

	for (uint32_t i = 0; sizes && i < offer->diff_ids.n && i < offer->sizes.n; i++)
		sizes[i] = wire_number(&offer->sizes, i);
	return sizes;
}

struct lack {
	unsigned layers;
	uint64_t archive, applied; /* bytes */
};

static bool lacks(const struct port_have_reply *have, uint32_t i)
{
	return i >= have->chains.n || !have->chains.p[i];
}

static struct lack count(const struct digest *diff_ids, const uint64_t *sizes, uint32_t n,
	const struct port_have_reply *have)
{
	struct lack l = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		bool again = false;

		if (!lacks(have, i))
			continue;
		for (uint32_t k = 0; k < i && !again; k++)
			again = lacks(have, k) && digest_equal(&diff_ids[k], &diff_ids[i]);
		l.layers++;
		l.applied = add(l.applied, sizes[i]);
		l.archive = add(l.archive, again ? 0 : sizes[i]);
	}
	return l;
}

int image_room_check(const struct digest *diff_ids, const uint64_t *sizes, uint32_t n,
	const struct port_have_reply *have, struct err *err)
{
	struct lack l = count(diff_ids, sizes, n, have);
	uint64_t need = add(l.archive, l.applied);
	char needed[TEXT_SIZE_MAX], once[TEXT_SIZE_MAX], free_now[TEXT_SIZE_MAX], root[300];

	if (have->image_present || need <= have->room)
		return 0;
	return err_set(err, ERR_FULL,
		"the target's engine needs about %s in %s for the %u layer%s it lacks (%s, twice "
		"while it loads), but only %s are free",
		text_size(needed, need),
		text_escape(root, sizeof(root), have->root.s, have->root.n), l.layers,
		l.layers == 1 ? "" : "s", text_size(once, l.applied),
		text_size(free_now, have->room));
}
