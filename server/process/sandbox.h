/*
 * What a child of the supervisor may still do after it has started: the network process has no way
 * to the engine's socket or to files that are not its own, the engine process none to the network,
 * and neither can start a program, look into another process or change what it sees of the system.
 * The kernel enforces it (seccomp, Landlock), in every thread that is started from then on, for
 * good. What is open already stays usable, so sockets of a kind that is forbidden must be made
 * before. Main thread.
 */
#pragma once

#include "common/base/err.h"

enum sandbox {
	SANDBOX_NET,	   /* sockets: IPv4 and IPv6 only, and no socket pairs */
	SANDBOX_ENGINE,	   /* sockets: unix only, as the engine's is */
	SANDBOX_ENGINE_TCP /* an engine on TCP: IPv4 and IPv6 only, and none to be called at */
};

/*
 * Enters the sandbox. A refused call fails: EACCES for a socket or a file, EPERM for all else. Also
 * drops the capabilities that receiving needs none of. SANDBOX_NET keeps, where the kernel has
 * Landlock, only the right to change what is beneath `own` (n paths) and to read what libraries
 * need. The other two keep their files (NULL, 0). SANDBOX_ENGINE is put, where that is permitted
 * (as root), into a network namespace of its own, with nothing in it. ERR_FAILED when other threads
 * run already, because they would keep theirs.
 */
int sandbox_enter(enum sandbox kind, const char *const *own, size_t n, struct err *err) MUST_CHECK;
