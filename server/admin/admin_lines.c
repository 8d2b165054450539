/* The lines of an admin command: put together, and taken apart again. */
#include "server/admin/admin_impl.h"

#include "common/base/text.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 8192u	  /* of a line that is put together here */
#define ESCAPED_MAX 4096u /* of one that had to be escaped */

static int append(const char *bytes, size_t n, void *ctx)
{
	buf_append(ctx, bytes, n);
	return buf_ok(ctx) ? 0 : -1;
}

static void put_object(struct buf *to, json_t *object)
{
	if (!object || json_dump_callback(object, append, to, JSON_COMPACT) != 0)
		to->failed = true;
	buf_append(to, "\n", 1);
	json_decref(object);
}

static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char *escaped;

	if (json || !(escaped = malloc(ESCAPED_MAX)))
		return json;
	/* It is not UTF-8: a path may hold anything. */
	json = json_string(text_escape(escaped, ESCAPED_MAX, text, strlen(text)));
	free(escaped);
	return json;
}

void admin_put_line(struct buf *to, const char *word, const char *text)
{
	json_t *json = text_json(text);

	put_object(to, json_pack("{s:O?}", word, json));
	if (json) /* it may have been a secret, and jansson wipes nothing */
		sodium_memzero((char *)json_string_value(json), json_string_length(json));
	json_decref(json);
}

void admin_put_done(struct buf *to, const struct err *result)
{
	put_object(to, json_pack("{s:s, s:o?}", "done", err_code_name(result->code), "error",
			       text_json(result->code == ERR_NONE ? "" : result->text)));
}

static void put_text(struct admin_call *c, const char *word, const char *fmt, va_list ap)
	PRINTF_LIKE(3, 0);

static void put_text(struct admin_call *c, const char *word, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	admin_put_line(&c->replies, word, text);
	sodium_memzero(text, sizeof(text));
}

#define LINE_FUNCTION(name, word)                                                                  \
	void name(struct admin_call *c, const char *fmt, ...)                                      \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		put_text(c, word, fmt, ap);                                                        \
		va_end(ap);                                                                        \
	}

LINE_FUNCTION(admin_out, "out")
LINE_FUNCTION(admin_note, "note")
LINE_FUNCTION(admin_progress, "progress")

void admin_out_json(struct admin_call *c, json_t *object)
{
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (line)
		admin_put_line(&c->replies, "out", line);
	else
		c->replies.failed = true;
	free(line);
	json_decref(object);
}

json_t *admin_merge(json_t *to, json_t *more)
{
	if (to && json_object_update_new(to, more) == 0)
		return to;
	if (!to)
		json_decref(more);
	json_decref(to);
	return NULL;
}

void admin_out_domain(struct admin_call *c, bool ok, json_t *fields)
{
	admin_out_json(c, admin_merge(json_pack("{s:s, s:s, s:b}", "event", "domain", "name",
					      admin_domain(c), "ok", ok),
				  fields));
}

/* --- the other end --- */

static int parse_done(json_t *json, const char *word, struct err *ret, struct err *err)
{
	const char *text = json_string_value(json_object_get(json, "error"));

	for (int code = 0; code < ERR_CODE_COUNT; code++) {
		if (strcmp(word, err_code_name((enum err_code)code)) != 0)
			continue;
		*ret = (struct err){ 0 };
		if (code != ERR_NONE)
			err_set(ret, (enum err_code)code, "%s", text ? text : word);
		return 0;
	}
	return err_set(err, ERR_PROTOCOL, "drayd serve answered with an unknown code");
}

int admin_parse_reply(const char *line, size_t n, struct admin_reply *ret, struct err *err)
{
	static const char *const words[] = { [ADMIN_OUT] = "out",
		[ADMIN_NOTE] = "note",
		[ADMIN_PROGRESS] = "progress",
		[ADMIN_DONE] = "done" };
	json_t *json = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

	*ret = (struct admin_reply){ .json = json };
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *text = json_string_value(json_object_get(json, words[i]));

		if (!text)
			continue;
		ret->kind = (enum admin_reply_kind)i;
		ret->text = text;
		if (ret->kind != ADMIN_DONE || parse_done(json, text, &ret->result, err) == 0)
			return 0;
		json_decref(json);
		return -1;
	}
	json_decref(json);
	return err_set(err, ERR_PROTOCOL, "drayd serve answered with something that is no reply");
}
