#include "protocol/message.h"

#include "common/base/text.h"
#include "protocol/limits.h"

#include <string.h>

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void put_##name(struct buf *to, const struct msg_##name *m)                         \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) wire_put_##type(to, &m->field);
#include "protocol/message.def"
#undef F
#undef MESSAGE

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void get_##name(struct cursor *c, struct msg_##name *ret)                           \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) wire_get_##type(c, &ret->field);
#include "protocol/message.def"
#undef F
#undef MESSAGE

const char *message_name(unsigned type)
{
	switch (type) {
#define MESSAGE(number, NAME, name, fields)                                                        \
	case number:                                                                               \
		return #NAME;
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
	default:
		return "?";
	}
}

void message_put(struct buf *to, const struct message *m)
{
	switch (m->type) {
#define MESSAGE(number, NAME, name, fields)                                                        \
	case MSG_##NAME:                                                                           \
		put_##name(to, &m->name);                                                          \
		break;
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
	}
}

size_t message_max(unsigned type)
{
	if (type == MSG_MIGRATE || type == MSG_MIGRATED)
		return MIGRATE_MESSAGE_MAX;
	if (type == MSG_BACKUP_COMMIT || type == MSG_RESTORE_STATE)
		return BACKUP_MESSAGE_MAX;
	return type == MSG_SEGMENT ? SEGMENT_MESSAGE_MAX : CONTROL_MESSAGE_MAX;
}

int message_parse(unsigned type, const void *body, size_t n, struct message *ret, struct err *err)
{
	struct cursor c = cursor_over(body, n);

	if (n > message_max(type))
		return err_set(err, ERR_PROTOCOL, "message %s of %zu bytes is too long",
			message_name(type), n);
	memset(ret, 0, sizeof(*ret));
	switch (type) {
#define MESSAGE(number, NAME, name, fields)                                                        \
	case number:                                                                               \
		ret->type = MSG_##NAME;                                                            \
		get_##name(&c, &ret->name);                                                        \
		break;
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
	default:
		return err_set(err, ERR_PROTOCOL, "message of unknown type %u", type);
	}
	if (!cursor_end(&c))
		return err_set(err, ERR_PROTOCOL, "message %s of %zu bytes does not fit its fields",
			message_name(type), n);
	return 0;
}

struct message message_fail(uint32_t job, const struct err *why)
{
	struct message m = { .type = MSG_FAIL };

	m.fail.job = job;
	m.fail.code = (uint16_t)why->code;
	m.fail.text = wire_text_of(why->text, min_size(strlen(why->text), FAIL_TEXT_MAX));
	return m;
}

int message_failure(const struct msg_fail *m, const char *who, struct err *err)
{
	bool known = m->code > ERR_NONE && m->code < ERR_CODE_COUNT;
	char text[FAIL_TEXT_MAX + 1];

	text_escape(text, sizeof(text), m->text.s, m->text.n);
	return err_set(err, known ? (enum err_code)m->code : ERR_FAILED, "%s: %s", who, text);
}
