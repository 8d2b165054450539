#include "common/cargo/oci_search.h"

#include "common/cargo/image_config.h"

#define INDEX_DEPTH_MAX 3u /* an index may stand in an index */
#define LOOKS_MAX 512u	   /* documents that are read for one image at most */

struct walk {
	const struct oci_search *search;
	unsigned left; /* documents that may still be looked at */
	struct oci_document *ret;
};

static bool is_config(const struct oci_search *s, const struct digest *config)
{
	CLEANUP(buf_done) struct buf bytes;
	struct oci_platform platform;

	if (s->config)
		return digest_equal(config, s->config);
	buf_init(&bytes, OCI_CONFIG_MAX);
	return s->get(s->ctx, config, &bytes) == 0 &&
	       image_config_platform(buf_bytes(&bytes), buf_len(&bytes), &platform, NULL) == 0 &&
	       oci_platform_equal(&platform, s->platform) &&
	       image_config_check(
		       buf_bytes(&bytes), buf_len(&bytes), s->diff_ids, s->n_diff_ids, NULL) == 0;
}

static bool look(struct walk *w, const struct digest *at, unsigned depth);

static bool look_through(struct walk *w, const struct oci_document *index, unsigned depth)
{
	if (depth == INDEX_DEPTH_MAX)
		return false;
	/* Of most platforms in an index a store has nothing but the name. */
	for (size_t i = 0; i < index->n; i++)
		if (!index->items[i].attestation && look(w, &index->items[i].digest, depth + 1))
			return true;
	return false;
}

static bool look(struct walk *w, const struct digest *at, unsigned depth)
{
	const struct oci_search *s = w->search;
	CLEANUP(buf_done) struct buf bytes;
	struct oci_document d = { 0 };
	bool found = false;

	buf_init(&bytes, OCI_DOCUMENT_MAX);
	if (w->left == 0 || s->get(s->ctx, at, &bytes) != 0)
		return false;
	w->left--;
	if (oci_document_parse(buf_bytes(&bytes), buf_len(&bytes), &d, NULL) == 0) {
		if (d.kind == OCI_MANIFEST && d.n == s->n_diff_ids &&
			is_config(s, &d.config.digest)) {
			*w->ret = d;
			return true;
		}
		if (d.kind == OCI_INDEX)
			found = look_through(w, &d, depth);
	}
	oci_document_done(&d);
	return found;
}

bool oci_search_manifest(const struct oci_search *search, struct oci_document *ret)
{
	struct walk w = { .search = search, .left = LOOKS_MAX, .ret = ret };

	return look(&w, search->at, 0);
}
