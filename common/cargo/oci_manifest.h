/*
 * The documents of an OCI image: the manifest, which names a config and layers as they are stored,
 * and the index, which names manifests, one for each platform. They come from engines and archives:
 * every type and size is checked. Pure.
 */
#pragma once

#include "common/chunk/digest.h"

#include <jansson.h>

#define OCI_DOCUMENT_MAX                                                                           \
	(4u << 20)	    /* bytes of a manifest or an index; containerd's limit is 8 MiB */
#define OCI_ITEMS_MAX 4096u /* layers of a manifest, manifests of an index */
#define OCI_WORD_MAX 32u    /* bytes of a part of a platform, with the NUL */

/* "linux", "arm", "v7"; "" where nothing is said. */
struct oci_platform {
	char os[OCI_WORD_MAX], arch[OCI_WORD_MAX], variant[OCI_WORD_MAX];
};

enum oci_kind {
	OCI_OTHER, /* JSON of another kind, e.g. a config */
	OCI_MANIFEST,
	OCI_INDEX
};

/* Something that has a blob of its own. */
struct oci_item {
	struct digest digest;
	uint64_t size; /* of the blob */
	char media_type[96];
	struct oci_platform platform; /* of a manifest in an index */
	bool attestation;	      /* says something about another one: is no image */
};

struct oci_document {
	enum oci_kind kind;
	struct oci_item config; /* of a manifest */
	struct oci_item *items; /* a manifest's layers, the lowest first; an index's manifests */
	size_t n;
};

/* ERR_CORRUPT: no JSON, or a manifest or index that is not as it must be. Ends with
 * oci_document_done, which is fine after a failure, too. */
int oci_document_parse(
	const void *bytes, size_t len, struct oci_document *ret, struct err *err) MUST_CHECK;
void oci_document_done(struct oci_document *d);

bool oci_platform_equal(const struct oci_platform *a, const struct oci_platform *b);

/* Out of "os", "architecture" and "variant", as configs and the entries of an index have them. */
void oci_platform_take(const json_t *o, struct oci_platform *ret);

/* Digests as an array of their texts; NULL without memory. */
json_t *oci_digests(const struct digest *list, size_t n);
