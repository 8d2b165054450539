/*
 * The log of the two programs, to stderr, one line a call with a level. Library code (common,
 * protocol) does not log: it returns errors. Lines never hold secrets; names from outside go
 * through text_escape first. Any thread.
 */
#pragma once

#include "common/base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* `program` is put before each line; `stamps` adds the UTC time (for daemons). */
void log_start(const char *program, enum log_level level, bool stamps);
enum log_level log_level(void);

void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Called before a line is printed, so that a progress line can get out of its way (NULL: none). */
void log_set_hook(void (*before_line)(void));
