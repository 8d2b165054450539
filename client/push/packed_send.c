#include "client/push/packed_send.h"

int packed_send(struct packer *packer, struct lanes *lanes, struct sender *sender,
	unsigned *ret_whole, struct err *err)
{
	const struct packed *next;
	int r = 0;

	*ret_whole = 0;
	while (r == 0 && (next = packer_peek(packer))) {
		struct packed *made;

		if (!next->flushed && !lanes_takes(lanes, buf_len(&next->record)))
			break;
		made = packer_take(packer);
		if (!made->flushed) {
			r = lanes_send(lanes, made, err);
			continue;
		}
		++*ret_whole;
		r = sender_flushed(sender, made->blob, lanes_last(lanes), err);
		packed_free(made);
	}
	return r;
}
