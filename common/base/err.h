/*
 * The one error type. A function that can fail returns int, 0 or -1, and takes `struct err *` as
 * its last parameter; on -1 the error is filled in, on 0 it is untouched. The caller that knows
 * more (which file, which peer, which image) adds it with err_wrap. The text is for people: what
 * was wrong, where, what to do. It never holds a secret, and names from outside are escaped before
 * they go in (text_escape).
 */
#pragma once

#include "common/base/base.h"

#include <stdarg.h>

enum err_code {
	ERR_NONE = 0,
	ERR_FAILED,	 /* anything without a better name */
	ERR_USAGE,	 /* the command line or a configuration file is wrong */
	ERR_NOT_FOUND,	 /* the named thing is not there */
	ERR_REFUSED,	 /* authentication or permission */
	ERR_UNREACHABLE, /* the peer or the engine cannot be reached, or the link was lost */
	ERR_VERIFY,	 /* bytes do not hash to the name they were given */
	ERR_INTERRUPTED, /* the user stopped it */
	ERR_NOMEM,	 /* an allocation failed */
	ERR_LIMIT,	 /* a named limit would be passed */
	ERR_PROTOCOL,	 /* the peer broke the protocol */
	ERR_CORRUPT,	 /* stored data is damaged */
	ERR_IO,		 /* the operating system refused */
	ERR_FULL,	 /* the disk or a quota is full */
	ERR_ENGINE,	 /* the container engine reported a failure */
	ERR_AGAIN, /* it cannot be done just now: the same again a little later may well succeed */
	ERR_CODE_COUNT
};

#define ERR_TEXT_MAX 1024

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX];
};

/* Sets code and text; returns -1, so that `return err_set(…)` reads well. `err` may be NULL. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set, with ": " and the text of `errnum`; ENOSPC and its kin become ERR_FULL, else ERR_IO.
 */
int err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "fmt: " before the text, keeping the code; returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Returns -1 with ERR_NOMEM. */
int err_nomem(struct err *err);

/* The process exit code that the command-line contract gives this error. */
int err_exit_code(const struct err *err);

/* A short stable word for a code ("refused"), for logs and --json. */
const char *err_code_name(enum err_code code);
