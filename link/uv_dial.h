/* Finds a host's addresses and connects to the first that answers. Loop's thread. */
#pragma once

#include "common/base/err.h"

#include <uv.h>

struct uv_dial;

#define DIAL_ATTEMPT_MS 10000u /* for one address */

/* Fires once from the loop: a connected socket that now belongs to the callee, or -1 and why:
 * ERR_NOT_FOUND when there is no such host, ERR_UNREACHABLE for what may be otherwise later. */
typedef void uv_dial_fn(void *ctx, int fd, const struct err *err);

/* `host` is a name or an address without brackets. Its addresses are tried one after the other. */
int uv_dial_start(uv_loop_t *loop, const char *host, uint16_t port, uv_dial_fn *fn, void *ctx,
	struct uv_dial **ret, struct err *err) MUST_CHECK;

/* `fn` fires with ERR_INTERRUPTED. Not after it fired. */
void uv_dial_cancel(struct uv_dial *d);
