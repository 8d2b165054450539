/*
 * Starts and ends a child. Happy path: a line, fork, exec. Failure modes: no process to be had; a
 * supervisor that dies between the fork and the wish to die with it.
 */
#include "server/process/child.h"

#include "common/base/log.h"
#include "server/process/notify.h"
#include "server/process/service_line.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ABOVE_PLACES 10 /* no descriptor that is meant for a fixed place is below */

static const int ignored[] = { SIGTERM, SIGINT, SIGHUP };

/* Puts both where the child looks for them, and closes all others. */
static bool place_fds(int line, int lock)
{
	line = fcntl(line, F_DUPFD_CLOEXEC, ABOVE_PLACES);
	lock = fcntl(lock, F_DUPFD_CLOEXEC, ABOVE_PLACES);
	return line >= 0 && lock >= 0 && dup2(line, CHILD_LINE_FD) >= 0 &&
	       dup2(lock, CHILD_LOCK_FD) >= 0 && close_range(CHILD_LOCK_FD + 1, ~0u, 0) == 0;
}

static void become_child(const struct child *c, int line, int lock, pid_t supervisor)
{
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		return; /* it died before it could be told of */
	notify_forget();
	if (place_fds(line, lock))
		execv("/proc/self/exe", c->argv);
	log_error("cannot start %s: %s", c->name, strerror(errno));
}

int child_start(struct child *c, int lock, uint64_t now, struct err *err)
{
	pid_t supervisor = getpid(), pid;
	int ends[2];

	if (line_make(ends, err) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		become_child(c, ends[1], lock, supervisor);
		_exit(1);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_errno(err, errno, "cannot start %s", c->name);
	}
	c->pid = pid;
	c->line = ends[0];
	c->born = c->heard = now;
	c->spoke = c->ready = c->reloading = c->asked_to_stop = false;
	return 0;
}

/* At once after a good life, then later and later. */
static void plan_next(struct child *c, uint64_t now)
{
	if (now - c->born >= CHILD_GOOD_MS)
		c->backoff = 0;
	c->due = now + c->backoff;
	c->backoff = c->backoff ? min_u64(c->backoff * 2, CHILD_BACKOFF_MAX_MS) : CHILD_BACKOFF_MS;
}

bool child_ended(struct child *c, uint64_t now, int *ret_status)
{
	if (c->pid == 0 || waitpid(c->pid, ret_status, WNOHANG) != c->pid)
		return false;
	c->pid = 0;
	c->ready = c->reloading = false;
	if (c->line >= 0)
		close(c->line);
	c->line = -1;
	plan_next(c, now);
	return true;
}

const char *child_describe_end(int status, char ret[CHILD_END_MAX])
{
	if (WIFSIGNALED(status))
		snprintf(ret, CHILD_END_MAX, "was killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		snprintf(ret, CHILD_END_MAX, "ended with exit code %d", WEXITSTATUS(status));
	return ret;
}

void child_kill(struct child *c)
{
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
}
