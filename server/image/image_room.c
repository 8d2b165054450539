/*
 * The engine first keeps the archive that it is sent, and then applies each layer. Where both are
 * on one disk that takes twice as much in the end; but the archive may be elsewhere, and a layer
 * that the key may not know of may be there already. So each layer counts once.
 */
#include "server/image/image_room.h"

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

static bool lacks(const struct port_have_reply *have, uint32_t i)
{
	return i >= have->layers.n || !have->layers.p[i];
}

/* Bytes of the layers that are lacking, each once; *ret_layers counts them. */
static uint64_t count(const struct digest *diff_ids, const uint64_t *sizes, uint32_t n,
	const struct port_have_reply *have, unsigned *ret_layers)
{
	uint64_t bytes = 0;

	*ret_layers = 0;
	for (uint32_t i = 0; i < n; i++) {
		bool again = false;

		if (!lacks(have, i))
			continue;
		for (uint32_t k = 0; k < i && !again; k++)
			again = lacks(have, k) && digest_equal(&diff_ids[k], &diff_ids[i]);
		(*ret_layers)++;
		bytes = add(bytes, again ? 0 : sizes[i]);
	}
	return bytes;
}

int image_room_check(const struct digest *diff_ids, const uint64_t *sizes, uint32_t n,
	const struct port_have_reply *have, struct err *err)
{
	char needed[TEXT_SIZE_MAX], free_now[TEXT_SIZE_MAX], root[300];
	unsigned layers;
	uint64_t need = count(diff_ids, sizes, n, have, &layers);

	if (have->image_present || need <= have->room)
		return 0;
	return err_set(err, ERR_FULL,
		"the target's engine needs at least %s in %s for the %u layer%s it lacks, but only "
		"%s are free",
		text_size(needed, need),
		text_escape(root, sizeof(root), have->root.s, have->root.n), layers,
		layers == 1 ? "" : "s", text_size(free_now, have->room));
}
