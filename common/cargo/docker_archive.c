#include "common/cargo/docker_archive.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Fields of a ustar header: offset and width. */
#define NAME_AT 0
#define NAME_LEN 100
#define MODE_AT 100
#define UID_AT 108
#define GID_AT 116
#define ID_LEN 8
#define SIZE_AT 124
#define MTIME_AT 136
#define NUMBER_LEN 12
#define SUM_AT 148
#define SUM_LEN 8
#define TYPE_AT 156
#define LINK_AT 157
#define LINK_LEN 100
#define MAGIC_AT 257

#define OCTAL_SIZE_MAX UINT64_C(077777777777)

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"

void docker_archive_blob_name(const struct digest *digest, char ret[DOCKER_ARCHIVE_NAME_MAX])
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(digest, hex);
	snprintf(ret, DOCKER_ARCHIVE_NAME_MAX, "blobs/sha256/%s", hex);
}

void docker_archive_member_name(unsigned n, char ret[DOCKER_ARCHIVE_NAME_MAX])
{
	snprintf(ret, DOCKER_ARCHIVE_NAME_MAX, "member-%u.tar", n);
}

/* `width` - 1 octal digits and a NUL. */
static void put_octal(uint8_t *to, size_t width, uint64_t v)
{
	to[width - 1] = '\0';
	for (size_t i = width - 1; i-- > 0; v >>= 3)
		to[i] = (uint8_t)('0' + (v & 7));
}

static void put_size(uint8_t *to, uint64_t v)
{
	if (v <= OCTAL_SIZE_MAX) {
		put_octal(to, NUMBER_LEN, v);
		return;
	}
	for (size_t i = NUMBER_LEN; i-- > 1; v >>= 8)
		to[i] = (uint8_t)v;
	to[0] = 0x80;
}

static void put_header(
	uint8_t *to, const char *name, uint64_t size, char type, const char *link, uint64_t mode)
{
	uint64_t sum = 0;

	assert(strlen(name) < NAME_LEN && strlen(link) < LINK_LEN);
	memset(to, 0, DOCKER_ARCHIVE_BLOCK);
	memcpy(to + NAME_AT, name, strlen(name));
	put_octal(to + MODE_AT, ID_LEN, mode);
	put_octal(to + UID_AT, ID_LEN, 0);
	put_octal(to + GID_AT, ID_LEN, 0);
	put_size(to + SIZE_AT, size);
	put_octal(to + MTIME_AT, NUMBER_LEN, 0);
	to[TYPE_AT] = (uint8_t)type;
	memcpy(to + LINK_AT, link, strlen(link));
	memcpy(to + MAGIC_AT, "ustar\00000", 8);
	/* The sum is taken with spaces in its own place. */
	memset(to + SUM_AT, ' ', SUM_LEN);
	for (size_t i = 0; i < DOCKER_ARCHIVE_BLOCK; i++)
		sum += to[i];
	put_octal(to + SUM_AT, SUM_LEN - 1, sum);
}

void docker_archive_header(uint8_t ret[DOCKER_ARCHIVE_BLOCK], const char *name, uint64_t size)
{
	put_header(ret, name, size, '0', "", 0644);
}

void docker_archive_blob_link(
	uint8_t ret[DOCKER_ARCHIVE_BLOCK], const struct digest *digest, const char *member)
{
	char name[DOCKER_ARCHIVE_NAME_MAX], link[DOCKER_ARCHIVE_NAME_MAX + 8];

	docker_archive_blob_name(digest, name);
	snprintf(link, sizeof(link), "../../%s", member);
	put_header(ret, name, 0, '2', link, 0777);
}

size_t docker_archive_padding(uint64_t size)
{
	return (size_t)(-size & (DOCKER_ARCHIVE_BLOCK - 1));
}

/* --- documents --- */

static int dump(json_t *o, char **ret, struct err *err)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text)
		return err_nomem(err);
	*ret = text;
	return 0;
}

/* Takes over `item`, which may be NULL; so may be the list, then and later. */
static void append(json_t **list, json_t *item)
{
	if (!*list) {
		json_decref(item);
	} else if (json_array_append_new(*list, item) != 0) {
		json_decref(*list);
		*list = NULL;
	}
}

static json_t *descriptor(const char *media_type, const struct digest *digest, uint64_t size)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(digest, text);
	return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", text, "size",
		(json_int_t)size);
}

int docker_archive_manifest(const char *config_name, const char *const *layer_names, size_t n,
	char **ret, struct err *err)
{
	json_t *layers = json_array();

	for (size_t i = 0; i < n; i++)
		append(&layers, json_string(layer_names[i]));
	return dump(
		json_pack("[{s:s, s:n, s:o}]", "Config", config_name, "RepoTags", "Layers", layers),
		ret, err);
}

int docker_archive_oci_manifest(const struct digest *config, uint64_t config_size,
	const struct archive_layer *layers, size_t n, char **ret, struct err *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		append(&list, descriptor(layers[i].media_type, &layers[i].digest, layers[i].size));
	return dump(json_pack("{s:i, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", OCI_MANIFEST,
			    "config", descriptor(OCI_CONFIG, config, config_size), "layers", list),
		ret, err);
}

int docker_archive_index(const struct digest *manifest, uint64_t size, char **ret, struct err *err)
{
	return dump(json_pack("{s:i, s:s, s:[o]}", "schemaVersion", 2, "mediaType", OCI_INDEX,
			    "manifests", descriptor(OCI_MANIFEST, manifest, size)),
		ret, err);
}
