#include "common/base/buf.h"
#include "common/engine/engine_call.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#define PATH_MAX_LEN (16u << 10)

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c));
}

static void put_encoded(struct buf *to, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s; s++) {
		uint8_t c = (uint8_t)*s;
		char out[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (is_plain(*s))
			buf_append(to, s, 1);
		else
			buf_append(to, out, sizeof(out));
	}
}

char *engine_path(const char *fmt, ...)
{
	struct buf path;
	va_list ap;
	size_t len;

	buf_init(&path, PATH_MAX_LEN);
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt == '%') {
			fmt++;
			assert(*fmt == 's');
			put_encoded(&path, va_arg(ap, const char *));
		} else {
			buf_append(&path, fmt, 1);
		}
	}
	va_end(ap);
	buf_append(&path, "", 1);
	if (buf_ok(&path))
		return (char *)buf_steal(&path, &len);
	buf_done(&path);
	return NULL;
}
