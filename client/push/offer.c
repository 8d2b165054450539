#include "client/push/offer.h"

#include "protocol/limits.h"

int offer_build(struct offer *o, uint32_t job, const struct engine_image *image,
	const uint64_t *layer_sizes, const char *const *tags, size_t n_tags, struct err *err)
{
	struct msg_image_offer *m = &o->message.image_offer;

	*o = (struct offer){ .message = { .type = MSG_IMAGE_OFFER } };
	buf_init(&o->tags, CONTROL_MESSAGE_MAX);
	buf_init(&o->sizes, CONTROL_MESSAGE_MAX);
	if (image->n_diff_ids > OFFER_LAYERS_MAX || n_tags > OFFER_TAGS_MAX)
		return err_set(err, ERR_LIMIT, "an image of %zu layers is more than engines take",
			image->n_diff_ids);
	m->job = job;
	m->image = image->config;
	m->size = image->size;
	m->diff_ids = (wire_digests){ .at = image->diff_ids, .n = (uint32_t)image->n_diff_ids };
	for (size_t i = 0; layer_sizes && i < image->n_diff_ids; i++)
		buf_u64(&o->sizes, layer_sizes[i]);
	m->sizes = (wire_numbers){ .raw = buf_bytes(&o->sizes),
		.n = (uint32_t)(buf_len(&o->sizes) / 8) };
	m->tags = wire_texts_of(&o->tags, tags, (uint16_t)n_tags);
	return buf_ok(&o->tags) && buf_ok(&o->sizes) ? 0 : err_nomem(err);
}

void offer_done(struct offer *o)
{
	buf_done(&o->tags);
	buf_done(&o->sizes);
}
