#include "common/chunk/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The context is libcrypto's own; the struct exists so that no header shows it. */
struct hasher {
	EVP_MD_CTX *ctx;
};

/* Looking the algorithm up costs as much as hashing a kilobyte: done once a process. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *algorithm(void)
{
	pthread_once(&sha256_once, fetch_sha256);
	return sha256 ? sha256 : EVP_sha256();
}

static void start(EVP_MD_CTX *ctx)
{
	int ok = EVP_DigestInit_ex(ctx, algorithm(), NULL);

	assert(ok == 1);
	(void)ok;
}

void hasher_prepare(void)
{
	hasher_free(hasher_new());
}

struct hasher *hasher_new(void)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx) {
		free(h);
		return NULL;
	}
	start(h->ctx);
	return h;
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hasher_update(struct hasher *h, const void *bytes, size_t n)
{
	int ok = EVP_DigestUpdate(h->ctx, bytes, n);

	assert(ok == 1);
	(void)ok;
}

struct digest hasher_end(struct hasher *h)
{
	struct digest d;
	int ok = EVP_DigestFinal_ex(h->ctx, d.bytes, NULL);

	assert(ok == 1);
	(void)ok;
	start(h->ctx);
	return d;
}

struct digest digest_of(const void *bytes, size_t n)
{
	struct digest d;
	int ok = EVP_Digest(bytes, n, d.bytes, NULL, algorithm(), NULL);

	assert(ok == 1);
	(void)ok;
	return d;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_LEN) == 0;
}

uint64_t digest_short(const struct digest *d)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | d->bytes[i];
	return v;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int digest_parse(const char *text, struct digest *ret, struct err *err)
{
	struct digest d;

	if (strlen(text) != DIGEST_TEXT_LEN || memcmp(text, "sha256:", 7) != 0)
		return err_set(err, ERR_PROTOCOL, "not a sha256 digest");
	for (size_t i = 0; i < DIGEST_LEN; i++) {
		int high = hex_value(text[7 + 2 * i]), low = hex_value(text[8 + 2 * i]);

		if (high < 0 || low < 0)
			return err_set(err, ERR_PROTOCOL, "not a sha256 digest");
		d.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = d;
	return 0;
}

void digest_hex(const struct digest *d, char ret[DIGEST_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_LEN; i++) {
		ret[2 * i] = digits[d->bytes[i] >> 4];
		ret[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	ret[DIGEST_HEX_LEN] = '\0';
}

void digest_text(const struct digest *d, char ret[DIGEST_TEXT_LEN + 1])
{
	memcpy(ret, "sha256:", 7);
	digest_hex(d, ret + 7);
}

struct digest digest_chain(const struct digest *below, const struct digest *diff_id)
{
	char text[2 * DIGEST_TEXT_LEN + 2];

	if (!below)
		return *diff_id;
	digest_text(below, text);
	text[DIGEST_TEXT_LEN] = ' ';
	digest_text(diff_id, text + DIGEST_TEXT_LEN + 1);
	return digest_of(text, 2 * DIGEST_TEXT_LEN + 1);
}
