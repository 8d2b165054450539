/*
 * Where a receiver listens, as text: HOST, HOST:PORT, [V6] or [V6]:PORT, and for those who listen
 * on all addresses :PORT. Only the form is checked here; names are looked up by whoever connects.
 * Any thread.
 */
#pragma once

#include "common/base/err.h"

#define ADDRESS_PORT_DEFAULT 7747
#define ADDRESS_HOST_MAX 253 /* the longest name that DNS can hold */
#define ADDRESS_TEXT_MAX (ADDRESS_HOST_MAX + 8)

struct address {
	char host[ADDRESS_HOST_MAX + 1]; /* without brackets; empty for ":PORT" */
	uint16_t port;
};

/* Ports are 1 to 65535. ERR_USAGE says what is wrong. */
int address_parse(const char *s, struct address *ret, struct err *err) MUST_CHECK;

/* The form that address_parse reads, always with the port. Returns `ret`. */
char *address_print(const struct address *a, char ret[ADDRESS_TEXT_MAX + 1]);
