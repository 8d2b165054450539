#include "common/engine/load_reply.h"

#include "common/base/text.h"

#include <jansson.h>
#include <string.h>

#define TEXT_SHOWN_MAX 600

void load_reply_init(struct load_reply *r)
{
	*r = (struct load_reply){ 0 };
	buf_init(&r->line, LOAD_REPLY_LINE_MAX);
}

void load_reply_done(struct load_reply *r)
{
	buf_done(&r->line);
}

static void fail(struct load_reply *r, const char *what, const char *text)
{
	char shown[TEXT_SHOWN_MAX];
	size_t n = strlen(text);

	if (r->failed)
		return;
	r->failed = true;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	err_set(&r->err, ERR_ENGINE, "%s%s", what, text_escape(shown, sizeof(shown), text, n));
}

static bool starts_with(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static void take_object(struct load_reply *r, const json_t *line)
{
	const json_t *error = json_object_get(line, "error");
	const json_t *detail = json_object_get(line, "errorDetail");
	const char *stream = json_string_value(json_object_get(line, "stream"));
	const char *message = json_string_value(json_object_get(detail, "message"));

	if (error || detail) {
		if (!message)
			message = json_string_value(error);
		fail(r, "the engine could not load the image: ",
			message ? message : "it gives no reason");
	} else if (stream && starts_with(stream, "Error unpacking image")) {
		fail(r, "the engine could not load the image: ", stream);
	} else if (stream && (starts_with(stream, "Loaded image: ") ||
				     starts_with(stream, "Loaded image ID: "))) {
		r->loaded = true;
	}
}

static void take_line(struct load_reply *r)
{
	const char *text = (const char *)buf_bytes(&r->line);
	size_t n = buf_len(&r->line);
	json_t *line;

	while (n > 0 && (text[n - 1] == '\r' || text[n - 1] == ' '))
		n--;
	if (n == 0)
		return;
	line = json_loadb(text, n, 0, NULL);
	if (json_is_object(line))
		take_object(r, line);
	else
		fail(r, "the engine answered with something that is no JSON object", "");
	json_decref(line);
}

void load_reply_feed(struct load_reply *r, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n > 0 && !r->failed) {
		const char *end = memchr(at, '\n', n);
		size_t part = end ? (size_t)(end - at) : n;

		buf_append(&r->line, at, part);
		if (!buf_ok(&r->line)) {
			fail(r, "the engine answered with a line that is too long", "");
			return;
		}
		if (!end)
			return;
		take_line(r);
		buf_clear(&r->line);
		at = end + 1;
		n -= part + 1;
	}
}

int load_reply_end(struct load_reply *r, struct err *err)
{
	if (!r->failed && buf_len(&r->line) > 0)
		take_line(r);
	buf_clear(&r->line);
	if (r->failed)
		return err_set(err, r->err.code, "%s", r->err.text);
	if (!r->loaded)
		return err_set(err, ERR_ENGINE,
			"the engine ended its answer without saying that "
			"it loaded the image");
	return 0;
}
