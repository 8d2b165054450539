#include "link/own_key.h"

#include "common/base/secret_file.h"
#include "protocol/key_text.h"

#include <sodium.h>
#include <string.h>

void own_key_free(struct key_pair *pair)
{
	sodium_free(pair);
}

static int load(const char *path, struct key_pair *pair, struct err *err)
{
	char text[2 * KEY_TEXT_LEN];
	int r = secret_file_load(path, text, sizeof(text), err);

	if (r != 0)
		return -1;
	r = key_text_parse_secret(text, strlen(text), pair->secret_key, err);
	sodium_memzero(text, sizeof(text));
	if (r != 0) {
		err->code = ERR_CORRUPT;
		return err_wrap(err, "%s", path);
	}
	if (crypto_scalarmult_base(pair->public_key, pair->secret_key) != 0)
		return err_set(err, ERR_CORRUPT, "%s holds no usable key", path);
	return 0;
}

static int make(const char *path, struct err *err)
{
	uint8_t secret[KEY_LEN];
	char text[KEY_TEXT_LEN + 1];
	bool made;
	int r;

	randombytes_buf(secret, sizeof(secret));
	key_text_secret(secret, text);
	sodium_memzero(secret, sizeof(secret));
	r = secret_file_make(path, text, &made, err);
	sodium_memzero(text, sizeof(text));
	return r;
}

int own_key_open(const char *path, struct key_pair **ret, struct err *err)
{
	struct key_pair *pair;
	struct err why = { 0 };
	int r;

	if (sodium_init() < 0)
		return err_set(err, ERR_FAILED, "libsodium cannot start");
	pair = sodium_malloc(sizeof(*pair));
	if (!pair)
		return err_nomem(err);
	r = load(path, pair, &why);
	if (r != 0 && why.code == ERR_NOT_FOUND) {
		/* If another process made it first, its key is the one to load. */
		r = make(path, &why);
		if (r == 0)
			r = load(path, pair, &why);
	}
	if (r != 0) {
		sodium_free(pair);
		if (err)
			*err = why;
		return -1;
	}
	*ret = pair;
	return 0;
}
