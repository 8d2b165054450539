/* What stands in the archive of a load beside the layers and the config: the documents that name
 * them. They come last, when every member has matched. */
#include "server/engine/engine_load_job.h"

#include <stdlib.h>
#include <string.h>

static void put_file(struct load_job *j, const char *name, const char *text)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	size_t n = strlen(text);

	docker_archive_header(block, name, n);
	buf_append(&j->pending, block, sizeof(block));
	buf_append(&j->pending, text, n);
	memset(block, 0, sizeof(block));
	buf_append(&j->pending, block, docker_archive_padding(n));
}

/* The members that got their names before their hashes are found by these, too. */
static void put_links(struct load_job *j)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	char name[DOCKER_ARCHIVE_NAME_MAX];

	for (size_t i = 0; i < j->n; i++) {
		docker_archive_blob_name(&j->diff_ids[i], name);
		if (!j->names[i][0] || strcmp(j->names[i], name) == 0)
			continue;
		docker_archive_blob_link(block, &j->diff_ids[i], j->names[i]);
		buf_append(&j->pending, block, sizeof(block));
	}
}

static int put_manifest(struct load_job *j, struct err *err)
{
	const char **names = calloc(j->n + 1, sizeof(names[0]));
	CLEANUP(cleanup_free) char *text = NULL;
	char config[DOCKER_ARCHIVE_NAME_MAX];
	int r;

	if (!names)
		return err_nomem(err);
	docker_archive_blob_name(&j->job.image, config);
	for (size_t i = 0; i < j->n; i++) {
		/* A layer that the engine has is only named. */
		if (!j->names[i][0])
			docker_archive_blob_name(&j->diff_ids[i], j->names[i]);
		names[i] = j->names[i];
	}
	r = docker_archive_manifest(config, names, j->n, &text, err);
	free(names);
	if (r == 0)
		put_file(j, "manifest.json", text);
	return r;
}

static int put_layout(struct load_job *j, struct err *err)
{
	CLEANUP(cleanup_free) char *manifest = NULL, *index = NULL;
	char name[DOCKER_ARCHIVE_NAME_MAX];
	struct digest digest;

	if (docker_archive_oci_manifest(
		    &j->job.image, j->config_size, j->blobs, j->n, &manifest, err) != 0)
		return -1;
	digest = digest_of(manifest, strlen(manifest));
	if (docker_archive_index(&digest, strlen(manifest), &index, err) != 0)
		return -1;
	docker_archive_blob_name(&digest, name);
	put_file(j, name, manifest);
	put_file(j, "index.json", index);
	put_file(j, DOCKER_ARCHIVE_LAYOUT_NAME, DOCKER_ARCHIVE_LAYOUT);
	return 0;
}

int load_job_close_archive(struct load_job *j, struct err *err)
{
	static const uint8_t end[DOCKER_ARCHIVE_END];

	put_links(j);
	if (put_layout(j, err) != 0 || put_manifest(j, err) != 0)
		return -1;
	buf_append(&j->pending, end, sizeof(end));
	return buf_ok(&j->pending) ? 0 : err_nomem(err);
}
