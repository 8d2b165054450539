/*
 * One child of the supervisor: how it is started, what is known of it, how it is ended. Times are
 * ms of a clock that only goes forward. Main thread; no call blocks.
 */
#pragma once

#include "common/base/err.h"

#include <sys/types.h>

#define CHILD_LINE_FD 3 /* SERVICE_FD of uv_service.h */
#define CHILD_LOCK_FD 4

#define CHILD_BACKOFF_MS 100u /* before the second start in a row; doubles */
#define CHILD_BACKOFF_MAX_MS 10000u
#define CHILD_GOOD_MS 30000u /* one that lived this long did not fail at starting */

struct child {
	const char *name;  /* "the engine process" */
	char *const *argv; /* of this same program; NULL ends it */
	pid_t pid;	   /* 0: it does not run */
	int line;	   /* -1: none, or broken */
	uint64_t born;
	uint64_t heard;	  /* when it last said anything; at first, when it was born */
	uint64_t due;	  /* when it is to be started again */
	uint64_t backoff; /* ms before the next start but one */
	bool spoke;	  /* anything at all */
	bool ready;
	bool reloading; /* was asked to reload, and has not said that it has */
	bool asked_to_stop;
};

/*
 * Forks and runs /proc/self/exe, which is this very program even when a newer one took its place on
 * disk. It has its end of the line at CHILD_LINE_FD and a copy of `lock` at CHILD_LOCK_FD, so that
 * the state stays locked until the last process that writes in it has ended. It ignores SIGTERM,
 * SIGINT and SIGHUP, which a terminal or service manager sends to all processes at once: the
 * supervisor alone says when to stop. It is killed when the supervisor dies.
 */
int child_start(struct child *c, int lock, uint64_t now, struct err *err) MUST_CHECK;

/* Has it ended? Then *ret_status is as from waitpid, the line is closed, and `due` says when to
 * start it again. */
bool child_ended(struct child *c, uint64_t now, int *ret_status);

/* "was killed by signal 9 (Killed)". Returns `ret`. */
#define CHILD_END_MAX 80
const char *child_describe_end(int status, char ret[CHILD_END_MAX]);

/* SIGKILL. */
void child_kill(struct child *c);
