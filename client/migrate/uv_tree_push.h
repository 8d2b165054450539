/*
 * Sends one directory as a tree to one connected target, for a volume of a container on its way or
 * for a backup. Loop's thread; ends in exactly one `over`. As client/push/uv_push.h, which sends
 * images.
 */
#pragma once

#include "client/migrate/uv_tree_reading.h"
#include "client/push/uv_lanes.h"
#include "link/uv_conn.h"

struct tree_push;

/* A tree that becomes a snapshot and fills no volume. */
struct tree_backup {
	const char *name, *host; /* of the volume; what this host calls itself */
	const char *role;	 /* of the blob in the snapshot */
	const char *artifact;	 /* JSON: what the volume is made anew of */
};

struct tree_push_config {
	uv_loop_t *loop;
	struct uv_conn *conn; /* ready; the owner passes its messages on */
	struct lanes *lanes;  /* of that session */
	uint8_t migration[16];
	const char *volume;		  /* its name at the target */
	const struct tree_backup *backup; /* NULL: it fills that volume */
	const char *root, *cache;	  /* what is read; see tree_scan */
	bool reread, full_names;
	uint32_t job, blob; /* the next numbers of the session */
	int level;
};

struct tree_push_ops {
	/* So many bytes of the tree are settled: the target has them, or they are packed. */
	void (*progress)(void *ctx, uint64_t done);
	/* `err` NULL: the target has the tree, durably. `again`: the next try uses full names. The
	 * push is gone after the call. */
	void (*over)(
		void *ctx, const struct tree_result *result, bool again, const struct err *err);
};

/* The config's texts must last. */
int tree_push_start(const struct tree_push_config *config, const struct tree_push_ops *ops,
	void *ctx, struct tree_push **ret, struct err *err) MUST_CHECK;

/* A message from the target that names its job or its blob. */
int tree_push_message(struct tree_push *p, const struct message *m, struct err *err) MUST_CHECK;

/* uv_conn_room grew, the lanes may take more, or segments were acknowledged. */
void tree_push_room(struct tree_push *p);

/* The connection is gone, or the user stopped: ends with this error. */
void tree_push_lost(struct tree_push *p, const struct err *err);

bool tree_push_has_blob(const struct tree_push *p, uint32_t blob);
