/* What uv_line.c (sessions, tries) and uv_line_requests.c (what is asked over them) share. */
#pragma once

#include "client/migrate/uv_line.h"
#include "link/uv_reach.h"

enum request { REQUEST_NONE, REQUEST_CALL, REQUEST_TREE, REQUEST_TALK };

struct line {
	struct line_config c;
	uv_timer_t wait;
	struct retry retry;

	/* the session */
	struct uv_reach *reach;
	struct lanes *lanes;
	uint32_t next_job, next_blob, grants;
	bool welcomed, heard, leaving;
	uint64_t bytes_before; /* of sessions that are over */

	/* what is under way */
	enum request request;
	bool sent, full_names;
	uint32_t job;
	struct line_call call;
	line_answer_fn *answer;
	struct line_tree tree;
	struct tree_push *push;
	void (*progress)(void *ctx, uint64_t done);
	line_tree_fn *tree_fn;
	const struct line_talk *talk;
	line_talk_fn *talk_fn;
	void *ctx;

	bool closing, handles_closed;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* --- uv_line.c --- */

/* The request did not come about: again, or for good. */
void line_try_again(struct line *l, const struct err *err, bool other_form);

/* The target has the job open as long as it was not told. */
void line_abandon(struct line *l, const struct err *why);

/* The request ends. */
void line_finish(struct line *l, const struct err *err);
void line_finish_tree(struct line *l, const struct tree_result *result, const struct err *err);

void line_finish_talk(struct line *l, const struct err *err);

/* After the last part of a line that is being closed has ended. */
void line_maybe_closed(struct line *l);

void line_connect(struct line *l);

/* The request goes on its way, from the loop. */
void line_begin(struct line *l, enum request request);

/* --- uv_line_requests.c --- */

/* Sends the request, if there is one and a session to send it over, or connects. */
void line_go_on(struct line *l);
