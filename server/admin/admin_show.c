#include "server/admin/admin_show.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/secret_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_EVERY_MS 3000u
#define COLUMNS_DEFAULT 80
#define RESULT "{\"event\":\"result\""

static bool line_open; /* the terminal's last line is progress; the log's hook has no context */

static void clear_line(void)
{
	if (line_open)
		fputs("\r\033[K", stderr);
	line_open = false;
}

void admin_show_init(struct admin_show *s)
{
	*s = (struct admin_show){ .terminal = isatty(STDERR_FILENO) == 1,
		.said_ms = clock_monotonic_ms() };
	buf_init(&s->line, ADMIN_REPLY_MAX);
	log_set_hook(clear_line);
}

void admin_show_done(struct admin_show *s)
{
	log_set_hook(NULL);
	clear_line();
	secret_file_wipe(&s->line);
}

/* Columns that a line may take without wrapping, which would break its redrawing. */
static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
		return COLUMNS_DEFAULT - 1;
	return size.ws_col - 1;
}

static void show_progress(struct admin_show *s, const char *text)
{
	uint64_t now = clock_monotonic_ms();

	if (s->terminal) {
		fprintf(stderr, "\r\033[K%.*s", columns(), text);
		fflush(stderr);
		line_open = true;
	} else if (now - s->said_ms >= LINE_EVERY_MS) {
		log_info("%s", text);
		s->said_ms = now;
	}
}

static void show_out(struct admin_show *s, const char *text)
{
	clear_line();
	puts(text);
	fflush(stdout); /* in order with what goes to stderr */
	if (strncmp(text, RESULT, strlen(RESULT)) == 0)
		s->result_shown = true;
}

static int show_line(struct admin_show *s, struct err *err)
{
	struct admin_reply reply;

	if (s->over)
		return err_set(err, ERR_PROTOCOL, "drayd serve went on after its answer");
	if (admin_parse_reply((const char *)buf_bytes(&s->line), buf_len(&s->line), &reply, err) !=
		0)
		return -1;
	switch (reply.kind) {
	case ADMIN_OUT:
		show_out(s, reply.text);
		break;
	case ADMIN_NOTE:
		log_info("%s", reply.text);
		break;
	case ADMIN_PROGRESS:
		show_progress(s, reply.text);
		break;
	case ADMIN_DONE:
		s->result = reply.result;
		s->over = true;
		break;
	}
	json_decref(reply.json);
	return 0;
}

int admin_show_take(struct admin_show *s, const void *bytes, size_t n, struct err *err)
{
	const char *at = bytes, *newline;

	while (n > 0) {
		newline = memchr(at, '\n', n);
		size_t part = newline ? (size_t)(newline - at) : n;

		buf_append(&s->line, at, part);
		if (!buf_ok(&s->line))
			return err_set(err, ERR_LIMIT, "drayd serve sent a line without an end");
		if (!newline)
			return 0;
		if (show_line(s, err) != 0)
			return -1;
		explicit_bzero(buf_bytes(&s->line), buf_len(&s->line));
		buf_clear(&s->line);
		at += part + 1;
		n -= part + 1;
	}
	return 0;
}

int admin_show_end(struct admin_show *s, const char *command, bool json, const struct err *why)
{
	json_t *result;
	char *line;

	if (why->code == ERR_NONE)
		return 0;
	if (json && !s->result_shown) {
		result = json_pack("{s:s, s:b, s:s, s:s, s:s*}", "event", "result", "ok", 0, "kind",
			command, "code", err_code_name(why->code), "error", why->text);
		line = result ? json_dumps(result, JSON_COMPACT) : NULL;
		if (line)
			show_out(s, line);
		free(line);
		json_decref(result);
	}
	return program_fail(why);
}
