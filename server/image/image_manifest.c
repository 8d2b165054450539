#include "server/image/image_manifest.h"

#include "common/base/log.h"

#include <jansson.h>
#include <stdlib.h>

struct manifest_call {
	struct depot_call call;
	char name[DIGEST_TEXT_LEN + 1];
	char *json;
};

static int run_put(struct depot_call *c, struct store *store, struct err *err)
{
	struct manifest_call *m = (struct manifest_call *)c;

	return store_manifest_put(store, "image", m->name, m->json, err);
}

static void put_done(struct depot_call *c)
{
	struct manifest_call *m = (struct manifest_call *)c;

	if (c->result != 0)
		log_warn("image %s was loaded but not catalogued: %s", m->name, c->err.text);
	free(m->json);
	free(m);
}

static json_t *layers_json(const struct digest *diff_ids, uint32_t n)
{
	json_t *layers = json_array();

	for (uint32_t i = 0; i < n; i++) {
		char text[DIGEST_TEXT_LEN + 1];

		digest_text(&diff_ids[i], text);
		json_array_append_new(layers, json_string(text));
	}
	return layers;
}

static json_t *tags_json(const wire_texts *tags)
{
	json_t *list = json_array();
	const uint8_t *at = tags->raw;
	wire_text tag;

	while (wire_texts_next(tags, &at, &tag))
		json_array_append_new(list, json_stringn(tag.s, tag.n));
	return list;
}

void image_manifest_record(struct depot_domain *domain, const struct digest *image,
	const struct digest *diff_ids, uint32_t n, const wire_texts *tags)
{
	struct manifest_call *m = calloc(1, sizeof(*m));
	json_t *json;

	if (!m)
		return;
	digest_text(image, m->name);
	json = json_pack("{s:s, s:o, s:o}", "image", m->name, "layers", layers_json(diff_ids, n),
		"tags", tags_json(tags));
	m->json = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!m->json) {
		log_warn("image %s was loaded but not catalogued: out of memory", m->name);
		free(m);
		return;
	}
	m->call = (struct depot_call){ .run = run_put, .done = put_done };
	depot_post(domain, &m->call);
}
