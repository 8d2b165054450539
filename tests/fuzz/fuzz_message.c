/* First byte: the type. The rest: a body. What parses must encode to the same bytes. */
#include "protocol/limits.h"
#include "protocol/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walks what a state machine would walk. */
static void walk(const struct message *m)
{
	static volatile uint64_t sum;

	if (m->type == MSG_IMAGE_OFFER) {
		const uint8_t *at = m->image_offer.tags.raw;
		wire_text text;
		uint16_t n = 0;

		while (wire_texts_next(&m->image_offer.tags, &at, &text)) {
			char *s = wire_text_dup(&text);

			n++;
			free(s);
		}
		if (n != m->image_offer.tags.n)
			abort();
		for (uint32_t i = 0; i < m->image_offer.sizes.n; i++)
			sum = sum + wire_number(&m->image_offer.sizes, i);
	}
	if (m->type == MSG_ASK_CHUNKS) {
		for (uint32_t i = 0; i < m->ask_chunks.names.n; i++)
			sum = sum + wire_short(&m->ask_chunks.names, i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf again;
	struct message m;
	struct err err;

	if (size == 0 || message_parse(data[0], data + 1, size - 1, &m, &err) != 0)
		return 0;
	buf_init(&again, SEGMENT_MESSAGE_MAX);
	message_put(&again, &m);
	if (!buf_ok(&again) || buf_len(&again) != size - 1)
		abort();
	if (size > 1 && memcmp(buf_bytes(&again), data + 1, size - 1) != 0)
		abort();
	walk(&m);
	buf_done(&again);
	return 0;
}
