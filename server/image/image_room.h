/*
 * Can the engine take what it lacks of an image at all? Refused is only what would not even fit
 * once: each layer takes at least what the client says that its files have. Pure.
 */
#pragma once

#include "protocol/message.h"
#include "server/engine/engine_port.h"

/* The sizes of an offer's layers, 0 for those that it does not tell. NULL without memory. The
 * caller frees it. */
uint64_t *image_room_sizes(const struct msg_image_offer *offer);

/* ERR_FULL with the numbers when the layers (n, with these sizes) that the engine lacks do not fit.
 */
int image_room_check(const struct digest *diff_ids, const uint64_t *sizes, uint32_t n,
	const struct port_have_reply *have, struct err *err) MUST_CHECK;
