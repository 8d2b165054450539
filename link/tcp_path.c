#include "link/tcp_path.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

bool tcp_path_look(int fd, struct tcp_path *ret)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	*ret = (struct tcp_path){ 0 };
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
		len < offsetof(struct tcp_info, tcpi_segs_in))
		return false;
	ret->rtt_us = info.tcpi_rtt;
	ret->acked_bytes = info.tcpi_bytes_acked;
	ret->sent = info.tcpi_segs_out;
	ret->retransmitted = info.tcpi_total_retrans;
	return true;
}

int tcp_path_congestion(int fd, const char *name, struct err *err)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0)
		return 0;
	if (errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND,
			"this kernel has no congestion control of that name (modprobe tcp_%s?)",
			name);
	if (errno == EPERM)
		return err_set(err, ERR_REFUSED,
			"this user may not use that congestion control "
			"(net.ipv4.tcp_allowed_congestion_control lists those that all may)");
	return err_errno(err, errno, "cannot choose the congestion control");
}

void tcp_path_keep_short(int fd, unsigned bytes)
{
	int n = (int)bytes;

	/* Where there is no such thing, more waits in the kernel. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &n, sizeof(n));
}
