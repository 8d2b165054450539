/*
 * STATE/admin.sock: making it, and asking there. Paths of any length: the kernel's limit for the
 * names of sockets is passed by through /proc/self/fd. Blocking; any thread.
 */
#pragma once

#include "common/base/err.h"

/* A listening socket, mode 0600. */
struct admin_socket {
	int fd;		   /* non-blocking; -1: none, or handed over */
	int dir;	   /* of the state directory */
	uint64_t dev, ino; /* of the socket's file */
};

/* One that a process left which was killed is replaced; what is no socket is ERR_FAILED. The caller
 * (or its parent) holds STATE/lock. */
int admin_socket_make(const char *state_dir, struct admin_socket *ret, struct err *err) MUST_CHECK;

/* Removes the file, if it is still this one, and closes what is open. */
void admin_socket_remove(struct admin_socket *s);

/* Connects. ERR_NOT_FOUND: nobody answers there; ERR_REFUSED: it is for others. */
int admin_socket_ask(const char *state_dir, int *ret, struct err *err) MUST_CHECK;

/* May the process at the other end administrate: is it root's, or of the same user? *ret_uid is
 * whose it is. */
bool admin_socket_may(int fd, unsigned *ret_uid);
