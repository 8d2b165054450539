/*
 * Which of an image's names were meant by what was typed, and so what it is to be called at the
 * target. Docker gives every name a registry, its own where none was typed; Podman also looks for a
 * name without one under "localhost/" and under every registry it knows. Pure. Any thread.
 */
#pragma once

#include "common/cargo/reference.h"

/*
 * Fills `ret` (room for n + 1) with the names that the image is to have, as pointers into `tags` or
 * to `as_typed`, and returns how many. The name that was typed, where the image has it. Else, of a
 * name without a registry: that name itself (`as_typed`, in full) where it is one of Podman's own,
 * under localhost/, since for Docker that is the name without one; or else what ends in it. An ID
 * stands for all names; a name with a digest for those under that name, if any.
 */
size_t names_choose(const char *typed, char *const *tags, size_t n, const char **ret,
	char as_typed[REFERENCE_TEXT_MAX + 1]);
