/* What stands in an archive beside the layers: the config, and the documents that name all of them.
 * They come last, when every member has matched. */
#include "server/engine/engine_load_job.h"

#include <stdlib.h>
#include <string.h>

static void put_file(struct buf *to, const char *name, const void *bytes, size_t n)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];

	docker_archive_header(block, name, n);
	buf_append(to, block, sizeof(block));
	buf_append(to, bytes, n);
	memset(block, 0, sizeof(block));
	buf_append(to, block, docker_archive_padding(n));
}

static void put_text(struct buf *to, const char *name, const char *text)
{
	put_file(to, name, text, strlen(text));
}

/* The members that got their names before their hashes are found by these, too. */
static void put_links(const struct load_job *j, size_t n, struct buf *to)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	char name[DOCKER_ARCHIVE_NAME_MAX];

	for (size_t i = j->there; i < n; i++) {
		docker_archive_blob_name(&j->diff_ids[i], name);
		if (!j->names[i][0] || strcmp(j->names[i], name) == 0)
			continue;
		docker_archive_blob_link(block, &j->diff_ids[i], j->names[i]);
		buf_append(to, block, sizeof(block));
	}
}

static int put_manifest(struct load_job *j, const struct load_archive *a, const char *config,
	struct buf *to, struct err *err)
{
	const char **names = calloc(a->n_layers + 1, sizeof(names[0]));
	CLEANUP(cleanup_free) char *text = NULL;
	int r;

	if (!names)
		return err_nomem(err);
	for (size_t i = 0; i < a->n_layers; i++) {
		/* A layer that the engine has is only named. */
		if (!j->names[i][0])
			docker_archive_blob_name(&j->diff_ids[i], j->names[i]);
		names[i] = j->names[i];
	}
	r = docker_archive_manifest(config, names, a->n_layers, &text, err);
	free(names);
	if (r == 0)
		put_text(to, "manifest.json", text);
	return r;
}

int load_archive_identify(struct load_job *j, struct err *err)
{
	CLEANUP(cleanup_free) char *manifest = NULL;

	for (size_t i = 0; i < j->n; i++)
		if (!j->names[i][0] && j->held[i].media_type)
			j->blobs[i] = j->held[i];
	if (docker_archive_oci_manifest(
		    &j->job.image, buf_len(&j->config), j->blobs, j->n, &manifest, err) != 0)
		return -1;
	j->job.id = digest_of(manifest, strlen(manifest));
	return 0;
}

static int put_layout(
	const struct load_job *j, const struct load_archive *a, struct buf *to, struct err *err)
{
	CLEANUP(cleanup_free) char *manifest = NULL, *index = NULL;
	char name[DOCKER_ARCHIVE_NAME_MAX];
	struct digest digest;

	if (docker_archive_oci_manifest(
		    &a->image, a->config_size, j->blobs, a->n_layers, &manifest, err) != 0)
		return -1;
	digest = digest_of(manifest, strlen(manifest));
	if (docker_archive_index(&digest, strlen(manifest), &index, err) != 0)
		return -1;
	docker_archive_blob_name(&digest, name);
	put_text(to, name, manifest);
	put_text(to, "index.json", index);
	put_text(to, DOCKER_ARCHIVE_LAYOUT_NAME, DOCKER_ARCHIVE_LAYOUT);
	return 0;
}

int load_archive_end(
	struct load_job *j, const struct load_archive *a, struct buf *to, struct err *err)
{
	static const uint8_t end[DOCKER_ARCHIVE_END];
	char config[DOCKER_ARCHIVE_NAME_MAX];

	docker_archive_blob_name(&a->image, config);
	put_links(j, a->n_layers, to);
	put_file(to, config, a->config, a->config_size);
	if (put_layout(j, a, to, err) != 0 || put_manifest(j, a, config, to, err) != 0)
		return -1;
	buf_append(to, end, sizeof(end));
	return buf_ok(to) ? 0 : err_nomem(err);
}
