/*
 * Owns a table of sources: an array of slots, chained by hash and by age. Happy path: ask, passed.
 * There is no failure mode but the answer no.
 */
#include "server/keys/admission.h"

#include <assert.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 8192u /* power of two */
#define NONE UINT16_MAX
#define TOKEN_MS (1000u / ADMISSION_RATE) /* time for one */
#define KEY_LEN_MAX 17u			  /* family and address */

_Static_assert(ADMISSION_SOURCES_MAX < NONE, "a slot's number fits");
_Static_assert(ADMISSION_SOURCES_MAX > ADMISSION_HALF_OPEN_MAX, "one slot can always be reused");

struct source {
	uint8_t key[KEY_LEN_MAX];
	bool loopback;
	uint16_t half_open;
	uint16_t chain;	       /* next in the bucket */
	uint16_t older, newer; /* by last use */
	uint32_t spent_ms;     /* of ADMISSION_BURST * TOKEN_MS; runs down with time */
	uint64_t spent_at;
	uint64_t penalty_until;
};

struct admission {
	struct source sources[ADMISSION_SOURCES_MAX];
	uint16_t buckets[BUCKETS];
	uint16_t oldest, newest;
	size_t n_used;
	unsigned half_open;
	uint64_t second; /* the one that `begun` counts in */
	unsigned begun;
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	uint32_t (*random)(uint32_t bound);
};

struct admission *admission_new(void)
{
	struct admission *a;

	if (sodium_init() < 0)
		return NULL;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	memset(a->buckets, 0xff, sizeof(a->buckets));
	a->oldest = a->newest = NONE;
	a->random = randombytes_uniform;
	randombytes_buf(a->hash_key, sizeof(a->hash_key));
	return a;
}

void admission_free(struct admission *a)
{
	free(a);
}

void admission_set_random(struct admission *a, uint32_t (*random)(uint32_t bound))
{
	a->random = random;
}

/* --- sources --- */

/* Fills in the key; true for loopback. */
static bool source_key(const struct sockaddr *address, uint8_t key[KEY_LEN_MAX])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *v4 = NULL, *v6 = NULL;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(key, 0, KEY_LEN_MAX);
	if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		v4 = (const uint8_t *)&in.sin_addr;
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		v6 = in6.sin6_addr.s6_addr;
		if (memcmp(v6, mapped, sizeof(mapped)) == 0)
			v4 = v6 + sizeof(mapped);
	}
	if (v4) {
		key[0] = 4;
		memcpy(key + 1, v4, 4);
		return v4[0] == 127;
	}
	if (!v6)
		return true; /* a local socket */
	key[0] = 6;
	if (IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr)) {
		key[KEY_LEN_MAX - 1] = 1;
		return true;
	}
	memcpy(key + 1, v6, 7);
	return false;
}

static uint16_t *bucket_of(struct admission *a, const uint8_t key[KEY_LEN_MAX])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, key, KEY_LEN_MAX, a->hash_key);
	return &a->buckets[(hash[0] | (unsigned)hash[1] << 8) & (BUCKETS - 1)];
}

static void unlink_age(struct admission *a, uint16_t i)
{
	struct source *s = &a->sources[i];

	if (s->older == NONE)
		a->oldest = s->newer;
	else
		a->sources[s->older].newer = s->newer;
	if (s->newer == NONE)
		a->newest = s->older;
	else
		a->sources[s->newer].older = s->older;
}

static void make_newest(struct admission *a, uint16_t i)
{
	struct source *s = &a->sources[i];

	s->older = a->newest;
	s->newer = NONE;
	if (a->newest == NONE)
		a->oldest = i;
	else
		a->sources[a->newest].newer = i;
	a->newest = i;
}

static uint16_t find(struct admission *a, const uint8_t key[KEY_LEN_MAX])
{
	uint16_t i = *bucket_of(a, key);

	while (i != NONE && memcmp(a->sources[i].key, key, KEY_LEN_MAX) != 0)
		i = a->sources[i].chain;
	return i;
}

/* Forgets the oldest source that has nothing under way, and gives its slot. */
static uint16_t evict(struct admission *a)
{
	uint16_t i = a->oldest, *at;

	while (a->sources[i].half_open > 0) /* fewer than there are slots */
		i = a->sources[i].newer;
	at = bucket_of(a, a->sources[i].key);
	while (*at != i)
		at = &a->sources[*at].chain;
	*at = a->sources[i].chain;
	unlink_age(a, i);
	return i;
}

static struct source *get_source(struct admission *a, const struct sockaddr *address)
{
	uint8_t key[KEY_LEN_MAX];
	bool loopback = source_key(address, key);
	uint16_t i = find(a, key);

	if (i != NONE) {
		unlink_age(a, i);
	} else {
		uint16_t *bucket = bucket_of(a, key);

		i = a->n_used < ADMISSION_SOURCES_MAX ? (uint16_t)a->n_used++ : evict(a);
		a->sources[i] = (struct source){ .loopback = loopback };
		memcpy(a->sources[i].key, key, KEY_LEN_MAX);
		a->sources[i].chain = *bucket;
		*bucket = i;
	}
	make_newest(a, i);
	return &a->sources[i];
}

/* --- the limits --- */

/* Random early drop: none below the soft limit, half at it, all at the hard one. */
static bool crowded_out(struct admission *a)
{
	const unsigned span = ADMISSION_HALF_OPEN_MAX - ADMISSION_HALF_OPEN_SOFT;

	if (a->half_open >= ADMISSION_HALF_OPEN_MAX)
		return true;
	if (a->half_open < ADMISSION_HALF_OPEN_SOFT)
		return false;
	return a->random(2 * span) < span + (a->half_open - ADMISSION_HALF_OPEN_SOFT);
}

static bool too_many_in_all(struct admission *a, uint64_t now_ms)
{
	if (a->second != now_ms / 1000) {
		a->second = now_ms / 1000;
		a->begun = 0;
	}
	return a->begun >= ADMISSION_ALL_RATE;
}

/* The bucket runs down: what is spent comes back with time. */
static void run_down(struct source *s, uint64_t now_ms)
{
	uint64_t passed = now_ms > s->spent_at ? now_ms - s->spent_at : 0;

	s->spent_ms -= (uint32_t)min_u64(passed, s->spent_ms);
	s->spent_at = now_ms;
}

bool admission_ask(struct admission *a, const struct sockaddr *source, uint64_t now_ms)
{
	struct source *s = get_source(a, source);

	run_down(s, now_ms);
	if (s->penalty_until > now_ms + ADMISSION_FREE_MS || s->half_open >= ADMISSION_PER_SOURCE ||
		s->spent_ms + TOKEN_MS > ADMISSION_BURST * TOKEN_MS || too_many_in_all(a, now_ms) ||
		crowded_out(a))
		return false;
	s->spent_ms += TOKEN_MS;
	s->half_open++;
	a->half_open++;
	a->begun++;
	return true;
}

/* The source of a handshake that is under way: it was not forgotten meanwhile. */
static struct source *end(struct admission *a, const struct sockaddr *source, uint64_t now_ms)
{
	struct source *s = get_source(a, source);

	assert(s->half_open > 0 && a->half_open > 0);
	s->half_open--;
	a->half_open--;
	run_down(s, now_ms);
	return s;
}

void admission_passed(struct admission *a, const struct sockaddr *source, uint64_t now_ms)
{
	struct source *s = end(a, source, now_ms);

	s->spent_ms -= (uint32_t)min_u64(TOKEN_MS, s->spent_ms);
}

void admission_failed(struct admission *a, const struct sockaddr *source, bool bad, uint64_t now_ms)
{
	struct source *s = end(a, source, now_ms);
	uint64_t from = s->penalty_until > now_ms ? s->penalty_until : now_ms;

	if (!s->loopback)
		s->penalty_until = min_u64(from + (bad ? ADMISSION_BAD_MS : ADMISSION_SILENT_MS),
			now_ms + ADMISSION_CAP_MS);
}
