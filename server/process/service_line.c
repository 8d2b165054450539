/*
 * Words on the line. Happy path: one sendmsg, one recvmsg. Failure modes: the other process died
 * (EPIPE, end of file), does not read (EAGAIN), or has no descriptor free for what is passed to it
 * (MSG_CTRUNC: the message without them is as good as none).
 */
#include "server/process/service_line.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the descriptors, aligned as the system wants it. */
union passed {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(LINE_FDS * sizeof(int))];
};

int line_make(int ret[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) != 0)
		return err_errno(err, errno, "cannot make a socket pair");
	return 0;
}

bool line_send(int line, enum line_word word, const int *fds)
{
	uint32_t said = (uint32_t)word;
	struct iovec part = { .iov_base = &said, .iov_len = sizeof(said) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	union passed passed = { .bytes = { 0 } };
	ssize_t n;

	if (fds) {
		m.msg_control = passed.bytes;
		m.msg_controllen = sizeof(passed.bytes);
		passed.header.cmsg_level = SOL_SOCKET;
		passed.header.cmsg_type = SCM_RIGHTS;
		passed.header.cmsg_len = CMSG_LEN(LINE_FDS * sizeof(int));
		memcpy(CMSG_DATA(&passed.header), fds, LINE_FDS * sizeof(int));
	}
	do {
		n = sendmsg(line, &m, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(said);
}

/* How many descriptors came; they are in `ret`. There is room for no more than LINE_FDS. */
static size_t take_fds(struct msghdr *m, int ret[LINE_FDS])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = min_size((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), LINE_FDS);
		memcpy(ret, CMSG_DATA(c), n * sizeof(int));
	}
	return n;
}

static bool is_word(ssize_t n, const struct msghdr *m, uint32_t said, size_t n_fds)
{
	return n == (ssize_t)sizeof(said) && !(m->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	       said >= LINE_PORT && said <= LINE_RELOADED &&
	       n_fds == (said == LINE_PORT ? LINE_FDS : 0);
}

enum line_outcome line_take(int line, enum line_word *ret, int ret_fds[LINE_FDS])
{
	uint32_t said = 0;
	struct iovec part = { .iov_base = &said, .iov_len = sizeof(said) };
	union passed passed = { .bytes = { 0 } };
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = passed.bytes,
		.msg_controllen = sizeof(passed.bytes) };
	int fds[LINE_FDS];
	size_t n_fds;
	ssize_t n;

	do {
		n = recvmsg(line, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? LINE_EMPTY : LINE_BROKEN;
	n_fds = take_fds(&m, fds);
	if (!is_word(n, &m, said, n_fds)) {
		for (size_t i = 0; i < n_fds; i++)
			close(fds[i]);
		return LINE_BROKEN;
	}
	*ret = (enum line_word)said;
	memcpy(ret_fds, fds, n_fds * sizeof(int));
	return LINE_WORD;
}
