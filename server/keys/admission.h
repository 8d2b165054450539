/*
 * Limits before authentication: how many handshakes may be under way, from one source and in all,
 * and how soon a source that failed may come again. Pure: time is passed in. Bounded: the sources
 * least recently seen are forgotten. One thread.
 *
 * A source is an IPv4 address or an IPv6 /56. Loopback sources (the tests, tunnels that end here)
 * are held to numbers but not punished.
 */
#pragma once

#include "common/base/base.h"

#include <sys/socket.h>

#define ADMISSION_HALF_OPEN_MAX 256u  /* handshakes under way; … */
#define ADMISSION_HALF_OPEN_SOFT 128u /* …from here on half are dropped, at the limit all */
#define ADMISSION_PER_SOURCE 16u      /* under way from one source: a session with all its lanes */
#define ADMISSION_BURST 32u	      /* handshakes of a source at once, then… */
#define ADMISSION_RATE 2u	      /* …so many a second; one that succeeds is not counted */
#define ADMISSION_ALL_RATE 1000u      /* handshakes a second from all sources */
#define ADMISSION_BAD_MS 5000u	      /* penalty of a handshake that proved wrong */
#define ADMISSION_SILENT_MS 1000u     /* of one that was left */
#define ADMISSION_FREE_MS 15000u      /* penalties up to here, a refused agent's tries, are free */
#define ADMISSION_CAP_MS 600000u
#define ADMISSION_SOURCES_MAX 4096u

struct admission;

struct admission *admission_new(void);	  /* NULL when out of memory */
void admission_free(struct admission *a); /* NULL is fine */

/* May this source begin a handshake? On true it is under way, until exactly one of admission_passed
 * and admission_failed; on false nothing is to be told. `now_ms` is monotonic. */
bool admission_ask(struct admission *a, const struct sockaddr *source, uint64_t now_ms) MUST_CHECK;

void admission_passed(struct admission *a, const struct sockaddr *source, uint64_t now_ms);

/* `bad`: the client sent something wrong; else it went away, or said nothing. */
void admission_failed(
	struct admission *a, const struct sockaddr *source, bool bad, uint64_t now_ms);

/* For tests: the source of randomness, a number below `bound`. */
void admission_set_random(struct admission *a, uint32_t (*random)(uint32_t bound));
