/* What a manifest may name of an image in containerd's store, whose files are made here. */
#include "common/base/file.h"
#include "server/engine/engine_content.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOBS "/containerd/daemon/io.containerd.content.v1.content/blobs/sha256"
#define LAYERS 3u

struct store {
	char *root;
	struct engine_info info;
	struct engine_image image;
	struct digest diff_ids[LAYERS], blobs[LAYERS];
};

static void blob_path(const struct store *s, const struct digest *d, char ret[500])
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(d, hex);
	snprintf(ret, 500, "%s" BLOBS "/%s", s->info.data_root, hex);
}

static struct digest put_blob(struct store *s, const char *text)
{
	struct digest d = digest_of(text, strlen(text));
	struct err err = { 0 };
	char path[500];

	blob_path(s, &d, path);
	assert_ok(file_replace(path, 0600, text, strlen(text), &err), &err);
	return d;
}

static void make_dirs(const char *root)
{
	char path[500];

	snprintf(path, sizeof(path), "%s" BLOBS, root);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		assert_int_equal(mkdir(path, 0700), 0);
		*at = '/';
	}
	assert_int_equal(mkdir(path, 0700), 0);
}

/* An image of three layers: gzip as Docker says it, raw, and one that must not be passed on. */
static int make_store(void **state)
{
	static const char *const types[LAYERS] = {
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	};
	static const char *const contents[LAYERS] = { "one", "second", "3" };
	struct store *s = calloc(1, sizeof(*s));
	char manifest[2000], config[DIGEST_TEXT_LEN + 1], blob[DIGEST_TEXT_LEN + 1];
	size_t n;

	s->root = temp_dir_make();
	snprintf(s->info.data_root, sizeof(s->info.data_root), "%s", s->root);
	s->info.containerd_store = true;
	make_dirs(s->info.data_root);
	s->image.config = put_blob(s, "{}");
	s->image.config_known = true;
	digest_text(&s->image.config, config);
	n = (size_t)snprintf(manifest, sizeof(manifest),
		"{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":2},\"layers\":[",
		config);
	for (size_t i = 0; i < LAYERS; i++) {
		s->blobs[i] = put_blob(s, contents[i]);
		s->diff_ids[i] = digest_of(types[i], strlen(types[i]));
		digest_text(&s->blobs[i], blob);
		n += (size_t)snprintf(manifest + n, sizeof(manifest) - n,
			"%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}", i ? "," : "",
			types[i], blob, strlen(contents[i]));
	}
	snprintf(manifest + n, sizeof(manifest) - n, "]}");
	s->image.id = put_blob(s, manifest);
	s->image.diff_ids = s->diff_ids;
	s->image.n_diff_ids = LAYERS;
	*state = s;
	return 0;
}

static int remove_store(void **state)
{
	struct store *s = *state;

	temp_dir_remove(s->root);
	free(s);
	return 0;
}

static void layers_are_named_as_they_are_stored(void **state)
{
	struct store *s = *state;
	struct archive_layer got[LAYERS];

	assert_true(engine_content_layers(&s->info, &s->image, got));
	assert_string_equal(got[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
	assert_true(digest_equal(&got[0].digest, &s->blobs[0]) && got[0].size == 3);
	assert_string_equal(got[1].media_type, DOCKER_ARCHIVE_RAW_LAYER);
	assert_true(digest_equal(&got[1].digest, &s->blobs[1]) && got[1].size == 6);
	assert_null(got[2].media_type);
}

static void a_layer_without_its_blob_is_not_there(void **state)
{
	struct store *s = *state;
	struct archive_layer got[LAYERS];
	char path[500];

	blob_path(s, &s->blobs[0], path);
	assert_int_equal(unlink(path), 0);
	blob_path(s, &s->blobs[1], path);
	assert_int_equal(truncate(path, 2), 0);
	assert_true(engine_content_layers(&s->info, &s->image, got));
	assert_null(got[0].media_type);
	assert_null(got[1].media_type);
	assert_false(engine_content_has(&s->info, &s->blobs[0]));
	assert_true(engine_content_has(&s->info, &s->blobs[2]));
}

static void a_store_that_is_not_found_tells_nothing(void **state)
{
	struct store *s = *state;
	struct archive_layer got[LAYERS];
	char path[500];

	blob_path(s, &s->image.id, path);
	assert_int_equal(unlink(path), 0);
	assert_false(engine_content_layers(&s->info, &s->image, got));
}

static void a_manifest_of_other_layers_tells_nothing(void **state)
{
	struct store *s = *state;
	struct archive_layer got[LAYERS];

	s->image.n_diff_ids = LAYERS - 1;
	assert_false(engine_content_layers(&s->info, &s->image, got));
}

#define T(name) TEST_WITH(name, make_store, remove_store)

RUN_TESTS(T(layers_are_named_as_they_are_stored), T(a_layer_without_its_blob_is_not_there),
	T(a_store_that_is_not_found_tells_nothing), T(a_manifest_of_other_layers_tells_nothing))
