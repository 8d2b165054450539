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
#define MAGIC_AT 257

#define OCTAL_SIZE_MAX UINT64_C(077777777777)

void docker_archive_config_name(const struct digest *config, char ret[DOCKER_ARCHIVE_NAME_MAX])
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(config, hex);
	snprintf(ret, DOCKER_ARCHIVE_NAME_MAX, "%s.json", hex);
}

void docker_archive_layer_name(const struct digest *diff_id, char ret[DOCKER_ARCHIVE_NAME_MAX])
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(diff_id, hex);
	snprintf(ret, DOCKER_ARCHIVE_NAME_MAX, "%s.tar", hex);
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

void docker_archive_header(uint8_t ret[DOCKER_ARCHIVE_BLOCK], const char *name, uint64_t size)
{
	uint64_t sum = 0;
	size_t n = strlen(name);

	assert(n < NAME_LEN);
	memset(ret, 0, DOCKER_ARCHIVE_BLOCK);
	memcpy(ret + NAME_AT, name, n);
	put_octal(ret + MODE_AT, ID_LEN, 0644);
	put_octal(ret + UID_AT, ID_LEN, 0);
	put_octal(ret + GID_AT, ID_LEN, 0);
	put_size(ret + SIZE_AT, size);
	put_octal(ret + MTIME_AT, NUMBER_LEN, 0);
	ret[TYPE_AT] = '0';
	memcpy(ret + MAGIC_AT, "ustar\00000", 8);
	/* The sum is taken with spaces in its own place. */
	memset(ret + SUM_AT, ' ', SUM_LEN);
	for (size_t i = 0; i < DOCKER_ARCHIVE_BLOCK; i++)
		sum += ret[i];
	put_octal(ret + SUM_AT, SUM_LEN - 1, sum);
}

size_t docker_archive_padding(uint64_t size)
{
	return (size_t)(-size & (DOCKER_ARCHIVE_BLOCK - 1));
}

static json_t *manifest(const char *config_name, const char *const *layer_names, size_t n)
{
	json_t *layers = json_array();

	for (size_t i = 0; layers && i < n; i++) {
		if (json_array_append_new(layers, json_string(layer_names[i])) != 0) {
			json_decref(layers);
			return NULL;
		}
	}
	return json_pack("[{s:s, s:n, s:o}]", "Config", config_name, "RepoTags", "Layers", layers);
}

int docker_archive_manifest(const char *config_name, const char *const *layer_names, size_t n,
	char **ret, struct err *err)
{
	json_t *o = manifest(config_name, layer_names, n);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text)
		return err_nomem(err);
	*ret = text;
	return 0;
}
