/*
 * Joins the two children by an engine port: a stream socket and a pipe, of which each gets its
 * ends. Failure modes: no descriptors to be had, which is tried again; a child that cannot be told,
 * which is killed, and the next one gets new ends.
 */
#include "server/process/supervisor_impl.h"

#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The ends of a new engine port: [0] of both for the network process, [1] for the engine's. */
static int make_port(int control[2], int bodies[2], struct err *err)
{
	int flow[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, control) != 0) {
		err_errno(err, errno, "cannot make a socket pair");
		return -1;
	}
	if (pipe2(flow, O_CLOEXEC | O_NONBLOCK) != 0) {
		int why = errno;

		close(control[0]);
		close(control[1]);
		err_errno(err, why, "cannot make a pipe");
		return -1;
	}
	bodies[0] = flow[1];
	bodies[1] = flow[0];
	return 0;
}

/* The supervisor keeps no copy: when a process dies, the other one sees the end of its ends. */
void supervisor_join(struct supervisor *s)
{
	int control[2], bodies[2];
	struct err err;

	if (!s->port_due)
		return;
	for (EACH_CHILD(s, c))
		if (c->pid == 0)
			return;
	if (make_port(control, bodies, &err) != 0) {
		log_error("%s", err.text);
		return;
	}
	s->port_due = false;
	for (int i = 0; i < CHILD_ROLES; i++) {
		const int fds[LINE_FDS] = { control[i], bodies[i] };

		supervisor_say(&s->children[i], LINE_PORT, fds);
	}
	for (int i = 0; i < CHILD_ROLES; i++) {
		close(control[i]);
		close(bodies[i]);
	}
}
