#include "common/cargo/oci_manifest.h"
#include "tests/support/test.h"

#include <string.h>

#define A "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define B "sha256:cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34"

static int parse(const char *text, struct oci_document *ret, struct err *err)
{
	return oci_document_parse(text, strlen(text), ret, err);
}

static void a_manifest_names_its_config_and_its_layers_in_order(void **state)
{
	struct oci_document d;
	struct digest a, b;
	struct err err = { 0 };

	(void)state;
	assert_ok(digest_parse(A, &a, &err), &err);
	assert_ok(digest_parse(B, &b, &err), &err);
	assert_ok(parse("{\"config\":{\"digest\":\"" A "\",\"size\":3},\"layers\":[{\"mediaType\":"
			"\"x+gzip\",\"digest\":\"" B "\",\"size\":7},{\"digest\":\"" A
			"\",\"size\":0}]}",
			  &d, &err),
		&err);
	assert_int_equal(d.kind, OCI_MANIFEST);
	assert_true(digest_equal(&d.config.digest, &a));
	assert_int_equal(d.n, 2);
	assert_true(digest_equal(&d.items[0].digest, &b));
	assert_int_equal(d.items[0].size, 7);
	assert_string_equal(d.items[0].media_type, "x+gzip");
	assert_string_equal(d.items[1].media_type, "");
	oci_document_done(&d);
}

static void an_index_names_manifests_with_their_platforms(void **state)
{
	struct oci_document d;
	struct err err = { 0 };

	(void)state;
	assert_ok(parse("{\"manifests\":[{\"digest\":\"" A "\",\"size\":3,\"platform\":{\"os\":"
			"\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}},{\"digest\":\"" B
			"\",\"size\":7,\"annotations\":{\"vnd.docker.reference.type\":"
			"\"attestation-manifest\"}}]}",
			  &d, &err),
		&err);
	assert_int_equal(d.kind, OCI_INDEX);
	assert_int_equal(d.n, 2);
	assert_string_equal(d.items[0].platform.os, "linux");
	assert_string_equal(d.items[0].platform.arch, "arm");
	assert_string_equal(d.items[0].platform.variant, "v7");
	assert_false(d.items[0].attestation);
	assert_true(d.items[1].attestation);
	oci_document_done(&d);
}

static void a_config_is_neither(void **state)
{
	struct oci_document d;
	struct err err = { 0 };

	(void)state;
	assert_ok(
		parse("{\"config\":{\"Cmd\":[]},\"rootfs\":{\"diff_ids\":[\"" A "\"]}}", &d, &err),
		&err);
	assert_int_equal(d.kind, OCI_OTHER);
	oci_document_done(&d);
}

static void what_is_not_as_it_must_be_is_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "7", "{\"manifests\":[7]}",
		"{\"manifests\":[{\"digest\":\"" A "\"}]}",
		"{\"manifests\":[{\"digest\":\"" A "\",\"size\":-1}]}",
		"{\"manifests\":[{\"digest\":\"sha512:00\",\"size\":1}]}",
		"{\"manifests\":[],\"manifests\":[]}",
		"{\"config\":{\"digest\":\"" A "\"},\"layers\":[]}",
		"{\"config\":{\"digest\":\"" A "\",\"size\":1},\"layers\":[{\"size\":1}]}" };
	struct oci_document d;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_fails(parse(bad[i], &d, &err), &err, ERR_CORRUPT);
		oci_document_done(&d);
	}
}

static void platforms_are_equal_in_all_their_parts(void **state)
{
	struct oci_platform v7 = { "linux", "arm", "v7" }, v6 = { "linux", "arm", "v6" };

	(void)state;
	assert_true(oci_platform_equal(&v7, &v7));
	assert_false(oci_platform_equal(&v7, &v6));
}

RUN_TESTS(TEST(a_manifest_names_its_config_and_its_layers_in_order),
	TEST(an_index_names_manifests_with_their_platforms), TEST(a_config_is_neither),
	TEST(what_is_not_as_it_must_be_is_refused), TEST(platforms_are_equal_in_all_their_parts))
