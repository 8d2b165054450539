#include "common/cargo/oci_search.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOBS_MAX 16
#define TEXT_MAX 4000

/* A store in memory, and a layer that its images are made of. */
struct fixture {
	char texts[BLOBS_MAX][TEXT_MAX];
	struct digest names[BLOBS_MAX];
	size_t n, looks;
	struct digest layer;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->layer = digest_of("layer", 5);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static int get(void *ctx, const struct digest *blob, struct buf *ret)
{
	struct fixture *f = ctx;

	f->looks++;
	for (size_t i = 0; i < f->n; i++) {
		if (digest_equal(&f->names[i], blob)) {
			buf_append(ret, f->texts[i], strlen(f->texts[i]));
			return 0;
		}
	}
	return -1;
}

/* Stores the text and writes the blob's digest and size as a descriptor has them. */
static void put(struct fixture *f, const char *text, char ret[120])
{
	char name[DIGEST_TEXT_LEN + 1];

	snprintf(f->texts[f->n], TEXT_MAX, "%s", text);
	f->names[f->n] = digest_of(text, strlen(text));
	digest_text(&f->names[f->n++], name);
	snprintf(ret, 120, "\"digest\":\"%s\",\"size\":%zu", name, strlen(text));
}

/* An image of one layer for an architecture; its manifest's descriptor. */
static void put_image(struct fixture *f, const char *arch, char ret[120])
{
	char text[TEXT_MAX], config[120], layer[DIGEST_TEXT_LEN + 1];

	digest_text(&f->layer, layer);
	snprintf(text, sizeof(text),
		"{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"diff_ids\":[\"%s\"]}}",
		arch, layer);
	put(f, text, config);
	snprintf(text, sizeof(text),
		"{\"config\":{%s},\"layers\":[{\"digest\":\"%s\",\"size\":5}]}", config, layer);
	put(f, text, ret);
}

static bool search(struct fixture *f, const char *arch, struct oci_document *ret)
{
	struct oci_platform platform = { .os = "linux" };
	struct oci_search s = { .at = &f->names[f->n - 1],
		.platform = &platform,
		.diff_ids = &f->layer,
		.n_diff_ids = 1,
		.get = get,
		.ctx = f };

	snprintf(platform.arch, sizeof(platform.arch), "%s", arch);
	return oci_search_manifest(&s, ret);
}

static void a_manifest_is_found_by_its_own_name(void **state)
{
	struct fixture *f = *state;
	struct oci_document d;
	char image[120];

	put_image(f, "amd64", image);
	assert_true(search(f, "amd64", &d));
	assert_true(digest_equal(&d.config.digest, &f->names[0]));
	assert_int_equal(d.n, 1);
	oci_document_done(&d);
}

static void an_index_leads_to_the_manifest_of_the_platform(void **state)
{
	struct fixture *f = *state;
	struct oci_document d;
	char arm[120], amd[120], text[TEXT_MAX];

	put_image(f, "arm64", arm);
	put_image(f, "amd64", amd);
	snprintf(text, sizeof(text), "{\"manifests\":[{%s},{%s}]}", arm, amd);
	put(f, text, arm);
	snprintf(text, sizeof(text), "{\"manifests\":[{%s}]}", arm); /* one in another */
	put(f, text, arm);
	assert_true(search(f, "amd64", &d));
	assert_true(digest_equal(&d.config.digest, &f->names[2]));
	oci_document_done(&d);
	assert_false(search(f, "riscv64", &d));
}

static void manifests_without_their_configs_or_with_other_layers_are_passed_over(void **state)
{
	struct fixture *f = *state;
	struct oci_document d;
	char image[120];

	put_image(f, "amd64", image);
	f->names[0].bytes[0] ^= 1; /* the config is gone */
	assert_false(search(f, "amd64", &d));
	f->names[0].bytes[0] ^= 1;
	f->layer.bytes[0] ^= 1;
	assert_false(search(f, "amd64", &d));
}

static void an_index_of_indexes_does_not_keep_anybody_busy(void **state)
{
	struct fixture *f = *state;
	struct oci_document d;
	char entry[120] = "", text[TEXT_MAX];

	put(f, "{\"manifests\":[]}", entry);
	for (int depth = 0; depth < 8; depth++) {
		size_t n = (size_t)snprintf(text, sizeof(text), "{\"manifests\":[{%s}", entry);

		for (int i = 0; i < 20; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ",{%s}", entry);
		snprintf(text + n, sizeof(text) - n, "]}");
		put(f, text, entry);
	}
	assert_false(search(f, "amd64", &d));
	assert_true(f->looks < 1000);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(a_manifest_is_found_by_its_own_name),
	CASE(an_index_leads_to_the_manifest_of_the_platform),
	CASE(manifests_without_their_configs_or_with_other_layers_are_passed_over),
	CASE(an_index_of_indexes_does_not_keep_anybody_busy))
