#include "client/view/target_json.h"

#include "protocol/key_text.h"

#include <jansson.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define FORM "{s:i, s:s, s:s, s:s, s:s, s:I !}"

/* jansson copies strings about: whatever it frees is wiped. Blocks are malloc's as before, so that
 * those made earlier are freed just as well. */
static void wipe_and_free(void *block)
{
	if (block)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

struct fields {
	int version;
	const char *address, *server_key, *psk, *key_name;
	json_int_t first_seen;
};

static int take_fields(const struct fields *f, struct target *ret, struct err *err)
{
	size_t n = strlen(f->key_name);

	if (f->version != VERSION)
		return err_set(err, ERR_CORRUPT, "it is of version %d; update dray", f->version);
	if (address_parse(f->address, &ret->address, err) != 0 ||
		key_text_parse_public(f->server_key, strlen(f->server_key), ret->server_key, err) !=
			0)
		return -1;
	if (ret->address.host[0] == '\0')
		return err_set(err, ERR_CORRUPT, "the address has no host");
	if (strlen(f->psk) != 2 * KEY_LEN ||
		sodium_hex2bin(ret->psk, KEY_LEN, f->psk, 2 * KEY_LEN, NULL, &n, NULL) != 0 ||
		n != KEY_LEN)
		return err_set(err, ERR_CORRUPT, "its psk is not 64 hexadecimal digits");
	n = strlen(f->key_name);
	if (n > 0 && !text_is_name(f->key_name, n))
		return err_set(err, ERR_CORRUPT, "its key_name is none");
	memcpy(ret->key_name, f->key_name, n + 1);
	if (f->first_seen < 0)
		return err_set(err, ERR_CORRUPT, "its first_seen is negative");
	ret->first_seen = (uint64_t)f->first_seen;
	return 0;
}

int target_json_parse(const void *bytes, size_t n, struct target *ret, struct err *err)
{
	struct fields f;
	json_error_t why;
	json_t *root;
	int r;

	json_set_alloc_funcs(malloc, wipe_and_free);
	root = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(err, ERR_CORRUPT, "line %d is not JSON", why.line);
	if (json_unpack_ex(root, &why, JSON_STRICT, FORM, "version", &f.version, "address",
		    &f.address, "server_key", &f.server_key, "psk", &f.psk, "key_name", &f.key_name,
		    "first_seen", &f.first_seen) != 0) {
		r = err_set(err, ERR_CORRUPT, "its fields are not those of a target");
	} else {
		r = take_fields(&f, ret, err);
		if (r != 0 && err)
			err->code = ERR_CORRUPT;
	}
	json_decref(root);
	return r;
}

static int append(const char *text, size_t n, void *to)
{
	buf_append(to, text, n);
	return buf_ok(to) ? 0 : -1;
}

int target_json_print(const struct target *t, struct buf *to, struct err *err)
{
	char key[KEY_TEXT_LEN + 1], psk[2 * KEY_LEN + 1], address[ADDRESS_TEXT_MAX + 1];
	json_t *root;
	int r;

	json_set_alloc_funcs(malloc, wipe_and_free);
	key_text_public(t->server_key, key);
	sodium_bin2hex(psk, sizeof(psk), t->psk, KEY_LEN);
	address_print(&t->address, address);
	root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:I}", "version", VERSION, "address", address,
		"server_key", key, "psk", psk, "key_name", t->key_name, "first_seen",
		(json_int_t)t->first_seen);
	sodium_memzero(psk, sizeof(psk));
	r = root ? json_dump_callback(root, append, to, JSON_INDENT(2)) : -1;
	json_decref(root);
	buf_append(to, "\n", 1);
	return r == 0 && buf_ok(to) ? 0 : err_nomem(err);
}
