/* Inside of the engine side: the host, and what every job is. */
#pragma once

#include "common/engine/engine.h"
#include "server/engine/engine_host.h"
#include "server/engine/engine_undo.h"

struct engine_job;

/* A job's part in the messages that come for it; those that it does not take are NULL. */
struct engine_job_ops {
	void (*message)(struct engine_job *j, const struct port_message *m);
	void (*abort)(struct engine_job *j);
};

/* The first member of every job. */
struct engine_job {
	struct engine_job *next;
	struct engine_host *host;
	const struct engine_job_ops *ops;
	uint32_t number; /* the net side's; its next process begins anew */
	bool orphan;	 /* the net process that asked for it is gone */
	bool again;	 /* given up, but the same may be asked for again soon */
	bool leaves;	 /* given up, and leaves prefixes */
	char *key;
	struct digest image; /* its config's digest */
	struct digest id;    /* the engine's, once known */
	bool id_known;
	void (*go)(struct engine_job *j); /* while it waits: see engine_job_wait */
	bool wants_image;		  /* will tag it, or clean it up */
	bool makes_image;		  /* a load of an image that was not there before */
	bool journaled;
	uint32_t entry; /* the number of its journal entry */
};

struct migrations;
struct held_image;

struct engine_host {
	struct engine *engine;
	struct engine_port *port;
	char *loads_dir;
	engine_may_tag_fn *may_tag;
	engine_may_see_fn *may_see;
	engine_grants_fn *grants_of;
	void *ctx;
	struct engine_job *jobs;
	uint32_t next_entry;
	uint64_t started;	   /* Unix time */
	bool content_hidden;	   /* that containerd's files cannot be read was told */
	uint64_t mark;		   /* random: no other process's prefixes have it */
	bool prefixes_pay;	   /* as far as the engine said of itself the last time */
	struct engine_undo *undos; /* under way */
	struct engine_replay replay;
	struct migrations *migrations;
	struct held_image *held; /* images without a name, and whose they are */
	size_t n_held;
	uv_idle_t idle; /* tells on_idle */
	bool joined;	/* to a net process, at least once */
	bool stopping;	/* no new jobs */
	bool closing;
	void (*on_idle)(void *ctx);
	void *idle_ctx;
	void (*on_closed)(void *ctx);
	void *closed_ctx;
};

/* A zeroed job of `size` bytes in the host's list; `key` is copied. NULL: the net side was told
 * that it failed. */
struct engine_job *engine_job_new(struct engine_host *host, size_t size,
	const struct engine_job_ops *ops, uint32_t number, const wire_text *key,
	const struct digest *image);

/* Takes the job out of the list and frees it. */
void engine_job_free(struct engine_job *j);

/* Calls `go` when nothing cleans up after an earlier load of the job's image any more: at once or
 * later. So a job never sees an image that is about to be deleted; and it does see what the engine
 * still makes for an earlier try of its own. */
void engine_job_wait(struct engine_job *j, void (*go)(struct engine_job *j));

/* A clean-up is over: lets the jobs go that need not wait any longer. */
void engine_jobs_wake(struct engine_host *h);

/* Says something to the net process that asked for the job; when that is gone, nothing. */
void engine_job_reply(struct engine_job *j, const struct port_message *m);
void engine_job_failed(struct engine_job *j, const struct err *err);

/* For a message that became no job. */
void engine_side_failed(struct engine_host *h, uint32_t number, const struct err *err);

/* Something ended: tells who waits for the host to be idle, when it is. */
void engine_host_maybe_idle(struct engine_host *h);

/* The image with this ID is in the engine and wanted: whatever else made it, or tried to, may not
 * remove it. */
void engine_image_kept(struct engine_host *h, const struct digest *id);

/* An image that the key has brought without giving it a name: it may have a container made of it,
 * whatever names its patterns allow. Forgotten when this process ends. */
#define ENGINE_HELD_MAX 256u
void engine_image_hold(struct engine_host *h, const char *key, const struct digest *image);
bool engine_image_held(const struct engine_host *h, const char *key, const struct digest *image);

void engine_images_held_free(struct engine_host *h);

/* Whether the key may give all of these tags, each of a sensible form; ERR_REFUSED names the one
 * that it may not. Copies them. */
struct tag_list {
	char **at;
	size_t n;
};
int tag_list_take(struct tag_list *ret, struct engine_host *h, const char *key,
	const wire_texts *tags, struct err *err) MUST_CHECK;
void tag_list_done(struct tag_list *t);

/* Begins the job that the message asks for, or fails it. */
void engine_have_take(struct engine_host *h, const struct port_have *m);
void engine_tag_take(struct engine_host *h, const struct port_tag *m);
void engine_load_take(struct engine_host *h, const struct port_open *m);
void engine_migrate_take(struct engine_host *h, const struct port_migrate *m);
void engine_tree_take(struct engine_host *h, const struct port_tree *m);
