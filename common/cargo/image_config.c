#include "common/cargo/image_config.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

static int check_layers(
	const json_t *config, const struct digest *diff_ids, size_t n, struct err *err)
{
	const json_t *list = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	char text[DIGEST_TEXT_LEN + 1];

	if (list && !json_is_array(list) && !json_is_null(list))
		return err_set(err, ERR_VERIFY, "the image's config has diff_ids that are no list");
	if (json_array_size(list) != n)
		return err_set(err, ERR_VERIFY,
			"the image's config names %zu layers where %zu were offered",
			json_array_size(list), n);
	for (size_t i = 0; i < n; i++) {
		const char *got = json_string_value(json_array_get(list, i));

		digest_text(&diff_ids[i], text);
		if (!got || strcmp(got, text) != 0)
			return err_set(err, ERR_VERIFY,
				"layer %zu in the image's config is not the one that was offered",
				i + 1);
	}
	return 0;
}

static int parse(const void *bytes, size_t len, json_t **ret, struct err *err)
{
	*ret = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	return err_set(err, ERR_VERIFY, "the image's config is no JSON object");
}

int image_config_check(
	const void *bytes, size_t len, const struct digest *diff_ids, size_t n, struct err *err)
{
	json_t *config;
	int r;

	if (parse(bytes, len, &config, err) != 0)
		return -1;
	r = check_layers(config, diff_ids, n, err);
	json_decref(config);
	return r;
}

int image_config_platform(const void *bytes, size_t len, struct oci_platform *ret, struct err *err)
{
	json_t *config;

	if (parse(bytes, len, &config, err) != 0)
		return -1;
	oci_platform_take(config, ret);
	json_decref(config);
	return 0;
}

size_t image_config_layer(const void *bytes, size_t len, const struct digest *diff_id)
{
	size_t i, found = IMAGE_CONFIG_NO_LAYER;
	char text[DIGEST_TEXT_LEN + 1];
	json_t *config, *layer;

	if (parse(bytes, len, &config, NULL) != 0)
		return IMAGE_CONFIG_NO_LAYER;
	digest_text(diff_id, text);
	json_array_foreach(json_object_get(json_object_get(config, "rootfs"), "diff_ids"), i, layer)
	{
		if (json_is_string(layer) && strcmp(json_string_value(layer), text) == 0)
			found = i;
	}
	json_decref(config);
	return found;
}

int image_config_partial(const struct digest *diff_ids, size_t n, const char *label,
	uint64_t created, char **ret, struct err *err)
{
	time_t seconds = (time_t)created;
	char when[32];
	struct tm tm;
	json_t *o;

	if (!gmtime_r(&seconds, &tm) || strftime(when, sizeof(when), "%FT%TZ", &tm) == 0)
		return err_set(err, ERR_LIMIT, "a time that no date stands for");
	o = json_pack("{s:s, s:s, s:{s:{s:s}}, s:{s:s, s:o}}", "created", when, "os", "linux",
		"config", "Labels", IMAGE_PARTIAL_LABEL, label, "rootfs", "type", "layers",
		"diff_ids", oci_digests(diff_ids, n));
	*ret = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return *ret ? 0 : err_nomem(err);
}
