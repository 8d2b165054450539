/* What the supervisor's parts share. */
#pragma once

#include "server/process/child.h"
#include "server/process/service_line.h"
#include "server/process/supervisor.h"

#define SUPERVISOR_NEVER UINT64_MAX

enum supervisor_phase {
	SUPERVISOR_STARTING, /* for the first time */
	SUPERVISOR_SERVING,
	SUPERVISOR_RELOADING,
	SUPERVISOR_STOPPING
};

struct supervisor {
	struct child children[CHILD_ROLES];
	int lock, signals;
	enum supervisor_phase phase;
	bool port_due; /* a child has no ends of the engine port yet */
	bool mending;  /* the manager was told of a death, and not yet that all is well again */
	uint64_t silence_ms;
	uint64_t ping_every, next_ping; /* WATCHDOG=1; SUPERVISOR_NEVER: not wanted */
	uint64_t press_at;		/* when to ask harder to stop */
	int pressed;			/* how often that was done */
	int code;
};

/* for (EACH_CHILD(s, c)) */
#define EACH_CHILD(s, c)                                                                           \
	struct child *c = (s)->children;                                                           \
	c < (s)->children + CHILD_ROLES;                                                           \
	c++

/* Tells the service manager. */
void supervisor_tell(const char *lines);

/* Tells a child; one that cannot be told anything any more is killed. False: it was not told. */
bool supervisor_say(struct child *c, enum line_word word, const int *fds);

/* Gives new ends of the engine port to both, when both run and one has none (supervisor_port.c). */
void supervisor_join(struct supervisor *s);

/* supervisor_stop.c. Stopping begins; after `patience` ms it is pressed for. */
void supervisor_begin_stop(struct supervisor *s, uint64_t now, uint64_t patience);

/* Asks the one whose turn it is. */
void supervisor_ask_to_stop(struct supervisor *s);

/* The first time: stop now. Then: SIGKILL. */
void supervisor_press(struct supervisor *s, uint64_t now);
