/*
 * Docker up to version 24 names the layers in a `save` archive by "v1 IDs". Such a name is the
 * SHA-256 of a JSON object: what the directory's own `json` file says, without "id" (and, except
 * for the top layer, without "os"), plus "layer_id" (the chain ID) and "parent" with "sha256:",
 * keys sorted. So each directory's json, with its name, proves which layer it holds. Pure.
 */
#pragma once

#include "common/chunk/digest.h"

#define V1_JSON_MAX (1u << 20)
#define V1_LAYER_UNKNOWN SIZE_MAX

/* The index of the layer that directory `name` holds, `json` being the file in it, or
 * V1_LAYER_UNKNOWN. `chains` are the chain IDs of the image's n layers. */
size_t v1_layer_index(const struct digest *name, const char *json, size_t len,
	const struct digest *chains, size_t n);
