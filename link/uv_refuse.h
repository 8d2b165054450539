/* Turning a connection away. Loop's thread. */
#pragma once

#include <uv.h>

/* Takes the next connection of a listening socket, TCP or unix, and closes it: for whoever has no
 * memory to serve it, since one that is never taken keeps libuv from telling of any other. */
void uv_refuse(uv_stream_t *listener);
