#include "common/engine/v1_names.h"

#include "common/base/buf.h"

#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 32
#define DEPTH_MAX 512

/* A member of the object as raw text: numbers, escapes and order inside stay as the engine wrote
 * them, since every byte goes into the hash. */
struct member {
	const char *key; /* without quotes */
	size_t key_len;
	const char *value;
	size_t value_len;
};

struct members {
	struct member at[MEMBERS_MAX + 2]; /* room for layer_id and parent */
	size_t n;
};

/* --- splitting an object into members; NULL when the text is not what engines write --- */

static const char *skip_space(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\n' || *s == '\r' || *s == '\t'))
		s++;
	return s;
}

/* `s` is at the opening quote; returns the place after the closing one. */
static const char *skip_string(const char *s, const char *end)
{
	for (s++; s < end; s++) {
		if (*s == '"')
			return s + 1;
		if (*s == '\\')
			s++;
	}
	return NULL;
}

/* Any value: strings whole, brackets counted, everything else up to a delimiter. */
static const char *skip_value(const char *s, const char *end)
{
	size_t depth = 0;

	while (s < end) {
		if (*s == '"') {
			s = skip_string(s, end);
			if (!s)
				return NULL;
		} else if (*s == '{' || *s == '[') {
			if (++depth > DEPTH_MAX)
				return NULL;
			s++;
		} else if (*s == '}' || *s == ']') {
			if (depth == 0)
				return s;
			depth--;
			s++;
		} else if (*s == ',' && depth == 0) {
			return s;
		} else {
			s++;
		}
		if (depth == 0 && s < end && (*s == ',' || *s == '}'))
			return s;
	}
	return NULL;
}

static const char *take_member(const char *s, const char *end, struct member *ret)
{
	const char *after;

	s = skip_space(s, end);
	if (s == end || *s != '"' || !(after = skip_string(s, end)))
		return NULL;
	ret->key = s + 1;
	ret->key_len = (size_t)(after - s) - 2;
	s = skip_space(after, end);
	if (s == end || *s != ':')
		return NULL;
	s = skip_space(s + 1, end);
	after = skip_value(s, end);
	if (!after || after == s)
		return NULL;
	ret->value = s;
	ret->value_len = (size_t)(after - s);
	return after;
}

static bool split(const char *s, size_t n, struct members *ret)
{
	const char *end = s + n;

	ret->n = 0;
	s = skip_space(s, end);
	if (s == end || *s != '{')
		return false;
	do {
		if (ret->n == MEMBERS_MAX)
			return false;
		s = take_member(s + 1, end, &ret->at[ret->n++]);
	} while (s && s < end && *s == ',');
	return s && s < end && *s == '}';
}

/* --- the object that is hashed --- */

static bool is_key(const struct member *m, const char *key)
{
	return m->key_len == strlen(key) && memcmp(m->key, key, m->key_len) == 0;
}

static struct member *find(struct members *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (is_key(&m->at[i], key))
			return &m->at[i];
	return NULL;
}

static void drop(struct members *m, const char *key)
{
	struct member *found = find(m, key);

	if (found)
		*found = m->at[--m->n];
}

static void add(struct members *m, const char *key, const char *value)
{
	m->at[m->n++] = (struct member){
		.key = key, .key_len = strlen(key), .value = value, .value_len = strlen(value)
	};
}

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = memcmp(x->key, y->key, min_size(x->key_len, y->key_len));

	return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* SHA-256 of the members as a compact object with sorted keys. */
static struct digest hash_members(struct members *m, struct hasher *h)
{
	qsort(m->at, m->n, sizeof(m->at[0]), by_key);
	hasher_update(h, "{", 1);
	for (size_t i = 0; i < m->n; i++) {
		hasher_update(h, i ? ",\"" : "\"", i ? 2 : 1);
		hasher_update(h, m->at[i].key, m->at[i].key_len);
		hasher_update(h, "\":", 2);
		hasher_update(h, m->at[i].value, m->at[i].value_len);
	}
	hasher_update(h, "}", 1);
	return hasher_end(h);
}

/* "<hex>" becomes "sha256:<hex>", both with their quotes. */
#define QUOTED_HEX_LEN (DIGEST_HEX_LEN + 2)
#define QUOTED_MAX (DIGEST_TEXT_LEN + 3)

static void quote_digest(const struct digest *d, char ret[QUOTED_MAX])
{
	ret[0] = '"';
	digest_text(d, ret + 1);
	memcpy(ret + 1 + DIGEST_TEXT_LEN, "\"", 2);
}

static bool is_layer(const struct digest *name, const struct members *from, struct hasher *h,
	const char *parent, const struct digest *chain, bool top)
{
	struct members m = *from;
	char layer_id[QUOTED_MAX];
	struct digest got;

	if (!top)
		drop(&m, "os");
	quote_digest(chain, layer_id);
	add(&m, "layer_id", layer_id);
	if (parent)
		add(&m, "parent", parent);
	got = hash_members(&m, h);
	return digest_equal(&got, name);
}

size_t v1_layer_index(const struct digest *name, const char *json, size_t len,
	const struct digest *chains, size_t n)
{
	struct members m;
	struct member *parent;
	char parent_text[QUOTED_MAX] = "\"sha256:";
	struct hasher *h;
	bool has_parent;
	size_t found = V1_LAYER_UNKNOWN;

	if (!split(json, len, &m))
		return V1_LAYER_UNKNOWN;
	parent = find(&m, "parent");
	has_parent = parent != NULL;
	if (parent) {
		if (parent->value_len != QUOTED_HEX_LEN || parent->value[0] != '"')
			return V1_LAYER_UNKNOWN;
		memcpy(parent_text + 8, parent->value + 1, QUOTED_HEX_LEN - 1);
		parent_text[QUOTED_MAX - 1] = '\0';
	}
	drop(&m, "parent");
	drop(&m, "id");
	h = hasher_new();
	if (!h)
		return V1_LAYER_UNKNOWN;
	/* Only the lowest layer has no parent. */
	for (size_t i = has_parent ? 1 : 0; i < (has_parent ? n : min_size(n, 1)); i++) {
		if (is_layer(
			    name, &m, h, has_parent ? parent_text : NULL, &chains[i], i == n - 1)) {
			found = i;
			break;
		}
	}
	hasher_free(h);
	return found;
}
