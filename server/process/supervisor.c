/*
 * Keeps both children running. Happy path: start both, give them the ends of the engine port, say
 * READY=1 when both are, wait; a signal stops the network process, then the engine process, which
 * the first one needs until its jobs are done. Failure modes: a child that dies or says nothing for
 * too long is started again, and both get new ends of the port; one that cannot begin its work at
 * the very first start ends it all; one that does not stop is killed.
 */
#include "server/process/supervisor_impl.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/process/notify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_A_TURN 32
#define OVERSLEPT_MS 5000u /* the whole machine stood still: nobody could say anything */

/* A manager that does not listen is no reason to stop serving. */
void supervisor_tell(const char *lines)
{
	struct err err;

	if (notify_send(lines, &err) != 0)
		log_warn("%s", err.text);
}

/* Of what use is a child that cannot be told anything? */
bool supervisor_say(struct child *c, enum line_word word, const int *fds)
{
	if (c->pid == 0)
		return false;
	if (c->line >= 0 && line_send(c->line, word, fds))
		return true;
	child_kill(c);
	return false;
}

/* --- a child's end --- */

static void say_again(struct supervisor *s, const struct child *c, const char *how, uint64_t now)
{
	char when[24] = "", status[CHILD_END_MAX + 80];

	if (c->due > now)
		snprintf(when, sizeof(when), " in %.1f s", (double)(c->due - now) / 1000);
	log_warn("%s %s; starting it again%s", c->name, how, when);
	snprintf(status, sizeof(status), "STATUS=%s %s, and is started again", c->name, how);
	supervisor_tell(status);
	s->mending = true;
}

static void on_end(struct supervisor *s, struct child *c, bool was_ready, int status, uint64_t now)
{
	bool failed = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
	char how[CHILD_END_MAX];

	child_describe_end(status, how);
	if (s->phase == SUPERVISOR_STOPPING) {
		if (failed && s->code == 0) {
			log_warn("%s %s", c->name, how);
			s->code = 1;
		}
	} else if (s->phase == SUPERVISOR_STARTING && !was_ready && WIFEXITED(status) && failed) {
		s->code = WEXITSTATUS(status); /* it has said why */
		supervisor_begin_stop(s, now, 0);
	} else {
		say_again(s, c, how, now);
	}
}

static void reap(struct supervisor *s, uint64_t now)
{
	for (EACH_CHILD(s, c)) {
		bool was_ready = c->ready;
		int status;

		if (child_ended(c, now, &status))
			on_end(s, c, was_ready, status, now);
	}
}

/* --- words from the children --- */

static enum line_outcome take_word(struct child *c, uint64_t now)
{
	enum line_word word;
	int fds[LINE_FDS];
	enum line_outcome outcome = line_take(c->line, &word, fds);

	if (outcome != LINE_WORD)
		return outcome;
	c->heard = now;
	c->spoke = true;
	switch (word) {
	case LINE_ALIVE:
		return LINE_WORD;
	case LINE_READY:
		c->ready = true;
		return LINE_WORD;
	case LINE_RELOADED:
		c->reloading = false;
		return LINE_WORD;
	case LINE_PORT:
		close(fds[0]);
		close(fds[1]);
		return LINE_BROKEN;
	case LINE_RELOAD:
	case LINE_STOP:
	case LINE_STOP_NOW:
	default:
		return LINE_BROKEN; /* no word of a child */
	}
}

/* A child that talks without end does not keep the supervisor from the other one. One whose line is
 * closed is about to end, or will be silent for too long. */
static void take_words(struct child *c, uint64_t now)
{
	enum line_outcome outcome = LINE_WORD;

	for (int i = 0; i < WORDS_A_TURN && c->line >= 0 && outcome == LINE_WORD; i++)
		outcome = take_word(c, now);
	if (outcome == LINE_BROKEN) {
		close(c->line);
		c->line = -1;
	}
}

/* READY=1 is said when both can work, and again when both have reloaded. */
static void note_progress(struct supervisor *s)
{
	bool ready = true, reloading = false;

	for (EACH_CHILD(s, c)) {
		ready = ready && c->ready;
		reloading = reloading || c->reloading;
	}
	if ((s->phase == SUPERVISOR_STARTING && ready) ||
		(s->phase == SUPERVISOR_RELOADING && !reloading)) {
		s->phase = SUPERVISOR_SERVING;
		supervisor_tell("READY=1");
	}
	if (s->phase == SUPERVISOR_SERVING && s->mending && ready) {
		s->mending = false;
		supervisor_tell("STATUS=both processes work");
	}
}

static void reload(struct supervisor *s)
{
	struct err err;

	if (s->phase == SUPERVISOR_STARTING || s->phase == SUPERVISOR_STOPPING)
		return; /* what is starting reads everything anew anyway */
	log_info("reloading");
	s->phase = SUPERVISOR_RELOADING;
	if (notify_reloading(&err) != 0)
		log_warn("%s", err.text);
	for (EACH_CHILD(s, c))
		c->reloading = supervisor_say(c, LINE_RELOAD, NULL);
}

static void take_signals(struct supervisor *s, uint64_t now)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload(s);
		} else if (info.ssi_signo != SIGCHLD && s->phase != SUPERVISOR_STOPPING) {
			log_info("stopping (%s)", strsignal((int)info.ssi_signo));
			supervisor_begin_stop(s, now, SUPERVISOR_STOP_MS);
		} else if (info.ssi_signo != SIGCHLD && s->pressed == 0) {
			supervisor_press(s, now);
		}
	}
}

/* --- what is due --- */

static void kill_silent(struct supervisor *s, uint64_t now)
{
	for (EACH_CHILD(s, c)) {
		if (c->pid == 0 || now - c->heard < s->silence_ms)
			continue;
		log_warn("%s gave no sign of life for %.0f s; killing it", c->name,
			(double)s->silence_ms / 1000);
		child_kill(c);
		c->heard = now; /* said once */
	}
}

/* The manager hears that all is well only when it is. */
static void ping(struct supervisor *s, uint64_t now)
{
	if (now < s->next_ping)
		return;
	for (EACH_CHILD(s, c))
		if (c->pid == 0 || !c->spoke)
			return;
	supervisor_tell("WATCHDOG=1");
	s->next_ping = now + s->ping_every;
}

static void start_due(struct supervisor *s, uint64_t now)
{
	struct err err;

	if (s->phase == SUPERVISOR_STOPPING)
		return;
	for (EACH_CHILD(s, c)) {
		if (c->pid != 0 || now < c->due)
			continue;
		s->port_due = true;
		if (child_start(c, s->lock, now, &err) != 0) {
			log_error("%s", err.text);
			c->due = now + CHILD_BACKOFF_MAX_MS;
			if (s->phase == SUPERVISOR_STARTING) {
				s->code = 1;
				supervisor_begin_stop(s, now, 0);
				return;
			}
		}
	}
	supervisor_join(s);
}

/* When something is due by itself. */
static uint64_t next_due(struct supervisor *s)
{
	uint64_t next = s->phase == SUPERVISOR_STOPPING ? s->press_at : SUPERVISOR_NEVER;

	for (EACH_CHILD(s, c)) {
		if (c->pid != 0)
			next = min_u64(next, c->heard + s->silence_ms);
		else if (s->phase != SUPERVISOR_STOPPING)
			next = min_u64(next, c->due);
	}
	return next;
}

/* Returns the time then. */
static uint64_t wait_for_events(struct supervisor *s, uint64_t now)
{
	struct pollfd fds[CHILD_ROLES + 1] = { [CHILD_ROLES] = { s->signals, POLLIN, 0 } };
	uint64_t until = min_u64(next_due(s), now + SUPERVISOR_SILENCE_MS);

	if (s->next_ping > now)
		until = min_u64(until, s->next_ping);
	for (int i = 0; i < CHILD_ROLES; i++)
		fds[i] = (struct pollfd){ s->children[i].line, POLLIN, 0 };
	poll(fds, ARRAY_LEN(fds), until > now ? (int)(until - now) + 1 : 0);
	now = clock_monotonic_ms();
	if (now > until + OVERSLEPT_MS)
		for (EACH_CHILD(s, c))
			c->heard = now;
	return now;
}

static bool all_ended(const struct supervisor *s)
{
	return s->phase == SUPERVISOR_STOPPING && s->children[CHILD_NET].pid == 0 &&
	       s->children[CHILD_ENGINE].pid == 0;
}

static void supervise(struct supervisor *s)
{
	uint64_t now = clock_monotonic_ms();

	for (;;) {
		start_due(s, now);
		if (all_ended(s))
			return;
		now = wait_for_events(s, now);
		for (EACH_CHILD(s, c))
			take_words(c, now);
		take_signals(s, now);
		reap(s, now);
		kill_silent(s, now);
		note_progress(s);
		ping(s, now);
		if (s->phase == SUPERVISOR_STOPPING && now >= s->press_at)
			supervisor_press(s, now);
		if (s->phase == SUPERVISOR_STOPPING)
			supervisor_ask_to_stop(s);
	}
}

/* The signals that are waited for: blocked here, and unblocked in the children. */
static int open_signals(int *ret, struct err *err)
{
	static const int wanted[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		sigaddset(&set, wanted[i]);
	signal(SIGCHLD, SIG_DFL); /* else nobody could be waited for */
	*ret = sigprocmask(SIG_BLOCK, &set, NULL) == 0
		       ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
		       : -1;
	return *ret >= 0 ? 0 : err_errno(err, errno, "cannot wait for signals");
}

int supervisor_run(char *const *const argv[CHILD_ROLES], int lock, int *ret_code, struct err *err)
{
	uint64_t now = clock_monotonic_ms(), watchdog = notify_watchdog_ms();
	struct supervisor s = { .lock = lock,
		.silence_ms = SUPERVISOR_SILENCE_MS,
		.ping_every = watchdog / 2,
		.next_ping = watchdog ? now : SUPERVISOR_NEVER };

	if (watchdog)
		s.silence_ms = min_u64(s.silence_ms, watchdog > SUPERVISOR_SILENCE_MIN_MS
							     ? watchdog
							     : SUPERVISOR_SILENCE_MIN_MS);
	for (int i = 0; i < CHILD_ROLES; i++)
		s.children[i] = (struct child){ .name = i == CHILD_NET ? "the network process"
								       : "the engine process",
			.argv = argv[i],
			.line = -1,
			.due = now };
	if (open_signals(&s.signals, err) != 0)
		return -1;
	supervise(&s);
	close(s.signals);
	*ret_code = s.code;
	return 0;
}
