/* What is packed goes out: from a packer over the lanes of a session. Loop's thread. */
#pragma once

#include "client/push/uv_lanes.h"
#include "client/push/uv_packer.h"

/* Sends as far as the link and the receiver take it, and tells the sender of each blob that is out
 * whole: *ret_whole is how many that were. */
int packed_send(struct packer *packer, struct lanes *lanes, struct sender *sender,
	unsigned *ret_whole, struct err *err) MUST_CHECK;
