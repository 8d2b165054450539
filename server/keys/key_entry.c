#include "server/keys/key_entry.h"

#include "protocol/grant.h"
#include "protocol/key_text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define FAILURES_MAX 1000000u
#define SHOWN_MAX 40

/* A run of bytes of the line. */
struct word {
	const char *at;
	size_t n;
};

enum where { IN_KEY = 1, IN_INVITE = 2 };

typedef int take_fn(struct word value, struct keyring_invite *to, struct err *err);

static int take_public_key(struct word value, struct keyring_invite *to, struct err *err)
{
	to->bound = true;
	return key_text_parse_public(value.at, value.n, to->entry.public_key, err);
}

static int take_name(struct word value, char ret[TEXT_NAME_MAX + 1], struct err *err)
{
	if (!text_is_name(value.at, value.n))
		return err_set(err, ERR_CORRUPT, "a name has " TEXT_NAME_RULE);
	memcpy(ret, value.at, value.n);
	ret[value.n] = '\0';
	return 0;
}

static int take_key_name(struct word value, struct keyring_invite *to, struct err *err)
{
	return take_name(value, to->entry.name, err);
}

static int take_group(struct word value, struct keyring_invite *to, struct err *err)
{
	return take_name(value, to->entry.group, err);
}

static int take_host(struct word value, struct keyring_invite *to, struct err *err)
{
	return take_name(value, to->entry.host, err);
}

static int take_grants(struct word value, struct keyring_invite *to, struct err *err)
{
	char list[GRANTS_TEXT_MAX];

	if (value.n >= sizeof(list))
		return err_set(err, ERR_CORRUPT, "too long a list of grants");
	memcpy(list, value.at, value.n);
	list[value.n] = '\0';
	return grants_parse(list, &to->entry.grants, err);
}

static int take_images(struct word value, struct keyring_invite *to, struct err *err)
{
	return pattern_list_parse(value.at, value.n, &to->entry.images, err);
}

static int take_psk(struct word value, struct keyring_invite *to, struct err *err)
{
	const char *end;
	size_t n;

	if (value.n != 2 * KEY_LEN ||
		sodium_hex2bin(to->entry.psk, KEY_LEN, value.at, value.n, NULL, &n, &end) != 0 ||
		n != KEY_LEN || end != value.at + value.n)
		return err_set(err, ERR_CORRUPT, "a psk has 64 hexadecimal digits");
	return 0;
}

static int take_number(struct word value, uint64_t max, uint64_t *ret, struct err *err)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (value.at[i] < '0' || value.at[i] > '9' || v > max / 10)
			return err_set(err, ERR_CORRUPT, "this is no number that fits");
		v = v * 10 + (uint64_t)(value.at[i] - '0');
	}
	if (value.n == 0 || v > max)
		return err_set(err, ERR_CORRUPT, "this is no number that fits");
	*ret = v;
	return 0;
}

static int take_created(struct word value, struct keyring_invite *to, struct err *err)
{
	return take_number(value, INT64_MAX, &to->entry.created, err);
}

static int take_expires(struct word value, struct keyring_invite *to, struct err *err)
{
	return take_number(value, INT64_MAX, &to->expires, err);
}

static int take_failures(struct word value, struct keyring_invite *to, struct err *err)
{
	uint64_t v;

	if (take_number(value, FAILURES_MAX, &v, err) != 0)
		return -1;
	to->failures = (uint32_t)v;
	return 0;
}

/* Which line may have the field, which must. */
static const struct field {
	const char *name;
	unsigned may, must;
	take_fn *take;
} fields[] = {
	{ "key", IN_KEY | IN_INVITE, IN_KEY, take_public_key },
	{ "name", IN_KEY | IN_INVITE, IN_KEY | IN_INVITE, take_key_name },
	{ "group", IN_KEY | IN_INVITE, IN_KEY | IN_INVITE, take_group },
	{ "grants", IN_KEY | IN_INVITE, IN_KEY | IN_INVITE, take_grants },
	{ "images", IN_KEY | IN_INVITE, 0, take_images },
	{ "psk", IN_KEY | IN_INVITE, IN_KEY | IN_INVITE, take_psk },
	{ "created", IN_KEY | IN_INVITE, IN_KEY | IN_INVITE, take_created },
	{ "host", IN_KEY, 0, take_host },
	{ "expires", IN_INVITE, IN_INVITE, take_expires },
	{ "failures", IN_INVITE, IN_INVITE, take_failures },
};

/* The next word of the line, which `rest` loses; false at its end. */
static bool next_word(struct word *rest, struct word *ret)
{
	const char *end;

	while (rest->n > 0 && *rest->at == ' ') {
		rest->at++;
		rest->n--;
	}
	if (rest->n == 0)
		return false;
	end = memchr(rest->at, ' ', rest->n);
	*ret = (struct word){ rest->at, end ? (size_t)(end - rest->at) : rest->n };
	rest->at += ret->n;
	rest->n -= ret->n;
	return true;
}

/* The n bytes before the "=" of the word, or NULL: no such field on this line. */
static const struct field *find_field(struct word w, size_t n, enum where where)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (fields[i].may & where && strlen(fields[i].name) == n &&
			memcmp(fields[i].name, w.at, n) == 0)
			return &fields[i];
	}
	return NULL;
}

static int take_word(
	struct word w, enum where where, unsigned *seen, struct keyring_invite *to, struct err *err)
{
	const char *equals = memchr(w.at, '=', w.n);
	size_t n = equals ? (size_t)(equals - w.at) : 0;
	const struct field *field = equals ? find_field(w, n, where) : NULL;
	char shown[SHOWN_MAX];

	if (!equals) /* it may be a secret that lost its name: not shown */
		return err_set(err, ERR_CORRUPT, "a word is not field=value");
	if (!field)
		return err_set(err, ERR_CORRUPT, "unknown field '%s'",
			text_escape(shown, sizeof(shown), w.at, n));
	if (*seen & 1u << (field - fields))
		return err_set(err, ERR_CORRUPT, "%s is given twice", field->name);
	*seen |= 1u << (field - fields);
	w = (struct word){ equals + 1, w.n - n - 1 };
	if (field->take(w, to, err) == 0)
		return 0;
	if (err)
		err->code = ERR_CORRUPT;
	return err_wrap(err, "%s", field->name);
}

static int parse(
	const char *line, size_t n, enum where where, struct keyring_invite *ret, struct err *err)
{
	struct word rest = { line, n }, w;
	unsigned seen = 0;

	memset(ret, 0, sizeof(*ret));
	if (n > KEY_ENTRY_LINE_MAX)
		return err_set(err, ERR_CORRUPT, "the line is too long");
	while (next_word(&rest, &w)) {
		if (take_word(w, where, &seen, ret, err) != 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (fields[i].must & where && !(seen & 1u << i))
			return err_set(err, ERR_CORRUPT, "%s is missing", fields[i].name);
	}
	return 0;
}

int key_entry_parse(const char *line, size_t n, struct keyring_entry *ret, struct err *err)
{
	struct keyring_invite got;
	int r = parse(line, n, IN_KEY, &got, err);

	if (r == 0)
		memcpy(ret, &got.entry, sizeof(*ret)); /* with padding: entries are compared */
	sodium_memzero(&got, sizeof(got));
	return r;
}

int key_entry_parse_invite(const char *line, size_t n, struct keyring_invite *ret, struct err *err)
{
	struct keyring_invite got;
	int r = parse(line, n, IN_INVITE, &got, err);

	if (r == 0)
		*ret = got;
	sodium_memzero(&got, sizeof(got));
	return r;
}

static void put_field(struct buf *to, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buf_append(to, name, strlen(name));
	buf_append(to, "=", 1);
	buf_append(to, value, strlen(value));
	buf_append(to, " ", 1);
}

static void put_number(struct buf *to, const char *name, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	put_field(to, name, text);
}

static void put(struct buf *to, const struct keyring_entry *e, bool with_key)
{
	char key[KEY_TEXT_LEN + 1], grants[GRANTS_TEXT_MAX], psk[2 * KEY_LEN + 1];

	key_text_public(e->public_key, key);
	if (with_key)
		put_field(to, "key", key);
	put_field(to, "name", e->name);
	put_field(to, "group", e->group);
	put_field(to, "grants", grants_print(e->grants, grants));
	put_field(to, "images", e->images.text);
	put_field(to, "psk", sodium_bin2hex(psk, sizeof(psk), e->psk, KEY_LEN));
	sodium_memzero(psk, sizeof(psk));
	put_number(to, "created", e->created);
}

void key_entry_put(struct buf *to, const struct keyring_entry *entry)
{
	put(to, entry, true);
	put_field(to, "host", entry->host);
	buf_append(to, "\n", 1);
}

void key_entry_put_invite(struct buf *to, const struct keyring_invite *invite)
{
	put(to, &invite->entry, invite->bound);
	put_number(to, "expires", invite->expires);
	put_number(to, "failures", invite->failures);
	buf_append(to, "\n", 1);
}

bool key_entry_line_is(const char *line, size_t n, const char *name)
{
	struct word rest = { line, n }, w;

	while (next_word(&rest, &w)) {
		if (w.n == 5 + strlen(name) && memcmp(w.at, "name=", 5) == 0 &&
			memcmp(w.at + 5, name, w.n - 5) == 0)
			return true;
	}
	return false;
}
