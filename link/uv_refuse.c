#include "link/uv_refuse.h"

#include <stdlib.h>

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

/* Needs a little memory itself, much less than a connection that is served. */
void uv_refuse(uv_stream_t *listener)
{
	union uv_any_handle *h = malloc(sizeof(*h));

	if (!h)
		return;
	if (listener->type == UV_TCP)
		uv_tcp_init(listener->loop, &h->tcp);
	else
		uv_pipe_init(listener->loop, &h->pipe, 0);
	(void)uv_accept(listener, &h->stream);
	uv_close(&h->handle, on_closed);
}
