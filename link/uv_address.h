/* A socket's address as text. */
#pragma once

#include "common/base/base.h"

#include <uv.h>

#define UV_ADDRESS_TEXT_MAX 64

/* "192.0.2.1:40123", "[2001:db8::1]:40123". */
void uv_address_text(const struct sockaddr_storage *address, char ret[UV_ADDRESS_TEXT_MAX]);
