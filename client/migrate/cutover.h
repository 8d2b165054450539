/*
 * The safe cutover: which copy of a container may be started when. Pure. At most one copy is ever
 * live, whatever is lost or killed: each stage is in the journal before what it allows is done, and
 * the source is started only when the target cannot start its copy any more.
 *
 *   OPEN  --take down-->  DOWN  --send--> SENT --live--> LIVE --finished--> OVER
 *     |                     |               |              |
 *     |give up              |give up        |turn back     |turn back
 *     v                     v               v              v
 *    BACK <-----------------+<--undone--- UNDOING <--------+        BACK --started--> OVER
 *
 * From SENT only the target's own word leads on: it may have got COMMIT and be live, or get it
 * later.
 */
#pragma once

#include "common/base/base.h"

enum cutover_stage {
	CUTOVER_OPEN,	 /* the source is as it was */
	CUTOVER_DOWN,	 /* the source is being stopped, or is */
	CUTOVER_SENT,	 /* COMMIT was sent, or is about to be: the target may be live */
	CUTOVER_LIVE,	 /* the target is live; the source stays down */
	CUTOVER_UNDOING, /* UNDO was sent, or is about to be: the target may be live, or not */
	CUTOVER_BACK,	 /* the target is not live and cannot be: the source is to be as it was */
	CUTOVER_OVER,
	CUTOVER_STAGES
};

enum cutover_event {
	CUTOVER_TAKE_DOWN, /* the source is to be touched */
	CUTOVER_SEND,	   /* COMMIT is to be sent */
	CUTOVER_IS_LIVE,   /* the target answered that it is live */
	CUTOVER_TURN_BACK, /* UNDO is to be sent, whose answer counts */
	CUTOVER_IS_UNDONE, /* the target answered that it is undone: no COMMIT has an effect there
			    */
	CUTOVER_SILENT,	   /* no answer, or one that says neither */
	CUTOVER_GIVE_UP,   /* a failure at this end, or the user wants it back */
	CUTOVER_STARTED,   /* the source is as it was */
	CUTOVER_FINISHED,  /* the source is known to stay down */
	CUTOVER_EVENTS
};

/* False: the event has no place in that stage, and nothing may be done because of it. */
bool cutover_next(
	enum cutover_stage stage, enum cutover_event event, enum cutover_stage *ret) MUST_CHECK;

/* What the agent does next, of its own accord. */
enum cutover_step {
	CUTOVER_TRANSFER,     /* what is to be sent, and then CUTOVER_SEND */
	CUTOVER_ASK_COMMIT,   /* send COMMIT (again) */
	CUTOVER_ASK_UNDO,     /* after CUTOVER_TURN_BACK: send UNDO; its answer counts */
	CUTOVER_START_SOURCE, /* after CUTOVER_GIVE_UP, where that has a place; and tell the target,
				 if it can be told, to undo */
	CUTOVER_CLOSE,	      /* see that the source stays down, tell the target that it is done */
	CUTOVER_NOTHING
};

/* To go on forward (--resume), and to go back (--undo, or a failure). */
enum cutover_step cutover_forward(enum cutover_stage stage);
enum cutover_step cutover_backward(enum cutover_stage stage);

/* The words of the journal. */
const char *cutover_name(enum cutover_stage stage);
bool cutover_parse(const char *name, enum cutover_stage *ret);
