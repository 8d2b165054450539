#include "common/cargo/oci_manifest.h"

#include <stdlib.h>
#include <string.h>

static int odd(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "%s", what);
}

/* --- platforms --- */

/* A word that is too long for any platform there is stands for none. */
static void take_word(const json_t *o, const char *key, char *ret, size_t size)
{
	const char *s = json_string_value(json_object_get(o, key));
	size_t n = s ? strlen(s) : 0;

	if (n < size)
		memcpy(ret, s ? s : "", n + 1);
	else
		ret[0] = '\0';
}

bool oci_platform_equal(const struct oci_platform *a, const struct oci_platform *b)
{
	return strcmp(a->os, b->os) == 0 && strcmp(a->arch, b->arch) == 0 &&
	       strcmp(a->variant, b->variant) == 0;
}

void oci_platform_take(const json_t *o, struct oci_platform *ret)
{
	take_word(o, "os", ret->os, sizeof(ret->os));
	take_word(o, "architecture", ret->arch, sizeof(ret->arch));
	take_word(o, "variant", ret->variant, sizeof(ret->variant));
}

json_t *oci_digests(const struct digest *list, size_t n)
{
	json_t *texts = json_array();
	char text[DIGEST_TEXT_LEN + 1];

	for (size_t i = 0; texts && i < n; i++) {
		digest_text(&list[i], text);
		if (json_array_append_new(texts, json_string(text)) != 0) {
			json_decref(texts);
			return NULL;
		}
	}
	return texts;
}

/* --- documents --- */

#define ATTESTATION_KEY "vnd.docker.reference.type"

static int take_item(const json_t *o, struct oci_item *ret, struct err *err)
{
	const char *digest = json_string_value(json_object_get(o, "digest"));
	const json_t *size = json_object_get(o, "size");

	if (!digest || digest_parse(digest, &ret->digest, NULL) != 0)
		return odd(err, "something in it has no sha256 digest");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return odd(err, "something in it has no size");
	ret->size = (uint64_t)json_integer_value(size);
	take_word(o, "mediaType", ret->media_type, sizeof(ret->media_type));
	oci_platform_take(json_object_get(o, "platform"), &ret->platform);
	ret->attestation = json_object_get(json_object_get(o, "annotations"), ATTESTATION_KEY) !=
			   NULL;
	return 0;
}

static int take_items(const json_t *list, struct oci_document *ret, struct err *err)
{
	size_t n = json_array_size(list);

	if (n > OCI_ITEMS_MAX)
		return err_set(err, ERR_LIMIT, "it names more than %u parts", OCI_ITEMS_MAX);
	ret->items = calloc(n + 1, sizeof(ret->items[0]));
	if (!ret->items)
		return err_nomem(err);
	for (; ret->n < n; ret->n++)
		if (take_item(json_array_get(list, ret->n), &ret->items[ret->n], err) != 0)
			return -1;
	return 0;
}

static int take_document(const json_t *o, struct oci_document *ret, struct err *err)
{
	const json_t *layers = json_object_get(o, "layers");
	const json_t *manifests = json_object_get(o, "manifests");
	const json_t *config = json_object_get(o, "config");

	if (json_is_array(manifests)) {
		ret->kind = OCI_INDEX;
		return take_items(manifests, ret, err);
	}
	/* A config has a "config", too. */
	if (!json_is_array(layers) || !json_object_get(config, "digest"))
		return 0;
	ret->kind = OCI_MANIFEST;
	if (take_item(config, &ret->config, err) != 0)
		return -1;
	return take_items(layers, ret, err);
}

int oci_document_parse(const void *bytes, size_t len, struct oci_document *ret, struct err *err)
{
	json_t *o = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	int r;

	*ret = (struct oci_document){ 0 };
	if (!json_is_object(o)) {
		json_decref(o);
		return odd(err, "it is no JSON object");
	}
	r = take_document(o, ret, err);
	json_decref(o);
	return r;
}

void oci_document_done(struct oci_document *d)
{
	free(d->items);
	*d = (struct oci_document){ 0 };
}
