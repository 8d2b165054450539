/*
 * Which files a process may still open, make or remove: the kernel enforces it (Landlock), also
 * against root. What is open already stays usable. Main thread.
 */
#pragma once

#include "common/base/err.h"

/*
 * From here on this process, for good, may change what is beneath `own` (n paths) and nothing else,
 * and read only that, the system's libraries and what it says of this process itself. Paths that
 * are not there are passed over. *ret_held: false on a kernel that has no Landlock, where nothing
 * changes. New privileges must be given up before.
 */
int landlock_enter(const char *const *own, size_t n, bool *ret_held, struct err *err) MUST_CHECK;
