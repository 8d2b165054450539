/*
 * Reaches a peer by its address: dials, then opens the connection. From the owner's view one thing
 * that ends in exactly one `closed`. Loop's thread.
 */
#pragma once

#include "common/base/address.h"
#include "link/uv_conn.h"

struct uv_reach;

/* As uv_conn_open, whose callbacks it passes on; `closed` also tells that nobody could be reached.
 */
int uv_reach_start(uv_loop_t *loop, const struct address *address,
	const struct session_config *config, const struct uv_conn_ops *ops, void *ctx,
	struct uv_reach **ret, struct err *err) MUST_CHECK;

/* Of a connection with lane_later, at any time before `closed`: what it is a lane of. */
void uv_reach_join(struct uv_reach *r, const struct lane_key *lane);

/* The connection, NULL while dialling. */
struct uv_conn *uv_reach_conn(const struct uv_reach *r);

/* As uv_conn_close, at any time before `closed`. */
void uv_reach_close(struct uv_reach *r, const struct err *why);
