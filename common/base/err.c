#include "common/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cleanup_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

static void put_text(struct err *err, enum err_code code, const char *fmt, va_list ap)
	PRINTF_LIKE(3, 0);

static void put_text(struct err *err, enum err_code code, const char *fmt, va_list ap)
{
	err->code = code;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		put_text(err, code, fmt, ap);
		va_end(ap);
	}
	return -1;
}

static enum err_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

int err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	if (!err)
		return -1;
	va_start(ap, fmt);
	put_text(err, code_of_errno(errnum), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(errnum));
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char inner[ERR_TEXT_MAX];
	va_list ap;
	size_t used;

	if (!err)
		return -1;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
	return -1;
}

int err_nomem(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

static const struct {
	const char *name;
	int exit_code;
} codes[ERR_CODE_COUNT] = {
	[ERR_NONE] = { "none", 0 },
	[ERR_FAILED] = { "failed", 1 },
	[ERR_USAGE] = { "usage", 2 },
	[ERR_NOT_FOUND] = { "not-found", 4 },
	[ERR_REFUSED] = { "refused", 5 },
	[ERR_UNREACHABLE] = { "unreachable", 6 },
	[ERR_VERIFY] = { "verify", 7 },
	[ERR_INTERRUPTED] = { "interrupted", 130 },
	[ERR_NOMEM] = { "nomem", 1 },
	[ERR_LIMIT] = { "limit", 1 },
	[ERR_PROTOCOL] = { "protocol", 1 },
	[ERR_CORRUPT] = { "corrupt", 7 },
	[ERR_IO] = { "io", 1 },
	[ERR_FULL] = { "full", 1 },
	[ERR_ENGINE] = { "engine", 1 },
	[ERR_AGAIN] = { "again", 6 },
};

int err_exit_code(const struct err *err)
{
	return codes[err->code].exit_code;
}

const char *err_code_name(enum err_code code)
{
	return (unsigned)code < ERR_CODE_COUNT ? codes[code].name : "unknown";
}
