#include "common/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 2048

static struct {
	pthread_mutex_t lock;
	const char *program;
	enum log_level level;
	bool stamps;
	void (*before_line)(void);
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER, .program = "dray", .level = LOG_INFO };

void log_start(const char *program, enum log_level level, bool stamps)
{
	pthread_mutex_lock(&the_log.lock);
	the_log.program = program;
	the_log.level = level;
	the_log.stamps = stamps;
	pthread_mutex_unlock(&the_log.lock);
}

enum log_level log_level(void)
{
	enum log_level level;

	pthread_mutex_lock(&the_log.lock);
	level = the_log.level;
	pthread_mutex_unlock(&the_log.lock);
	return level;
}

void log_set_hook(void (*before_line)(void))
{
	pthread_mutex_lock(&the_log.lock);
	the_log.before_line = before_line;
	pthread_mutex_unlock(&the_log.lock);
}

static size_t put_stamp(char *line, size_t size)
{
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &utc))
		return 0;
	return strftime(line, size, "%Y-%m-%dT%H:%M:%SZ ", &utc);
}

/* People at a terminal need not be told that an error is one: the line itself says so. */
static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_ERROR:
		return the_log.stamps ? "error: " : "";
	case LOG_WARN:
		return "warning: ";
	case LOG_DEBUG:
		return "debug: ";
	case LOG_INFO:
	default:
		return the_log.stamps ? "info: " : "";
	}
}

/* One call, one line: what would break the line or drive a terminal is blotted out. */
static void blot(char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
}

/* Adds to a line of which one byte is kept for its end; returns the new length. */
static size_t add(char *line, size_t at, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);

static size_t add(char *line, size_t at, const char *fmt, va_list ap)
{
	int put = vsnprintf(line + at, LINE_MAX_LEN - 1 - at, fmt, ap);

	return put < 0 ? at : min_size(at + (size_t)put, LINE_MAX_LEN - 2);
}

static void put_line(enum log_level level, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

static void put_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_LEN];
	size_t n = 0;

	pthread_mutex_lock(&the_log.lock);
	if (level <= the_log.level) {
		if (the_log.stamps)
			n = put_stamp(line, sizeof(line));
		n += (size_t)snprintf(
			line + n, 64, "%.20s: %s", the_log.program, level_word(level));
		n = add(line, n, fmt, ap);
		blot(line, n);
		line[n++] = '\n';
		if (the_log.before_line)
			the_log.before_line();
		for (size_t at = 0; at < n;) {
			ssize_t put = write(STDERR_FILENO, line + at, n - at);

			if (put <= 0)
				break; /* nobody left to tell */
			at += (size_t)put;
		}
	}
	pthread_mutex_unlock(&the_log.lock);
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		put_line(level, fmt, ap);                                                          \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG)
