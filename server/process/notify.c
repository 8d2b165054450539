/*
 * Tells the service manager. Happy path: one datagram. Failure modes: a NOTIFY_SOCKET that is no
 * address, a manager that is gone or does not read.
 */
#include "server/process/notify.h"

#include "common/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SHOWN_MAX 128

/* A path, or '@' and a name in the abstract space, where the '@' stands for a zero byte. */
static int address_of(
	const char *name, struct sockaddr_un *ret, socklen_t *ret_len, struct err *err)
{
	size_t n = strlen(name);
	char shown[SHOWN_MAX];

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof(ret->sun_path))
		return err_set(err, ERR_USAGE,
			"NOTIFY_SOCKET is '%s', which is no path of a socket and no @name",
			text_escape(shown, sizeof(shown), name, n));
	memcpy(ret->sun_path, name, n);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	else
		++*ret_len; /* with the path's end */
	return 0;
}

int notify_send(const char *lines, struct err *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to;
	socklen_t to_len;
	int fd, why;

	if (!name || !name[0])
		return 0;
	if (address_of(name, &to, &to_len, err) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "cannot tell the service manager");
	why = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (struct sockaddr *)&to, to_len) < 0
		      ? errno
		      : 0;
	close(fd);
	return why ? err_errno(err, why, "cannot tell the service manager") : 0;
}

int notify_reloading(struct err *err)
{
	struct timespec now;
	char lines[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		(uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
	return notify_send(lines, err);
}

/* A whole decimal number; 0 for anything else. */
static uint64_t number_in(const char *name)
{
	const char *s = getenv(name);
	char *end;
	unsigned long long n;

	if (!s || s[0] < '0' || s[0] > '9')
		return 0;
	errno = 0;
	n = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0' ? n : 0;
}

uint64_t notify_watchdog_ms(void)
{
	const char *whose = getenv("WATCHDOG_PID");

	if (whose && whose[0] && number_in("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return number_in("WATCHDOG_USEC") / 1000u;
}

void notify_forget(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}
