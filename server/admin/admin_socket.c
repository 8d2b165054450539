#include "server/admin/admin_socket.h"

#include "server/admin/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "admin.sock"
#define ASK_SECONDS 5 /* a process that does not even take the connection is stuck */

static struct sockaddr_un address_in(int dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" NAME, dir);
	return a;
}

/* --- making it --- */

static int remove_old(int dir, const char *state_dir, struct err *err)
{
	struct stat st;

	if (fstatat(dir, NAME, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT
			       ? 0
			       : err_errno(err, errno, "cannot look at %s/" NAME, state_dir);
	if (!S_ISSOCK(st.st_mode))
		return err_set(
			err, ERR_FAILED, "%s/" NAME " is in the way: it is no socket", state_dir);
	if (unlinkat(dir, NAME, 0) != 0)
		return err_errno(err, errno, "cannot remove the old %s/" NAME, state_dir);
	return 0;
}

static int bind_and_listen(const struct admin_socket *s)
{
	struct sockaddr_un a = address_in(s->dir);
	/* Never with more than the owner's rights, not for a moment. */
	mode_t mask = umask(0177);
	int r = bind(s->fd, (struct sockaddr *)&a, sizeof(a));
	int why = errno;

	umask(mask);
	errno = why;
	return r == 0 ? listen(s->fd, ADMIN_CLIENTS_MAX) : -1;
}

int admin_socket_make(const char *state_dir, struct admin_socket *ret, struct err *err)
{
	struct admin_socket s = { .fd = -1 };
	struct stat st;

	s.dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dir < 0)
		return err_errno(err, errno, "cannot open the directory %s", state_dir);
	if (remove_old(s.dir, state_dir, err) != 0) {
		close(s.dir);
		return -1;
	}
	s.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s.fd < 0 || bind_and_listen(&s) != 0 ||
		fstatat(s.dir, NAME, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		err_errno(err, errno, "cannot make %s/" NAME, state_dir);
		if (s.fd >= 0)
			close(s.fd);
		close(s.dir);
		return -1;
	}
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	*ret = s;
	return 0;
}

void admin_socket_remove(struct admin_socket *s)
{
	struct stat st;

	if (fstatat(s->dir, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == s->dev &&
		st.st_ino == s->ino)
		unlinkat(s->dir, NAME, 0);
	if (s->fd >= 0)
		close(s->fd);
	close(s->dir);
	*s = (struct admin_socket){ .fd = -1, .dir = -1 };
}

/* --- asking --- */

static int connect_in(int dir, const char *state_dir, int *ret, struct err *err)
{
	const struct timeval limit = { .tv_sec = ASK_SECONDS };
	struct sockaddr_un a = address_in(dir);
	int why, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(err, errno, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		*ret = fd;
		return 0;
	}
	why = errno;
	close(fd);
	if (why == EACCES || why == EPERM)
		return err_set(err, ERR_REFUSED,
			"%s/" NAME " is not for user %lu: only root and the user that serves may",
			state_dir, (unsigned long)geteuid());
	return err_set(err, ERR_NOT_FOUND, "nobody answers at %s/" NAME, state_dir);
}

int admin_socket_ask(const char *state_dir, int *ret, struct err *err)
{
	int r, dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(err, ERR_NOT_FOUND, "there is no directory %s", state_dir);
	r = connect_in(dir, state_dir, ret, err);
	close(dir);
	return r;
}

bool admin_socket_may(int fd, unsigned *ret_uid)
{
	socklen_t n = sizeof(struct ucred);
	struct ucred who;

	*ret_uid = (unsigned)-1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || n != sizeof(who))
		return false;
	*ret_uid = who.uid;
	return who.uid == 0 || who.uid == geteuid();
}
