/* What uv_reading.c (readings, and who is told what) and uv_reading_start.c (who may start, and for
 * whom) share. */
#pragma once

#include "client/push/uv_reading.h"
#include "link/uv_wake.h"

struct reading {
	struct reading *next;
	struct readings *all;
	struct fanout *fanout;
	struct uv_wake *wake;
	struct engine_save *save; /* NULL when none runs */
	bool shared;		  /* it has the large window */
	bool over;
	bool telling; /* its readers: it must stay until all of them know */
};

struct reader {
	struct reader *next;
	struct readings *all;
	struct reader_config c;
	struct digest *layers;
	struct reader_ops ops;
	void *ctx;
	struct reading *reading; /* NULL while it waits */
	struct taker *taker;
	uint64_t joined_ms;
	bool told; /* that it is over */
};

struct readings {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct engine *engine;
	readings_more_fn *more;
	void *ctx;
	struct reading *first;
	struct reader *readers;
	bool closing, timer_closed;
};

/* --- uv_reading.c --- */

/* For uv_wake_new: the source has something. */
void reading_woken(void *ctx);

/* For engine_read_start. */
void reading_saved(void *ctx, const struct err *err);

/* Tells every reader of it that it failed. */
void reading_fail(struct reading *g, const struct err *err);

/* --- uv_reading_start.c --- */

/* Starts a reading for a reader, or for several, whose time has come. False: there is none. */
bool readings_start_one(struct readings *rs);
