#include "server/engine/engine_port.h"
#include "tests/support/test.h"

#include <string.h>

/* One message of each type, every field with a value of its own. */
static size_t make_all(struct port_message *m, struct buf *texts, struct digest digests[2])
{
	static const char *const tags[] = { "a:1", "", "b/c:2" };
	wire_text key = wire_text_of("laptop", 6);
	wire_texts t = wire_texts_of(texts, tags, 3);
	wire_digests d = { .at = digests, .n = 2 };
	wire_bytes b = { .p = (const uint8_t *)"bytes", .n = 5 };
	size_t n = 0;

	m[n++] = (struct port_message){ .type = PORT_HAVE, .have = { 1, key, digests[0], d } };
	m[n++] = (struct port_message){ .type = PORT_OPEN,
		.open = { 2, key, digests[1], d, 1, t } };
	m[n++] = (struct port_message){ .type = PORT_MEMBER, .member = { 3, 65535, UINT64_MAX } };
	m[n++] = (struct port_message){ .type = PORT_DATA, .data = { 4, b } };
	m[n++] = (struct port_message){ .type = PORT_COMMIT, .commit = { 5 } };
	m[n++] = (struct port_message){ .type = PORT_TAG, .tag = { 6, key, digests[0], t } };
	m[n++] = (struct port_message){ .type = PORT_ABORT, .abort = { 7, 1 } };
	m[n++] = (struct port_message){ .type = PORT_MIGRATE,
		.migrate = { 14, key, { { 1, 2 } }, 3, 1, 60, digests[0], b } };
	m[n++] = (struct port_message){ .type = PORT_TREE, .tree = { 15, key, { { 9 } }, key } };
	m[n++] = (struct port_message){ .type = PORT_HAVE_REPLY, .have_reply = { 8, 1, b } };
	m[n++] = (struct port_message){ .type = PORT_CREDIT, .credit = { 9, 1 << 20 } };
	m[n++] = (struct port_message){ .type = PORT_MATCHED, .matched = { 10, 3, digests[1] } };
	m[n++] = (struct port_message){ .type = PORT_PHASE, .phase = { 11, PHASE_TAGGING } };
	m[n++] = (struct port_message){ .type = PORT_LOADED, .loaded = { 12, digests[0], 3 } };
	m[n++] = (struct port_message){ .type = PORT_FAILED, .failed = { 13, 6, key } };
	m[n++] = (struct port_message){ .type = PORT_MIGRATED,
		.migrated = { 16, 2, 1500, key, b } };
	m[n++] = (struct port_message){ .type = PORT_FILLED, .filled = { 17 } };
	return n;
}

#define TYPES 17

static void every_message_comes_back_the_same(void **state)
{
	struct digest digests[2] = { digest_of("a", 1), digest_of("b", 1) };
	struct port_message all[TYPES], got;
	CLEANUP(buf_done) struct buf texts, once, twice;
	struct err err = { 0 };

	(void)state;
	buf_init(&texts, 1000);
	buf_init(&once, PORT_MESSAGE_MAX);
	buf_init(&twice, PORT_MESSAGE_MAX);
	assert_int_equal(make_all(all, &texts, digests), TYPES);
	for (size_t i = 0; i < TYPES; i++) {
		buf_clear(&once);
		buf_clear(&twice);
		port_put(&once, &all[i]);
		assert_true(buf_ok(&once));
		assert_ok(port_parse(buf_bytes(&once), buf_len(&once), &got, &err), &err);
		assert_int_equal(got.type, all[i].type);
		port_put(&twice, &got);
		assert_int_equal(buf_len(&once), buf_len(&twice));
		assert_memory_equal(buf_bytes(&once), buf_bytes(&twice), buf_len(&once));
	}
}

static void every_cut_and_every_longer_message_is_refused(void **state)
{
	struct digest digests[2] = { digest_of("a", 1), digest_of("b", 1) };
	struct port_message all[TYPES], got;
	CLEANUP(buf_done) struct buf texts, bytes;
	struct err err = { 0 };

	(void)state;
	buf_init(&texts, 1000);
	buf_init(&bytes, PORT_MESSAGE_MAX);
	make_all(all, &texts, digests);
	for (size_t i = 0; i < TYPES; i++) {
		buf_clear(&bytes);
		port_put(&bytes, &all[i]);
		for (size_t n = 0; n < buf_len(&bytes); n++)
			assert_fails(
				port_parse(buf_bytes(&bytes), n, &got, &err), &err, ERR_PROTOCOL);
		buf_u8(&bytes, 0);
		assert_fails(port_parse(buf_bytes(&bytes), buf_len(&bytes), &got, &err), &err,
			ERR_PROTOCOL);
	}
}

static void unknown_types_are_refused(void **state)
{
	uint8_t bytes[5] = { 0 };
	struct port_message got;
	struct err err = { 0 };

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bytes[0] = (uint8_t)type;
		if (type != PORT_COMMIT && type != PORT_ABORT && type != PORT_FILLED)
			assert_fails(port_parse(bytes, 5, &got, &err), &err, ERR_PROTOCOL);
	}
}

/* --- on a stream --- */

static void a_stream_gives_its_messages_whatever_comes_at_once(void **state)
{
	struct digest digests[2] = { digest_of("a", 1), digest_of("b", 1) };
	struct port_message all[TYPES], got;
	CLEANUP(buf_done) struct buf texts, stream;
	size_t at = 0, used, seen = 0;
	struct err err = { 0 };

	(void)state;
	buf_init(&texts, 1000);
	buf_init(&stream, PORT_MESSAGE_MAX);
	make_all(all, &texts, digests);
	for (size_t i = 0; i < TYPES; i++)
		port_put_framed(&stream, &all[i]);
	for (size_t n = 0; n <= buf_len(&stream); n++) {
		assert_ok(port_next(buf_bytes(&stream) + at, n - at, &got, &used, &err), &err);
		if (used == 0)
			continue;
		assert_int_equal(at + used, n);
		assert_int_equal(got.type, all[seen++].type);
		at = n;
	}
	assert_int_equal(seen, TYPES);
	assert_int_equal(at, buf_len(&stream));
}

static void a_length_that_no_message_has_is_refused_at_once(void **state)
{
	static const uint32_t wrong[] = { 0, PORT_MESSAGE_MAX + 1, UINT32_MAX };
	struct port_message got;
	CLEANUP(buf_done) struct buf bytes;
	struct err err = { 0 };
	size_t used;

	(void)state;
	buf_init(&bytes, 100);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		buf_clear(&bytes);
		buf_u32(&bytes, wrong[i]);
		assert_fails(port_next(buf_bytes(&bytes), buf_len(&bytes), &got, &used, &err), &err,
			ERR_PROTOCOL);
	}
	buf_clear(&bytes);
	buf_u32(&bytes, PORT_MESSAGE_MAX);
	assert_ok(port_next(buf_bytes(&bytes), buf_len(&bytes), &got, &used, &err), &err);
	assert_int_equal(used, 0);
}

RUN_TESTS(TEST(every_message_comes_back_the_same),
	TEST(every_cut_and_every_longer_message_is_refused), TEST(unknown_types_are_refused),
	TEST(a_stream_gives_its_messages_whatever_comes_at_once),
	TEST(a_length_that_no_message_has_is_refused_at_once))
