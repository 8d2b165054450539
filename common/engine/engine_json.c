#include "common/engine/engine_json.h"

#include "common/base/text.h"
#include "common/cargo/image_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_SHOWN_MAX 600

static int odd(struct err *err, const char *what)
{
	return err_set(err, ERR_ENGINE, "the engine's answer is not understood: %s", what);
}

int engine_json_parse(const struct buf *body, const char *kind, json_t **ret, struct err *err)
{
	json_error_t why;
	json_t *o = buf_len(body)
			    ? json_loadb((const char *)buf_bytes(body), buf_len(body), 0, &why)
			    : NULL;

	if (!o)
		return err_set(err, ERR_ENGINE, "the engine's answer about %s is no JSON", kind);
	*ret = o;
	return 0;
}

static int take_text(const json_t *o, const char *key, char *ret, size_t size, struct err *err)
{
	const char *s = json_string_value(json_object_get(o, key));
	size_t n = s ? strlen(s) : 0;

	if (!s || n >= size)
		return err_set(err, ERR_ENGINE,
			"the engine's answer is not understood: %s is missing or too long", key);
	memcpy(ret, s, n + 1);
	return 0;
}

/* What only serves to be shown may be missing, and is then "". */
static void take_shown(const json_t *o, const char *key, char *ret, size_t size)
{
	if (take_text(o, key, ret, size, NULL) != 0)
		ret[0] = '\0';
}

/* --- images --- */

static int take_id(const json_t *o, struct digest *ret, struct err *err)
{
	const char *id = json_string_value(json_object_get(o, "Id"));

	if (!id || digest_parse(id, ret, NULL) != 0)
		return odd(err, "an image without a sha256 Id");
	return 0;
}

static int take_layers(const json_t *o, struct engine_image *ret, struct err *err)
{
	const json_t *layers = json_object_get(json_object_get(o, "RootFS"), "Layers");
	size_t n = json_array_size(layers);

	if (layers && !json_is_array(layers) && !json_is_null(layers))
		return odd(err, "RootFS.Layers is no array");
	if (n > ENGINE_LAYERS_MAX)
		return err_set(
			err, ERR_LIMIT, "an image has more than %u layers", ENGINE_LAYERS_MAX);
	ret->diff_ids = calloc(n ? n : 1, sizeof(ret->diff_ids[0]));
	if (!ret->diff_ids)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(layers, i));

		if (!text || digest_parse(text, &ret->diff_ids[i], NULL) != 0)
			return odd(err, "a layer without a sha256 name");
	}
	ret->n_diff_ids = n;
	return 0;
}

/* Untagged images have no list, an empty one, or one with this. */
#define NO_TAG "<none>:<none>"

static int take_tags(const json_t *o, struct engine_image *ret, struct err *err)
{
	const json_t *tags = json_object_get(o, "RepoTags");
	size_t n = json_array_size(tags);

	if (tags && !json_is_array(tags) && !json_is_null(tags))
		return odd(err, "RepoTags is no array");
	if (n > ENGINE_TAGS_MAX)
		return err_set(err, ERR_LIMIT, "an image has more than %u tags", ENGINE_TAGS_MAX);
	ret->tags = calloc(n ? n : 1, sizeof(ret->tags[0]));
	if (!ret->tags)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const char *tag = json_string_value(json_array_get(tags, i));

		if (!tag)
			return odd(err, "a tag that is no string");
		if (strcmp(tag, NO_TAG) == 0)
			continue;
		ret->tags[ret->n_tags] = strdup(tag);
		if (!ret->tags[ret->n_tags])
			return err_nomem(err);
		ret->n_tags++;
	}
	return 0;
}

static int take_image(const json_t *o, bool layers, struct engine_image *ret, struct err *err)
{
	struct engine_image image = { 0 };
	json_int_t size = json_integer_value(json_object_get(o, "Size"));

	image.size = size > 0 ? (uint64_t)size : 0;
	if (take_id(o, &image.id, err) != 0 || take_tags(o, &image, err) != 0 ||
		(layers && take_layers(o, &image, err) != 0)) {
		engine_image_done(&image);
		return -1;
	}
	*ret = image;
	return 0;
}

/* An inspect answer has the platform out of the config, under names of its own. */
int engine_json_image(const json_t *o, struct engine_image *ret, struct err *err)
{
	if (take_image(o, true, ret, err) != 0)
		return -1;
	take_shown(o, "Os", ret->platform.os, sizeof(ret->platform.os));
	take_shown(o, "Architecture", ret->platform.arch, sizeof(ret->platform.arch));
	take_shown(o, "Variant", ret->platform.variant, sizeof(ret->platform.variant));
	return 0;
}

int engine_json_image_row(const json_t *o, struct engine_image *ret, struct err *err)
{
	if (take_image(o, false, ret, err) != 0)
		return -1;
	ret->partial = json_object_get(json_object_get(o, "Labels"), IMAGE_PARTIAL_LABEL) != NULL;
	return 0;
}

/* --- sizes of layers --- */

/* The history has a row for each step, the latest first, also for steps that made no layer; those
 * look just like a layer without content. So when there are more steps than layers, the rows with a
 * size are taken for the lowest layers, as many as there are: each is then at its place or below
 * it. */
int engine_json_sizes(const json_t *history, size_t n, uint64_t *ret, struct err *err)
{
	size_t rows = json_array_size(history), filled = 0;
	bool row_each = rows == n;

	if (!json_is_array(history))
		return odd(err, "an image's history is no array");
	memset(ret, 0, n * sizeof(*ret));
	for (size_t i = rows; i-- > 0;) {
		const json_t *size = json_object_get(json_array_get(history, i), "Size");
		json_int_t v = json_integer_value(size);

		if (!json_is_integer(size) || v < 0)
			return odd(err, "a row of an image's history without a size");
		if (v == 0 && !row_each)
			continue;
		if (filled == n) { /* it tells of other layers than the image has */
			memset(ret, 0, n * sizeof(*ret));
			return 0;
		}
		ret[filled++] = (uint64_t)v;
	}
	return 0;
}

/* --- facts --- */

static void take_components(const json_t *o, struct engine_info *ret)
{
	const json_t *part;
	size_t i;

	json_array_foreach(json_object_get(o, "Components"), i, part)
	{
		const char *name = json_string_value(json_object_get(part, "Name"));

		if (!name)
			continue;
		if (strcmp(name, "containerd") == 0)
			take_shown(part, "Version", ret->containerd, sizeof(ret->containerd));
		else if (strcmp(name, "runc") == 0)
			take_shown(part, "Version", ret->runc, sizeof(ret->runc));
		else if (strcmp(name, "Podman Engine") == 0)
			ret->podman = true;
	}
}

int engine_json_version(const json_t *o, struct engine_info *ret, struct err *err)
{
	char os[24], arch[24];

	if (take_text(o, "Version", ret->version, sizeof(ret->version), err) != 0 ||
		take_text(o, "ApiVersion", ret->api_version, sizeof(ret->api_version), err) != 0 ||
		take_text(o, "Os", os, sizeof(os), err) != 0 ||
		take_text(o, "Arch", arch, sizeof(arch), err) != 0)
		return -1;
	snprintf(ret->os_arch, sizeof(ret->os_arch), "%s/%s", os, arch);
	take_shown(o, "MinAPIVersion", ret->min_api_version, sizeof(ret->min_api_version));
	take_components(o, ret);
	return 0;
}

/* DriverStatus is a list of pairs. */
static bool is_containerd_store(const json_t *o)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(o, "DriverStatus"), i, pair)
	{
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (key && value && strcmp(key, "driver-type") == 0)
			return strncmp(value, "io.containerd.snapshotter", 25) == 0;
	}
	return false;
}

int engine_json_info(const json_t *o, struct engine_info *ret, struct err *err)
{
	if (take_text(o, "Driver", ret->driver, sizeof(ret->driver), err) != 0)
		return -1;
	ret->containerd_store = is_containerd_store(o);
	return take_text(o, "DockerRootDir", ret->data_root, sizeof(ret->data_root), err);
}

int engine_json_uses_image(const json_t *list, const struct digest *id, bool *ret, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1], hex[DIGEST_HEX_LEN + 1];
	const json_t *row;
	size_t i;

	if (!json_is_array(list))
		return odd(err, "the list of containers is no array");
	digest_text(id, text);
	digest_hex(id, hex);
	*ret = false;
	json_array_foreach(list, i, row)
	{
		const char *image = json_string_value(json_object_get(row, "ImageID"));

		if (!image)
			return odd(err, "a container without an image");
		/* Podman leaves the first part out. */
		*ret = *ret || strcmp(image, text) == 0 || strcmp(image, hex) == 0;
	}
	return 0;
}

/* What Go's server answers to plain HTTP where it expects TLS. */
static bool wants_tls(const struct buf *body)
{
	static const char text[] = "HTTP request to an HTTPS server";

	return memmem(buf_bytes(body), buf_len(body), text, sizeof(text) - 1) != NULL;
}

/* Of a load Podman tells how each form that an archive may have did not fit; ours is the second.
 * What stands before and after it misleads. */
static const char *useful_part(const char *message, size_t *ret_n)
{
	static const char ours[] = "\n * oci-archive: ";
	const char *at = strstr(message, ours), *end;

	*ret_n = strlen(message);
	if (!at)
		return message;
	at += sizeof(ours) - 1;
	end = strstr(at, "\n * ");
	*ret_n = end ? (size_t)(end - at) : strlen(at);
	return at;
}

int engine_json_error(int status, const struct buf *body, struct err *err)
{
	json_t *o = NULL;
	const char *message = NULL;
	char shown[MESSAGE_SHOWN_MAX];
	size_t n = 0;

	if (status == 400 && wants_tls(body))
		return err_set(err, ERR_UNREACHABLE,
			"the engine wants TLS (set DOCKER_TLS_VERIFY=1 and, for the certificates, "
			"DOCKER_CERT_PATH, or take a context that has them)");
	if (engine_json_parse(body, "an error", &o, NULL) == 0)
		message = json_string_value(json_object_get(o, "message"));
	if (message)
		message = useful_part(message, &n);
	if (message)
		text_escape(shown, sizeof(shown), message, n);
	else
		snprintf(shown, sizeof(shown), "status %d without a reason", status);
	json_decref(o);
	return err_set(
		err, status == 404 ? ERR_NOT_FOUND : ERR_ENGINE, "the engine says: %s", shown);
}
