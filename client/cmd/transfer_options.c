#include "client/cmd/transfer_options.h"

#include "client/push/level.h"
#include "link/uv_rate.h"
#include "protocol/limits.h"

#include <stdlib.h>
#include <string.h>

#define LEVEL_MAX 19
#define CONGESTION_NAME_MAX 15u /* TCP_CA_NAME_MAX less its NUL */

/* "auto", "none" or a level of zstd. */
static int parse_level(const char *s, int *ret, struct err *err)
{
	char *end;
	long level;

	if (!s || strcmp(s, "auto") == 0) {
		*ret = LEVEL_AUTO;
		return 0;
	}
	if (strcmp(s, "none") == 0) {
		*ret = 0;
		return 0;
	}
	level = strtol(s, &end, 10);
	if (*s == '\0' || *end != '\0' || level < 1 || level > LEVEL_MAX)
		return err_set(err, ERR_USAGE,
			"--compress takes auto, none or a level from 1 to %d", LEVEL_MAX);
	*ret = (int)level;
	return 0;
}

/* "auto" or a number of connections. */
static int parse_lanes(const char *s, unsigned *ret, struct err *err)
{
	char *end;
	long n;

	*ret = 0;
	if (!s || strcmp(s, "auto") == 0)
		return 0;
	n = strtol(s, &end, 10);
	if (*s == '\0' || *end != '\0' || n < 1 || n > (long)LANES_MAX)
		return err_set(
			err, ERR_USAGE, "--lanes takes auto or a number from 1 to %u", LANES_MAX);
	*ret = (unsigned)n;
	return 0;
}

/* "auto", "system" or a name that the kernel is to know. */
static int parse_congestion(const char *s, const char **ret, struct err *err)
{
	*ret = NULL;
	if (!s || strcmp(s, "auto") == 0)
		return 0;
	if (*s == '\0' || strlen(s) > CONGESTION_NAME_MAX ||
		strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(s))
		return err_set(err, ERR_USAGE,
			"--congestion takes auto, system or a name such as bbr or cubic");
	*ret = s;
	return 0;
}

static int parse_link(const struct transfer_options *o, struct lanes_options *ret, struct err *err)
{
	if (o->limit_rate && o->limit_rate < UV_RATE_MIN)
		return err_set(err, ERR_USAGE,
			"--limit-rate is at least %u bytes a second (as in 500k or 10M)",
			UV_RATE_MIN);
	ret->limit_rate = o->limit_rate;
	if (parse_lanes(o->lanes, &ret->lanes, err) != 0)
		return -1;
	return parse_congestion(o->congestion, &ret->congestion, err);
}

static int parse_read(const char *s, enum engine_read *ret, struct err *err)
{
	static const char *const words[] = {
		[READ_AUTO] = "auto", [READ_DIRECT] = "direct", [READ_API] = "api"
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(s, words[i]) == 0) {
			*ret = (enum engine_read)i;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "--read takes auto, direct or api");
}

int transfer_take(const struct transfer_options *o, struct lanes_options *ret_lanes,
	enum engine_read *ret_read, int *ret_level, struct err *err)
{
	if (parse_link(o, ret_lanes, err) != 0 || parse_read(o->read, ret_read, err) != 0)
		return -1;
	return parse_level(o->compress, ret_level, err);
}

uint64_t transfer_retry_ms(const struct transfer_options *o)
{
	return min_u64(o->retry_for, UINT64_MAX / 1000) * 1000;
}
