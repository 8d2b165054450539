#include "protocol/limits.h"
#include "protocol/message.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* Values for every field type of message.def, out of one stream of numbers. What they point to is
 * kept in `at` below until the next message. */
static uint64_t source;

static uint64_t draw(void)
{
	source = source * 6364136223846793005u + 1442695040888963407u;
	return source >> 11;
}

static struct {
	uint8_t bytes[32][4096];
	unsigned n;
} store;

static uint8_t *fresh(size_t n)
{
	uint8_t *at = store.bytes[store.n++];

	assert_true(store.n <= ARRAY_LEN(store.bytes) && n <= sizeof(store.bytes[0]));
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)draw();
	return at;
}

/* Counts of 0 and 1 come often. */
static uint16_t count(unsigned max)
{
	uint64_t n = draw();

	return (uint16_t)(n % 4 == 0 ? 0 : n % 4 == 1 ? 1 : n / 4 % (max + 1));
}

static wire_u8 make_u8(void)
{
	return (uint8_t)draw();
}

static wire_u16 make_u16(void)
{
	return (uint16_t)draw();
}

static wire_u32 make_u32(void)
{
	return (uint32_t)draw();
}

static wire_u64 make_u64(void)
{
	return draw() << 20 ^ draw();
}

static wire_digest make_digest(void)
{
	wire_digest d;

	memcpy(d.bytes, fresh(32), 32);
	return d;
}

static wire_secret make_secret(void)
{
	wire_secret s;

	memcpy(s.bytes, fresh(32), 32);
	return s;
}

static wire_id make_id(void)
{
	wire_id id;

	memcpy(id.bytes, fresh(16), 16);
	return id;
}

static wire_text make_text(void)
{
	uint16_t n = count(300);

	return wire_text_of((const char *)fresh(n), n);
}

static wire_bytes make_bytes(void)
{
	uint32_t n = count(4096);

	return (wire_bytes){ .p = fresh(n), .n = n };
}

static wire_digests make_digests(void)
{
	uint32_t n = count(100);

	return (wire_digests){ .at = (const struct digest *)fresh(n * DIGEST_LEN), .n = n };
}

static wire_shorts make_shorts(void)
{
	uint32_t n = count(400);

	return (wire_shorts){ .raw = fresh((size_t)n * 8), .n = n };
}

static wire_numbers make_numbers(void)
{
	return make_shorts();
}

static wire_texts make_texts(void)
{
	static struct buf encoded;
	uint16_t n = count(5);
	const char *const strings[] = { "", "a", "localhost:5000/web:1", "name\xc3\xa9", "b" };

	if (encoded.max == 0)
		buf_init(&encoded, 4096);
	return wire_texts_of(&encoded, strings, n);
}

#define MESSAGE(number, NAME, name, fields)                                                        \
	static void make_##name(struct msg_##name *m)                                              \
	{                                                                                          \
		fields                                                                             \
	}
#define F(type, field) m->field = make_##type();
#include "protocol/message.def"
#undef F
#undef MESSAGE

static void make(unsigned type, struct message *ret)
{
	memset(ret, 0, sizeof(*ret));
	store.n = 0;
	ret->type = type;
	switch (type) {
#define MESSAGE(number, NAME, name, fields)                                                        \
	case number:                                                                               \
		make_##name(&ret->name);                                                           \
		break;
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
	default:
		fail();
	}
}

static const unsigned types[] = {
#define MESSAGE(number, NAME, name, fields) number,
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
};

static void every_message_survives_encoding_and_decoding(void **state)
{
	struct buf first, second;
	struct message m, got;
	struct err err;

	(void)state;
	buf_init(&first, CONTROL_MESSAGE_MAX);
	buf_init(&second, CONTROL_MESSAGE_MAX);
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		for (unsigned round = 0; round < 200; round++) {
			buf_clear(&first);
			buf_clear(&second);
			make(types[t], &m);
			message_put(&first, &m);
			assert_true(buf_ok(&first));
			assert_ok(message_parse(
					  types[t], buf_bytes(&first), buf_len(&first), &got, &err),
				&err);
			assert_int_equal(got.type, types[t]);
			message_put(&second, &got);
			assert_int_equal(buf_len(&first), buf_len(&second));
			assert_memory_equal(buf_bytes(&first), buf_bytes(&second), buf_len(&first));
		}
	}
	buf_done(&first);
	buf_done(&second);
}

/* In memory of the exact size, so that a sanitizer sees a byte read too much. */
static int parse_exactly(unsigned type, const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct message m;
	struct err err;
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, n);
	r = message_parse(type, copy, n, &m, &err);
	if (r != 0)
		assert_int_equal(err.code, ERR_PROTOCOL);
	free(copy);
	return r;
}

static void every_truncation_and_one_more_byte_are_refused(void **state)
{
	struct buf encoded;
	struct message m;

	(void)state;
	buf_init(&encoded, CONTROL_MESSAGE_MAX);
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		for (unsigned round = 0; round < 4; round++) {
			size_t len;

			buf_clear(&encoded);
			make(types[t], &m);
			message_put(&encoded, &m);
			len = buf_len(&encoded);
			buf_u8(&encoded, 0);
			for (size_t n = 0; n < len; n++)
				assert_int_equal(
					parse_exactly(types[t], buf_bytes(&encoded), n), -1);
			assert_int_equal(parse_exactly(types[t], buf_bytes(&encoded), len), 0);
			assert_int_equal(parse_exactly(types[t], buf_bytes(&encoded), len + 1), -1);
		}
	}
	buf_done(&encoded);
}

static void the_fields_of_a_message_arrive_as_they_were(void **state)
{
	static const uint8_t raw[16] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80 };
	const char *const tags[] = { "web:1", "", "registry.example/team/web:latest" };
	struct digest digests[2] = { { { 1 } }, { { 2 } } };
	struct buf encoded, texts;
	struct message m, got;
	const uint8_t *at;
	struct err err;
	wire_text text;

	(void)state;
	buf_init(&encoded, CONTROL_MESSAGE_MAX);
	buf_init(&texts, 4096);
	m = (struct message){ .type = MSG_IMAGE_OFFER,
		.image_offer = { .job = 7,
			.image = { { 9 } },
			.size = UINT64_C(0x0102030405060708),
			.diff_ids = { .at = digests, .n = 2 },
			.sizes = { .raw = raw, .n = 2 },
			.tags = wire_texts_of(&texts, tags, 3) } };
	message_put(&encoded, &m);
	assert_memory_equal(buf_bytes(&encoded), "\x07\0\0\0\x09", 5);
	assert_memory_equal(buf_bytes(&encoded) + 36, "\x08\x07\x06\x05\x04\x03\x02\x01\x02", 9);
	assert_ok(
		message_parse(MSG_IMAGE_OFFER, buf_bytes(&encoded), buf_len(&encoded), &got, &err),
		&err);
	assert_int_equal(got.image_offer.size, m.image_offer.size);
	assert_int_equal(got.image_offer.diff_ids.n, 2);
	assert_true(digest_equal(&got.image_offer.diff_ids.at[1], &digests[1]));
	assert_int_equal(got.image_offer.sizes.n, 2);
	assert_int_equal(wire_number(&got.image_offer.sizes, 0), 1);
	assert_true(wire_number(&got.image_offer.sizes, 1) == UINT64_C(1) << 63);
	at = got.image_offer.tags.raw;
	for (unsigned i = 0; i < 3; i++) {
		char *s;

		assert_true(wire_texts_next(&got.image_offer.tags, &at, &text));
		s = wire_text_dup(&text);
		assert_string_equal(s, tags[i]);
		free(s);
	}
	assert_false(wire_texts_next(&got.image_offer.tags, &at, &text));

	buf_clear(&encoded);
	m = (struct message){ .type = MSG_ASK_CHUNKS,
		.ask_chunks = { .blob = 1, .names = { .raw = raw, .n = 2 } } };
	message_put(&encoded, &m);
	assert_ok(message_parse(MSG_ASK_CHUNKS, buf_bytes(&encoded), buf_len(&encoded), &got, &err),
		&err);
	assert_true(wire_short(&got.ask_chunks.names, 0) == 1);
	assert_true(wire_short(&got.ask_chunks.names, 1) == UINT64_C(1) << 63);
	buf_done(&encoded);
	buf_done(&texts);
}

static void counts_that_lie_are_refused(void **state)
{
	uint8_t shorts[12] = { 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	uint8_t bytes[16] = { [8] = 5 };
	uint8_t many[12] = { 0, 0, 0, 0, 1, 0, 0,
		0x20 }; /* times 8 it would wrap around in 32 bits */

	(void)state;
	assert_int_equal(parse_exactly(MSG_ASK_CHUNKS, shorts, sizeof(shorts)), -1);
	assert_int_equal(parse_exactly(MSG_ASK_CHUNKS, many, sizeof(many)), -1);
	assert_int_equal(parse_exactly(MSG_ASK_CHUNKS_FULL, many, sizeof(many)), -1);
	assert_int_equal(parse_exactly(MSG_SEGMENT, bytes, sizeof(bytes)), -1);
	bytes[8] = 4;
	assert_int_equal(parse_exactly(MSG_SEGMENT, bytes, sizeof(bytes)), 0);
}

static void unknown_types_and_bodies_over_the_limit_are_refused(void **state)
{
	uint8_t *body = calloc(1, SEGMENT_MESSAGE_MAX + 1);
	struct message m;
	struct err err;

	(void)state;
	assert_non_null(body);
	for (unsigned type = 0; type < 300; type++) {
		if (strcmp(message_name(type), "?") != 0)
			continue;
		assert_fails(message_parse(type, body, 0, &m, &err), &err, ERR_PROTOCOL);
	}
	assert_fails(message_parse(MSG_SEGMENT, body, SEGMENT_MESSAGE_MAX + 1, &m, &err), &err,
		ERR_PROTOCOL);
	assert_fails(message_parse(MSG_TELL_CHUNKS, body, CONTROL_MESSAGE_MAX + 1, &m, &err), &err,
		ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "too long"));
	free(body);
}

/* Numbers are one byte with the high bit free, and what the limits allow fits into a message. */
static void numbers_and_limits_fit_the_wire(void **state)
{
	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		assert_in_range(types[t], 1, 127);
	assert_true(4 + 1 + 1 + 4 + ASK_RECIPES_MAX * DIGEST_LEN <= message_max(MSG_ASK_RECIPES));
	assert_true(4 + 4 + ASK_CHUNKS_MAX * 8 <= message_max(MSG_ASK_CHUNKS));
	assert_true(4 + 4 + ASK_CHUNKS_FULL_MAX * DIGEST_LEN <= message_max(MSG_ASK_CHUNKS_FULL));
	assert_true(4 + 32 + 8 + 4 + OFFER_LAYERS_MAX * DIGEST_LEN + 2 +
			    OFFER_TAGS_MAX * (2 + TAG_LEN_MAX) <=
		    message_max(MSG_IMAGE_OFFER));
	assert_true(8 + 4 + SEGMENT_RECORD_MAX <= message_max(MSG_SEGMENT));
	assert_true(4 + 2 + 2 + FAIL_TEXT_MAX <= message_max(MSG_FAIL));
}

RUN_TESTS(TEST(every_message_survives_encoding_and_decoding),
	TEST(every_truncation_and_one_more_byte_are_refused),
	TEST(the_fields_of_a_message_arrive_as_they_were), TEST(counts_that_lie_are_refused),
	TEST(unknown_types_and_bodies_over_the_limit_are_refused),
	TEST(numbers_and_limits_fit_the_wire))
