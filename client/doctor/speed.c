#include "client/doctor/speed.h"

#include "client/clock.h"
#include "common/chunk/digest.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define MEASURE_SECONDS 0.2 /* of a core's time; on a busy machine that takes longer, up to: */
#define MEASURE_MOST_SECONDS 0.4
#define SEAL_BYTES (256u << 10) /* as in a record */

int speed_sample_take(struct speed_sample *ret, struct err *err)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct speed_sample s = { .bytes = malloc(SPEED_SAMPLE_MAX) };
	ssize_t n = fd < 0 || !s.bytes ? -1 : pread(fd, s.bytes, SPEED_SAMPLE_MAX, 0);

	if (fd >= 0)
		close(fd);
	if (n <= 0) {
		free(s.bytes);
		return err_set(err, ERR_IO, "this program's own file cannot be read");
	}
	s.n = (size_t)n;
	*ret = s;
	return 0;
}

void speed_sample_done(struct speed_sample *s)
{
	free(s->bytes);
}

/* Of this thread. */
static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Does a piece of work over and over; `work` gives how many bytes it took, 0 when it failed. */
static double measure(size_t (*work)(void *ctx), void *ctx)
{
	double since = cpu_seconds(), began = clock_seconds();
	double bytes = 0, seconds;

	do {
		size_t n = work(ctx);

		if (n == 0)
			return 0;
		bytes += (double)n;
		seconds = cpu_seconds() - since;
	} while (seconds < MEASURE_SECONDS && clock_seconds() - began < MEASURE_MOST_SECONDS);
	return seconds > 0 ? bytes / seconds : 0;
}

/* --- the pieces --- */

struct work {
	const struct speed_sample *sample;
	uint8_t *to;
	size_t room;
	ZSTD_CCtx *zstd;
	int level;
	size_t written;
};

/* The digest must be wanted, or the compiler could leave it out. */
static volatile uint8_t kept;

static size_t hash_once(void *ctx)
{
	struct work *w = ctx;
	struct digest d = digest_of(w->sample->bytes, w->sample->n);

	kept = d.bytes[0];
	return w->sample->n;
}

static size_t seal_once(void *ctx)
{
	static const uint8_t key[crypto_aead_chacha20poly1305_ietf_KEYBYTES];
	static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
	struct work *w = ctx;
	size_t n = min_size(w->sample->n, SEAL_BYTES);
	unsigned long long sealed;

	if (crypto_aead_chacha20poly1305_ietf_encrypt(
		    w->to, &sealed, w->sample->bytes, n, NULL, 0, NULL, nonce, key) != 0)
		return 0;
	return n;
}

static size_t compress_once(void *ctx)
{
	struct work *w = ctx;

	w->written = ZSTD_compressCCtx(
		w->zstd, w->to, w->room, w->sample->bytes, w->sample->n, w->level);
	return ZSTD_isError(w->written) ? 0 : w->sample->n;
}

double speed_sha256(const struct speed_sample *s)
{
	struct work w = { .sample = s };

	return measure(hash_once, &w);
}

double speed_sealing(const struct speed_sample *s)
{
	struct work w = { .sample = s,
		.to = malloc(SEAL_BYTES + crypto_aead_chacha20poly1305_ietf_ABYTES) };
	double speed = w.to && sodium_init() >= 0 ? measure(seal_once, &w) : 0;

	free(w.to);
	return speed;
}

double speed_zstd(const struct speed_sample *s, int level, double *ret_ratio)
{
	struct work w = { .sample = s, .level = level, .room = ZSTD_compressBound(s->n) };
	double speed = 0;

	w.to = malloc(w.room);
	w.zstd = ZSTD_createCCtx();
	if (w.to && w.zstd)
		speed = measure(compress_once, &w);
	if (speed > 0)
		*ret_ratio = (double)s->n / (double)w.written;
	ZSTD_freeCCtx(w.zstd);
	free(w.to);
	return speed;
}
