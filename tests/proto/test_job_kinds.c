/* Jobs that are no image's: trees, and calls about a migration. */
#include "protocol/limits.h"
#include "protocol/migrate.h"
#include "protocol/receiver.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t some_bytes[MANIFEST_MAX + 1];

static int set_up(void **state)
{
	*state = receiver_new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	receiver_free(*state);
	return 0;
}

static void accepts(struct receiver *r, const struct message *m)
{
	struct receiver_blob *blob;
	struct err err = { 0 };

	assert_ok(receiver_take(r, m, &blob, &err), &err);
}

static void refuses(struct receiver *r, const struct message *m)
{
	struct receiver_blob *blob;
	struct err err = { 0 };

	assert_fails(receiver_take(r, m, &blob, &err), &err, ERR_PROTOCOL);
}

static struct message tree_offer(uint32_t job, const char *volume)
{
	struct message m = { .type = MSG_TREE_OFFER };

	m.tree_offer.job = job;
	m.tree_offer.volume = wire_text_of(volume, strlen(volume));
	return m;
}

static struct message begin(uint32_t job, uint32_t blob, enum blob_role role)
{
	struct message m = { .type = MSG_BLOB_BEGIN };

	m.blob_begin.job = job;
	m.blob_begin.blob = blob;
	m.blob_begin.role = (uint8_t)role;
	if (role != ROLE_TREE)
		m.blob_begin.flags = BLOB_SIZE_KNOWN;
	return m;
}

static struct message call(uint32_t job, enum migrate_verb verb)
{
	struct message m = { .type = MSG_MIGRATE };

	m.migrate.job = job;
	m.migrate.verb = (uint8_t)verb;
	if (verb == MIGRATE_OFFER)
		m.migrate.manifest = (wire_bytes){ .p = some_bytes, .n = MANIFEST_MAX };
	return m;
}

static void a_tree_is_begun_without_size_or_name(void **state)
{
	struct message m = tree_offer(0, "data"), end = { .type = MSG_BLOB_END };
	struct message commit = { .type = MSG_TREE_COMMIT };

	accepts(*state, &m);
	m = begin(0, 0, ROLE_TREE);
	m.blob_begin.flags = BLOB_SIZE_KNOWN;
	refuses(*state, &m);
	m.blob_begin.flags = BLOB_DIGEST_KNOWN;
	refuses(*state, &m);
	m.blob_begin.flags = 0;
	accepts(*state, &m);
	refuses(*state, &commit); /* a blob of it is not ended */
	end.blob_end.size = BLOB_SIZE_MAX + 1;
	refuses(*state, &end);
	end.blob_end.size = BLOB_SIZE_MAX;
	accepts(*state, &end);
	accepts(*state, &commit);
	refuses(*state, &commit);
}

static void a_job_takes_blobs_and_commits_of_its_kind_only(void **state)
{
	struct message m = { .type = MSG_IMAGE_OFFER }, commit = { .type = MSG_TREE_COMMIT };

	accepts(*state, &m);
	m = begin(0, 0, ROLE_TREE);
	refuses(*state, &m);
	refuses(*state, &commit);
	m = tree_offer(1, "data");
	accepts(*state, &m);
	m = begin(1, 0, ROLE_LAYER);
	refuses(*state, &m);
	m = begin(1, 0, ROLE_CONFIG);
	refuses(*state, &m);
	commit.type = MSG_IMAGE_COMMIT;
	commit.image_commit.job = 1;
	refuses(*state, &commit);
	m = call(2, MIGRATE_STATUS);
	accepts(*state, &m);
	m = begin(2, 0, ROLE_TREE);
	refuses(*state, &m);
}

static void a_volume_has_a_name_of_some_length(void **state)
{
	char name[VOLUME_NAME_MAX + 2];
	struct message m = tree_offer(0, "");

	refuses(*state, &m);
	memset(name, 'a', sizeof(name));
	name[VOLUME_NAME_MAX + 1] = '\0';
	m = tree_offer(0, name);
	refuses(*state, &m);
	m.tree_offer.volume = wire_text_of("a\0b", 3);
	refuses(*state, &m);
	name[VOLUME_NAME_MAX] = '\0';
	m = tree_offer(0, name);
	accepts(*state, &m);
}

static void a_call_is_one_of_those_that_there_are(void **state)
{
	for (enum migrate_verb verb = 0; verb <= MIGRATE_VERBS_END; verb++) {
		struct message m = call(verb ? verb - 1 : 0, verb), odd;

		if (verb == 0 || verb == MIGRATE_VERBS_END) {
			refuses(*state, &m);
			continue;
		}
		odd = m;
		odd.migrate.manifest.n = verb == MIGRATE_OFFER ? 0 : 1;
		refuses(*state, &odd);
		odd = m;
		odd.migrate.flags = 4;
		refuses(*state, &odd);
		odd.migrate.flags = verb == MIGRATE_OFFER ? MIGRATE_NO_START : MIGRATE_OVERWRITE;
		refuses(*state, &odd);
		odd = m;
		odd.migrate.seconds = HEALTH_SECONDS_MAX + 1;
		refuses(*state, &odd);
		accepts(*state, &m);
	}
}

static void a_manifest_has_a_limit_and_fits_a_message(void **state)
{
	struct message m = call(0, MIGRATE_OFFER), got;
	struct buf bytes;
	struct err err = { 0 };

	m.migrate.manifest.n++;
	refuses(*state, &m);
	m.migrate.manifest.n--;
	buf_init(&bytes, MIGRATE_MESSAGE_MAX);
	message_put(&bytes, &m);
	assert_true(buf_ok(&bytes));
	assert_ok(message_parse(MSG_MIGRATE, buf_bytes(&bytes), buf_len(&bytes), &got, &err), &err);
	assert_int_equal(got.migrate.manifest.n, MANIFEST_MAX);
	buf_done(&bytes);
	accepts(*state, &m);
}

static struct message backup_offer(uint32_t job, wire_text name)
{
	struct message m = { .type = MSG_BACKUP_OFFER };

	m.backup_offer.job = job;
	m.backup_offer.kind = wire_text_of("container", 9);
	m.backup_offer.name = name;
	m.backup_offer.host = wire_text_of("web01", 5);
	return m;
}

static void a_backup_takes_blobs_of_all_roles_and_one_commit(void **state)
{
	static const struct digest blobs[2];
	static const char *const role[2] = { "layer", "volume:data" };
	struct message m = backup_offer(0, wire_text_of("shop", 4)), end = { .type = MSG_BLOB_END };
	struct message commit = { .type = MSG_BACKUP_COMMIT };
	struct buf roles CLEANUP(buf_done);

	buf_init(&roles, 64);
	accepts(*state, &m);
	for (enum blob_role r = ROLE_LAYER; r <= ROLE_TREE; r++) {
		m = begin(0, (uint32_t)r - 1, r);
		accepts(*state, &m);
	}
	commit.backup_commit.blobs = (wire_digests){ .at = blobs, .n = 2 };
	commit.backup_commit.roles = wire_texts_of(&roles, role, 2);
	commit.backup_commit.artifact = (wire_bytes){ .p = some_bytes, .n = 1 };
	refuses(*state, &commit); /* its blobs are not ended */
	for (uint32_t b = 0; b < 3; b++) {
		end.blob_end.blob = b;
		accepts(*state, &end);
	}
	commit.backup_commit.artifact.n = 0;
	refuses(*state, &commit);
	commit.backup_commit.artifact.n = BACKUP_ARTIFACT_MAX + 1;
	refuses(*state, &commit);
	commit.backup_commit.artifact.n = BACKUP_ARTIFACT_MAX;
	commit.backup_commit.blobs.n = 1;
	refuses(*state, &commit); /* not a role for each */
	commit.backup_commit.blobs.n = 2;
	accepts(*state, &commit);
	refuses(*state, &commit);
}

static void a_backup_has_a_name_without_a_nul(void **state)
{
	static const char name[BACKUP_TEXT_MAX + 1];
	const wire_text bad[] = { wire_text_of("", 0), wire_text_of("a\0b", 3),
		wire_text_of(name, BACKUP_TEXT_MAX + 1) };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct message m = backup_offer(0, bad[i]);

		refuses(*state, &m);
	}
}

static void a_restore_takes_its_own_steps_and_no_blobs(void **state)
{
	struct message m = { .type = MSG_RESTORE }, part = { .type = MSG_RESTORE_PART };
	struct message done = { .type = MSG_RESTORE_DONE };

	refuses(*state, &part);
	accepts(*state, &m);
	accepts(*state, &part);
	m = begin(0, 0, ROLE_TREE);
	refuses(*state, &m);
	accepts(*state, &done);
	m = backup_offer(1, wire_text_of("shop", 4));
	accepts(*state, &m);
	part.restore_part.job = 1;
	refuses(*state, &part);
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(a_tree_is_begun_without_size_or_name),
	CASE(a_job_takes_blobs_and_commits_of_its_kind_only),
	CASE(a_volume_has_a_name_of_some_length), CASE(a_call_is_one_of_those_that_there_are),
	CASE(a_manifest_has_a_limit_and_fits_a_message),
	CASE(a_backup_takes_blobs_of_all_roles_and_one_commit),
	CASE(a_backup_has_a_name_without_a_nul), CASE(a_restore_takes_its_own_steps_and_no_blobs))
