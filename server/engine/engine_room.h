/* How many bytes the engine can still take. */
#pragma once

#include "common/engine/engine.h"

#define ENGINE_ROOM_UNKNOWN UINT64_MAX

/*
 * Free bytes of the file system that the engine keeps its images on, the part that is root's
 * included. ENGINE_ROOM_UNKNOWN when that is not seen from here (the engine is on another machine,
 * or this process in a container), or free bytes say little because the file system compresses.
 */
uint64_t engine_room(const struct engine_info *info);
