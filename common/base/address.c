#include "common/base/address.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
#define V6_LETTERS "abcdefABCDEF0123456789:."
#define SHOWN_MAX 80

static int wrong(const char *s, const char *what, struct err *err)
{
	char shown[SHOWN_MAX];

	return err_set(err, ERR_USAGE, "'%s' is no address: %s",
		text_escape(shown, sizeof(shown), s, strlen(s)), what);
}

/* ":PORT" or nothing. */
static bool parse_port(const char *s, uint16_t *ret)
{
	unsigned port = 0;

	if (*s == '\0') {
		*ret = ADDRESS_PORT_DEFAULT;
		return true;
	}
	if (*s++ != ':' || *s == '\0' || strlen(s) > 5)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		port = port * 10 + (unsigned)(*s - '0');
	}
	if (port == 0 || port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* Digits, colons and maybe a zone ("fe80::1%eth0"). */
static bool is_v6(const char *s, size_t n)
{
	size_t digits = strspn(s, V6_LETTERS);

	if (digits < 2 || digits > n || !memchr(s, ':', digits))
		return false;
	if (digits == n)
		return true;
	return s[digits] == '%' && n - digits > 1 &&
	       strspn(s + digits + 1, NAME_LETTERS) == n - digits - 1;
}

int address_parse(const char *s, struct address *ret, struct err *err)
{
	struct address a = { .port = 0 };
	const char *host = s, *rest;
	size_t n;

	if (*s == '[') {
		host = s + 1;
		n = strcspn(host, "]");
		if (host[n] != ']' || !is_v6(host, n))
			return wrong(s, "between [ and ] stands an IPv6 address", err);
		rest = host + n + 1;
	} else {
		n = strcspn(host, ":");
		rest = host + n;
		if (*rest && strchr(rest + 1, ':'))
			return wrong(s, "put an IPv6 address in brackets, as in [::1]:7747", err);
		if (strspn(host, NAME_LETTERS) != n || (n > 0 && host[0] == '-'))
			return wrong(s, "the host has letters that no host has", err);
	}
	if (*s == '\0')
		return wrong(s, "it is empty; write HOST:PORT", err);
	if (n > ADDRESS_HOST_MAX)
		return wrong(s, "the host is too long", err);
	if (!parse_port(rest, &a.port))
		return wrong(s, "behind the host stands : and a port from 1 to 65535", err);
	memcpy(a.host, host, n);
	*ret = a;
	return 0;
}

char *address_print(const struct address *a, char ret[ADDRESS_TEXT_MAX + 1])
{
	bool v6 = strchr(a->host, ':') != NULL;

	snprintf(ret, ADDRESS_TEXT_MAX + 1, "%s%s%s:%u", v6 ? "[" : "", a->host, v6 ? "]" : "",
		(unsigned)a->port);
	return ret;
}
