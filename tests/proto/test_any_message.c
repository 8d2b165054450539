/*
 * Any message in any state of a receiver: which may come when, and that whatever comes is taken or
 * refused without harm.
 */
#include "protocol/limits.h"
#include "protocol/migrate.h"
#include "protocol/receiver.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct digest some_names[ASK_RECIPES_MAX];
static const uint8_t some_bytes[SEGMENT_RECORD_MAX];

static const enum message_type every_type[] = {
#define MESSAGE(number, NAME, name, fields) MSG_##NAME,
#define F(type, field)
#include "protocol/message.def"
#undef F
#undef MESSAGE
};

/* What a sender goes through with one image of one blob. */
enum state { FRESH, OFFERED, BEGUN, ASKED, SENT, ENDED, COMMITTED, GIVEN_UP, STATES };

static const char *const state_names[STATES] = { "before an offer", "after an offer", "in a blob",
	"after a question", "after a segment", "after a blob", "after the commit",
	"after giving up" };

/* The message of this type that would be right if the state were. */
static struct message plain(enum message_type type, uint64_t segment)
{
	const wire_digests one = { .at = some_names, .n = 1 };
	struct message m = { .type = type };

	if (type == MSG_IMAGE_OFFER)
		m.image_offer.diff_ids = one;
	if (type == MSG_MIGRATE)
		m.migrate.verb = MIGRATE_STATUS;
	if (type == MSG_TREE_OFFER)
		m.tree_offer.volume = wire_text_of("data", 4);
	if (type == MSG_BACKUP_OFFER) {
		m.backup_offer.kind = wire_text_of("volume", 6);
		m.backup_offer.name = wire_text_of("data", 4);
		m.backup_offer.host = wire_text_of("web01", 5);
	}
	if (type == MSG_FORGET)
		m.forget.snapshots = one;
	if (type == MSG_BLOB_BEGIN) {
		m.blob_begin.role = ROLE_LAYER;
		m.blob_begin.flags = BLOB_SIZE_KNOWN;
		m.blob_begin.size = 1000;
	}
	if (type == MSG_ASK_RECIPES)
		m.ask_recipes.names = one;
	if (type == MSG_ASK_CHUNKS)
		m.ask_chunks.names = (wire_shorts){ .raw = some_bytes, .n = 1 };
	if (type == MSG_ASK_CHUNKS_FULL)
		m.ask_chunks_full.names = one;
	if (type == MSG_SEGMENT) {
		m.segment.number = segment + 1;
		m.segment.record = (wire_bytes){ .p = some_bytes, .n = 100 };
	}
	if (type == MSG_BLOB_END) {
		m.blob_end.size = 1000;
		m.blob_end.last_segment = segment;
	}
	return m;
}

static void take(struct receiver *r, const struct message *m)
{
	struct receiver_blob *blob;
	struct err err = { 0 };

	assert_ok(receiver_take(r, m, &blob, &err), &err);
}

static struct receiver *receiver_in(enum state state)
{
	static const enum message_type steps[STATES] = { [OFFERED] = MSG_IMAGE_OFFER,
		[BEGUN] = MSG_BLOB_BEGIN,
		[ASKED] = MSG_ASK_RECIPES,
		[SENT] = MSG_SEGMENT,
		[ENDED] = MSG_BLOB_END,
		[COMMITTED] = MSG_IMAGE_COMMIT,
		[GIVEN_UP] = MSG_FAIL };
	struct receiver *r = receiver_new();

	assert_non_null(r);
	for (int at = OFFERED; at <= (int)state; at++) {
		struct message m = plain(steps[at], at > SENT ? 1 : 0);

		if (m.type == MSG_BLOB_END)
			m.blob_end.main_recipes = 1;
		take(r, &m);
	}
	return r;
}

/* Messages with the numbers of the first image, so a second offer, begin or end is one too many. */
static bool may_come(enum state state, enum message_type type)
{
	bool open = state >= BEGUN && state <= SENT;

	switch ((int)type) {
	case MSG_SEGMENT:
		return true; /* belongs to the session: a blob's chunks may lie in any */
	case MSG_IMAGE_OFFER:
	case MSG_MIGRATE:
	case MSG_TREE_OFFER:
	case MSG_BACKUP_OFFER:
	case MSG_SNAPSHOTS:
	case MSG_FORGET:
	case MSG_RESTORE:
		return state == FRESH;
	case MSG_BLOB_BEGIN:
		return state == OFFERED;
	case MSG_ASK_RECIPES:
	case MSG_ASK_CHUNKS:
	case MSG_ASK_CHUNKS_FULL:
		return open;
	case MSG_BLOB_END:
		return state == BEGUN; /* later its counts are others */
	case MSG_IMAGE_COMMIT:
		return state == OFFERED || state == ENDED;
	case MSG_FAIL:
		return state >= OFFERED && state <= COMMITTED;
	default:
		return false;
	}
}

static void every_message_in_every_state_is_taken_or_refused_as_the_protocol_says(void **unused)
{
	(void)unused;
	for (int state = FRESH; state < STATES; state++) {
		for (size_t i = 0; i < ARRAY_LEN(every_type); i++) {
			struct receiver *r = receiver_in((enum state)state);
			struct message m = plain(every_type[i], state >= SENT ? 1 : 0);
			struct receiver_blob *blob;
			struct err err = { 0 };
			bool taken = receiver_take(r, &m, &blob, &err) == 0;

			if (taken != may_come((enum state)state, m.type))
				fail_msg("%s %s was %s: %s", message_name(m.type),
					state_names[state], taken ? "taken" : "refused", err.text);
			if (!taken)
				assert_int_equal(err.code, ERR_PROTOCOL);
			receiver_free(r);
		}
	}
}

/* --- anything at all --- */

static uint64_t draws;

static uint32_t draw(uint32_t below)
{
	draws = draws * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draws >> 33) % below;
}

/* Mostly small numbers, so that they fit now and then; sometimes the largest. */
static uint32_t number(void)
{
	return draw(20) == 0 ? UINT32_MAX - draw(2) : draw(3);
}

static uint32_t count(uint32_t max)
{
	static const int around[] = { 0, 1, 1, 1, 2, 2, 3 };

	return draw(10) == 0 ? max + draw(2) : (uint32_t)around[draw(ARRAY_LEN(around))];
}

static struct message anything(uint64_t segment)
{
	static struct digest many[ASK_RECIPES_MAX + 1];
	struct message m = plain(every_type[draw(ARRAY_LEN(every_type))], segment);

	if (draw(3) == 0)
		return m; /* as it should be, but for its numbers */
	if (m.type == MSG_IMAGE_OFFER) {
		m.image_offer.job = number();
		m.image_offer.diff_ids = (wire_digests){ .at = many, .n = count(OFFER_LAYERS_MAX) };
	} else if (m.type == MSG_IMAGE_COMMIT) {
		m.image_commit.job = number();
	} else if (m.type == MSG_MIGRATE) {
		m.migrate.job = number();
		m.migrate.verb = (uint8_t)draw(MIGRATE_VERBS_END + 1);
		m.migrate.flags = (uint8_t)draw(4);
		m.migrate.seconds = draw(2 * HEALTH_SECONDS_MAX);
		m.migrate.manifest = (wire_bytes){ .p = some_bytes, .n = draw(2) * draw(100) };
	} else if (m.type == MSG_TREE_OFFER) {
		m.tree_offer.job = number();
	} else if (m.type == MSG_TREE_COMMIT) {
		m.tree_commit.job = number();
	} else if (m.type == MSG_FAIL) {
		m.fail.job = number();
	} else if (m.type == MSG_BLOB_BEGIN) {
		m.blob_begin.job = number();
		m.blob_begin.blob = number();
		m.blob_begin.role = (uint8_t)draw(4);
		m.blob_begin.flags = (uint8_t)draw(6);
		m.blob_begin.size = draw(4) == 0 ? UINT64_MAX - draw(2) : draw(5000);
	} else if (m.type == MSG_ASK_RECIPES) {
		m.ask_recipes.blob = number();
		m.ask_recipes.stream = (uint8_t)draw(3);
		m.ask_recipes.flags = (uint8_t)draw(3);
		m.ask_recipes.names = (wire_digests){ .at = many, .n = count(ASK_RECIPES_MAX) };
	} else if (m.type == MSG_ASK_CHUNKS_FULL) {
		m.ask_chunks_full.blob = number();
		m.ask_chunks_full.names = (wire_digests){ .at = many, .n = count(ASK_RECIPES_MAX) };
	} else if (m.type == MSG_BLOB_END) {
		m.blob_end.blob = number();
		m.blob_end.main_recipes = number();
		m.blob_end.last_segment = draw(3);
	} else if (m.type == MSG_SEGMENT) {
		m.segment.number = draw(2) ? segment + 1 : number();
		m.segment.record.n = draw(3) ? 100 : SEGMENT_RECORD_MAX;
	}
	return m;
}

/* What a receiver's owner does after a refusal is to end the session; one that goes on must be
 * unharmed all the same. */
static void whatever_a_sender_says_does_no_harm(void **unused)
{
	size_t taken = 0, refused = 0;

	(void)unused;
	draws = 20261124;
	for (int round = 0; round < 3000; round++) {
		struct receiver *r = receiver_new();
		uint64_t segment = 0;

		assert_non_null(r);
		for (int i = 0; i < 60; i++) {
			struct message m = anything(segment);
			struct receiver_blob *blob;
			struct err err = { 0 };

			if (receiver_take(r, &m, &blob, &err) == 0) {
				taken++;
				segment += m.type == MSG_SEGMENT;
			} else {
				refused++;
				assert_true(err.code == ERR_PROTOCOL || err.code == ERR_LIMIT);
				assert_true(err.text[0] != '\0');
			}
		}
		receiver_free(r);
	}
	assert_true(taken > 10000 && refused > 10000);
}

/* --- memory --- */

static void the_names_that_a_session_makes_a_receiver_keep_are_limited(void **unused)
{
	const struct message offer = plain(MSG_IMAGE_OFFER, 0), begin = plain(MSG_BLOB_BEGIN, 0);
	struct message ask = plain(MSG_ASK_RECIPES, 0);
	struct receiver *r = receiver_new();
	struct receiver_blob *blob;
	struct err err = { 0 };
	size_t named = 0;

	(void)unused;
	assert_non_null(r);
	take(r, &offer);
	take(r, &begin);
	ask.ask_recipes.flags = ASK_NO_ANSWER;
	ask.ask_recipes.names = (wire_digests){ .at = some_names, .n = ASK_RECIPES_MAX };
	while (receiver_take(r, &ask, &blob, &err) == 0)
		named += ASK_RECIPES_MAX;
	assert_int_equal(named, SESSION_RECIPES_MAX);
	assert_int_equal(err.code, ERR_LIMIT);
	/* the job over, there is room again */
	receiver_close_job(r, 0);
	for (uint32_t job = 1; job < 3; job++) {
		struct message again = offer, first = begin;

		again.image_offer.job = job;
		first.blob_begin.job = first.blob_begin.blob = ask.ask_recipes.blob = job;
		take(r, &again);
		take(r, &first);
		take(r, &ask);
	}
	receiver_free(r);
}

RUN_TESTS(TEST(every_message_in_every_state_is_taken_or_refused_as_the_protocol_says),
	TEST(whatever_a_sender_says_does_no_harm),
	TEST(the_names_that_a_session_makes_a_receiver_keep_are_limited))
