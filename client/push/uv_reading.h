/*
 * What is read from this host's engine, and for whom: pushes of one image to several targets that
 * begin together share one reading, and one that holds the others up is told to leave and read for
 * itself. Loop's thread; no callback fires inside reader_join or readings_poke.
 */
#pragma once

#include "client/push/fanout.h"

#define READINGS_MAX 4u	      /* at once; of them one with more than WINDOW_ALONE_BYTES */
#define READING_WAIT_MS 2000u /* at most, for other targets that are about to want the same */

struct readings;
struct reader;

/* Is another target about to want this image, so that waiting for it saves a reading? */
typedef bool readings_more_fn(void *ctx, const struct digest *config);

int readings_new(uv_loop_t *loop, struct engine *engine, readings_more_fn *more, void *ctx,
	struct readings **ret, struct err *err) MUST_CHECK;

/* Every reader has left. Ends what is under way; to be called before engine_close. NULL is fine. */
void readings_close(struct readings *rs);

/* What `more` looks at has changed. */
void readings_poke(struct readings *rs);

struct reader_config {
	const struct engine_info *info;
	const struct engine_image *image; /* both must outlive the reader */
	struct taker_wants wants;	  /* copied; something at least */
	enum engine_read way;		  /* those who share a reading want the same */
	bool alone;			  /* it was told to leave before: share no more */
};

struct reader_ops {
	/* There are items to take. */
	void (*items)(void *ctx);
	/* The last word: everything was read, and is there to be taken, or why not. */
	void (*over)(void *ctx, const struct err *err);
	/* It holds others up. It is to leave before it returns to the loop. */
	void (*behind)(void *ctx);
};

int reader_join(struct readings *rs, const struct reader_config *config,
	const struct reader_ops *ops, void *ctx, struct reader **ret, struct err *err) MUST_CHECK;

/* The next item, for source_item_free; NULL: none now. */
struct source_item *reader_take(struct reader *r);

/* No callback fires any more. Items that were taken stay good. NULL is fine. */
void reader_leave(struct reader *r);
