#include "common/base/file.h"
#include "common/base/log.h"
#include "protocol/grant.h"
#include "server/keys/keyring.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NOW 1700000000u

static const uint8_t token[16] = { 1, 2, 3 };
static const uint8_t alice[KEY_LEN] = { 0xa1 }, bob[KEY_LEN] = { 0xb0 };

/* What a test works on. */
struct fixture {
	char *dir;
	struct keyring *k;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_start("test", LOG_ERROR, false);
	f->dir = temp_dir_make();
	assert_ok(keyring_open(f->dir, &f->k, &f->err), &f->err);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	keyring_close(f->k);
	temp_dir_remove(f->dir);
	free(f);
	return 0;
}

static struct keyring_invite invitation(const char *name, const char *images)
{
	struct keyring_invite v = { .expires = NOW + 900 };

	memcpy(v.entry.name, name, strlen(name) + 1);
	memcpy(v.entry.group, name, strlen(name) + 1);
	memcpy(v.entry.images.text, images, strlen(images) + 1);
	memset(v.entry.psk, 0x77, KEY_LEN);
	v.entry.grants = GRANT_PUSH;
	v.entry.created = NOW;
	return v;
}

static void invite(struct fixture *f, const char *name)
{
	struct keyring_invite v = invitation(name, "");

	assert_ok(keyring_add_invite(f->k, token, &v, NOW, &f->err), &f->err);
}

static bool look(struct fixture *f, const uint8_t *key, uint64_t now)
{
	struct session_peer peer;

	return keyring_find_peer(f->k, key, token, now, &peer);
}

static const struct keyring_entry *pair(struct fixture *f, const uint8_t *key, const char *name)
{
	const struct keyring_entry *e;

	invite(f, name);
	assert_true(look(f, key, NOW));
	assert_ok(keyring_pair_begin(f->k, token, key, "host", NOW, &e, &f->err), &f->err);
	assert_ok(keyring_pair_done(f->k, token, &f->err), &f->err);
	return e;
}

/* A path in the state directory, good until the next call. */
static const char *in(const struct fixture *f, const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return path;
}

static void append_line(const struct fixture *f, const char *line)
{
	FILE *file = fopen(in(f, "keys"), "a");

	assert_non_null(file);
	fputs(line, file);
	fclose(file);
	assert_int_equal(chmod(in(f, "keys"), 0600), 0);
}

/* --- keys --- */

static void the_own_key_stays_the_same(void **state)
{
	struct fixture *f = *state;
	struct keyring *again;

	assert_true(keyring_exists(f->dir));
	assert_ok(keyring_open(f->dir, &again, &f->err), &f->err);
	assert_memory_equal(keyring_own_key(again), keyring_own_key(f->k), sizeof(struct key_pair));
	keyring_close(again);
}

static void a_key_that_others_may_read_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keyring *again;

	assert_int_equal(chmod(in(f, "key"), 0640), 0);
	assert_fails(keyring_open(f->dir, &again, &f->err), &f->err, ERR_REFUSED);
	assert_int_equal(chmod(in(f, "key"), 0600), 0);
	assert_ok(file_replace(in(f, "key"), 0600, "rubbish\n", 8, &f->err), &f->err);
	assert_fails(keyring_open(f->dir, &again, &f->err), &f->err, ERR_CORRUPT);
	assert_null(strstr(f->err.text, "rubbish"));
}

static void nobody_is_known_at_first(void **state)
{
	struct fixture *f = *state;
	struct session_peer peer;

	assert_null(keyring_find(f->k, alice));
	assert_null(keyring_find_name(f->k, "web01"));
	assert_false(keyring_find_peer(f->k, alice, NULL, NOW, &peer));
	assert_false(look(f, alice, NOW));
}

static void a_paired_key_is_known_to_every_process(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e = pair(f, alice, "web01"), *theirs;
	struct session_peer peer;
	struct keyring *other;

	assert_string_equal(e->name, "web01");
	assert_string_equal(e->group, "web01");
	assert_string_equal(e->host, "host");
	assert_int_equal(e->psk[0] == 0x77 && e->psk[1] == 0x77, 0);
	assert_true(keyring_find_peer(f->k, alice, NULL, NOW, &peer));
	assert_memory_equal(peer.psk, e->psk, KEY_LEN);
	assert_string_equal(peer.name, "web01");
	assert_int_equal(peer.grants, GRANT_PUSH);
	assert_ok(keyring_open(f->dir, &other, &f->err), &f->err);
	theirs = keyring_find(other, alice);
	assert_non_null(theirs);
	assert_memory_equal(theirs, e, sizeof(*e));
	keyring_close(other);
}

static void a_revoked_key_is_gone_at_the_next_look_and_its_entry_says_so(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e = pair(f, alice, "web01"), *stays = pair(f, bob, "web02");
	struct keyring *other;

	assert_ok(keyring_open(f->dir, &other, &f->err), &f->err);
	assert_ok(keyring_revoke(other, "web01", &f->err), &f->err);
	assert_fails(keyring_revoke(other, "web01", &f->err), &f->err, ERR_NOT_FOUND);
	keyring_close(other);
	assert_false(e->revoked);
	assert_null(keyring_find(f->k, alice));
	assert_true(e->revoked);
	assert_string_equal(e->name, "web01");
	assert_ptr_equal(keyring_find(f->k, bob), stays);
	assert_false(stays->revoked);
}

static void a_line_that_is_not_understood_grants_nothing_and_is_kept(void **state)
{
	struct fixture *f = *state;
	struct buf b;

	log_start("test", LOG_ERROR, false);
	pair(f, alice, "web01");
	append_line(f, "# a comment with name=web01\nname=odd what=ever\n");
	assert_non_null(keyring_find(f->k, alice));
	assert_null(keyring_find_name(f->k, "odd"));
	pair(f, bob, "web02");
	buf_init(&b, 10000);
	assert_ok(file_read(in(f, "keys"), &b, &f->err), &f->err);
	buf_u8(&b, 0);
	assert_non_null(strstr((char *)buf_bytes(&b), "name=odd what=ever\n"));
	assert_non_null(strstr((char *)buf_bytes(&b), "# a comment with name=web01\n"));
	assert_ok(keyring_revoke(f->k, "odd", &f->err), &f->err);
	assert_ok(keyring_revoke(f->k, "web01", &f->err), &f->err);
	assert_ok(file_read(in(f, "keys"), &b, &f->err), &f->err);
	buf_u8(&b, 0);
	assert_null(strstr((char *)buf_bytes(&b), "odd"));
	assert_non_null(strstr((char *)buf_bytes(&b), "# a comment with name=web01\n"));
	buf_done(&b);
}

static void one_of_two_lines_with_the_same_name_or_key_counts(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *first = pair(f, alice, "web01");
	struct keyring_entry copy = *first;
	struct buf b;

	buf_init(&b, 10000);
	copy.public_key[0] ^= 1;
	key_entry_put(&b, &copy);
	memcpy(copy.name, "other", 6);
	memcpy(copy.public_key, first->public_key, KEY_LEN);
	key_entry_put(&b, &copy);
	buf_u8(&b, 0);
	append_line(f, (char *)buf_bytes(&b));
	assert_ptr_equal(keyring_find(f->k, alice), first);
	assert_null(keyring_find_name(f->k, "other"));
	copy.public_key[0] ^= 1;
	assert_null(keyring_find(f->k, copy.public_key));
	buf_done(&b);
}

static void nobody_is_let_in_while_others_may_write_the_file(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e = pair(f, alice, "web01");

	assert_int_equal(chmod(in(f, "keys"), 0620), 0);
	log_start("test", LOG_ERROR, false);
	assert_fails(keyring_reload(f->k, &f->err), &f->err, ERR_REFUSED);
	assert_true(e->revoked);
	assert_int_equal(chmod(in(f, "keys"), 0600), 0);
	assert_non_null(keyring_find(f->k, alice));
}

static void what_a_killed_writer_left_is_removed(void **state)
{
	struct fixture *f = *state;
	struct keyring *again;
	struct stat st;

	assert_ok(file_replace(in(f, "keys.tmp.abcdef"), 0600, "x", 1, &f->err), &f->err);
	assert_ok(keyring_open(f->dir, &again, &f->err), &f->err);
	keyring_close(again);
	assert_int_equal(stat(in(f, "keys.tmp.abcdef"), &st), -1);
}

/* --- invitations --- */

static void an_invitation_gives_its_psk_until_it_expires(void **state)
{
	struct fixture *f = *state;
	struct session_peer peer;

	invite(f, "web01");
	assert_true(keyring_find_peer(f->k, alice, token, NOW + 900, &peer));
	assert_int_equal(peer.psk[0], 0x77);
	assert_string_equal(peer.name, "web01");
	assert_false(look(f, alice, NOW + 901));
}

static void a_used_token_is_gone(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e;

	pair(f, alice, "web01");
	assert_false(look(f, alice, NOW));
	assert_fails(keyring_pair_begin(f->k, token, alice, "", NOW, &e, &f->err), &f->err,
		ERR_NOT_FOUND);
	assert_ok(keyring_pair_done(f->k, token, &f->err), &f->err);
}

static void a_pairing_that_broke_off_can_be_repeated_by_the_same_client_only(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e;
	uint8_t psk[KEY_LEN];

	invite(f, "web01");
	for (int i = 0; i < 8; i++) {
		assert_true(look(f, alice, NOW));
		assert_ok(keyring_pair_begin(f->k, token, alice, "", NOW, &e, &f->err), &f->err);
		assert_memory_not_equal(psk, e->psk, KEY_LEN);
		memcpy(psk, e->psk, KEY_LEN);
	}
	assert_false(look(f, bob, NOW));
	assert_fails(
		keyring_pair_begin(f->k, token, bob, "", NOW, &e, &f->err), &f->err, ERR_REFUSED);
	assert_true(look(f, alice, NOW));
	assert_null(keyring_find(f->k, bob));
}

static void five_failed_tries_burn_a_token(void **state)
{
	struct fixture *f = *state;

	invite(f, "web01");
	for (unsigned i = 0; i < KEYRING_FAILURES_MAX; i++)
		assert_true(look(f, bob, NOW));
	assert_false(look(f, bob, NOW));
	assert_false(look(f, alice, NOW));
}

static void a_name_that_is_taken_cannot_be_invited(void **state)
{
	struct fixture *f = *state;
	struct keyring_invite v = invitation("web01", "");

	pair(f, alice, "web01");
	assert_fails(keyring_add_invite(f->k, token, &v, NOW, &f->err), &f->err, ERR_USAGE);
}

static void one_client_has_one_name(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e;

	pair(f, alice, "web01");
	invite(f, "web02");
	assert_true(look(f, alice, NOW));
	assert_fails(
		keyring_pair_begin(f->k, token, alice, "", NOW, &e, &f->err), &f->err, ERR_REFUSED);
	assert_true(look(f, bob, NOW));
	assert_ok(keyring_pair_begin(f->k, token, bob, "", NOW, &e, &f->err), &f->err);
}

static void a_newer_invitation_replaces_the_one_for_the_same_name(void **state)
{
	static const uint8_t newer[16] = { 9 };
	struct keyring_invite v = invitation("web01", "");
	struct fixture *f = *state;
	struct session_peer peer;

	invite(f, "web01");
	assert_ok(keyring_add_invite(f->k, newer, &v, NOW, &f->err), &f->err);
	assert_false(look(f, alice, NOW));
	assert_true(keyring_find_peer(f->k, alice, newer, NOW, &peer));
	assert_ok(keyring_revoke(f->k, "web01", &f->err), &f->err);
	assert_false(keyring_find_peer(f->k, alice, newer, NOW, &peer));
}

static void the_clients_name_for_itself_is_made_harmless(void **state)
{
	struct fixture *f = *state;
	const struct keyring_entry *e;

	invite(f, "web01");
	assert_ok(keyring_pair_begin(f->k, token, alice, " =\nname=x key=y", NOW, &e, &f->err),
		&f->err);
	assert_string_equal(e->host, "name_x_key_y");
	assert_string_equal(e->name, "web01");
}

/* --- images --- */

static void patterns_decide_what_is_loaded_and_seen(void **state)
{
	static const char *const mixed[] = { "evil/x:1", "web/app:1" }, *const foreign[] = { "x" };
	struct keyring_entry e = { .name = "n" };

	(void)state;
	assert_true(keyring_allows_image(&e, "busybox"));
	assert_false(keyring_allows_image(&e, "Busybox"));
	assert_false(keyring_allows_image(&e, "web/../x"));
	assert_true(keyring_sees_image(&e, NULL, 0));
	memcpy(e.images.text, "web/*", 6);
	assert_true(keyring_allows_image(&e, "web/app:1"));
	assert_false(keyring_allows_image(&e, "web-evil/app:1"));
	assert_false(keyring_allows_image(&e,
		"web/app@sha256:"
		"0000000000000000000000000000000000000000000000000000000000000000"));
	assert_true(keyring_sees_image(&e, mixed, 2));
	assert_false(keyring_sees_image(&e, mixed, 1));
	assert_false(keyring_sees_image(&e, foreign, 1));
	assert_false(keyring_sees_image(&e, NULL, 0));
}

/* --- two processes --- */

#define WRITERS 4
#define ROUNDS 8

static void write_many(const char *dir, unsigned writer)
{
	struct keyring *k;
	struct err err;

	if (keyring_open(dir, &k, &err) != 0)
		_exit(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t id[16] = { (uint8_t)writer, (uint8_t)i }, key[KEY_LEN] = { 0 };
		const struct keyring_entry *e;
		struct keyring_invite v;
		char name[20];

		memcpy(key, id, 2);
		snprintf(name, sizeof(name), "k%u-%u", writer, i);
		v = invitation(name, "");
		if (keyring_add_invite(k, id, &v, NOW, &err) != 0 ||
			keyring_pair_begin(k, id, key, "", NOW, &e, &err) != 0 ||
			keyring_pair_done(k, id, &err) != 0)
			_exit(1);
		if (i % 2 == 1 && keyring_revoke(k, name, &err) != 0)
			_exit(1);
	}
	keyring_close(k);
	_exit(0);
}

static void count(void *ctx, const struct keyring_entry *entry)
{
	(void)entry;
	++*(size_t *)ctx;
}

static void count_invite(void *ctx, const struct keyring_invite *v)
{
	(void)v;
	++*(size_t *)ctx;
}

static void changes_of_several_processes_at_once_are_all_kept(void **state)
{
	struct fixture *f = *state;
	size_t n = 0, invites = 0;

	for (unsigned w = 0; w < WRITERS; w++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			write_many(f->dir, w);
	}
	for (unsigned w = 0; w < WRITERS; w++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_ok(keyring_each(f->k, count, &n, &f->err), &f->err);
	assert_int_equal(n, WRITERS * ROUNDS / 2);
	assert_ok(keyring_each_invite(f->k, NOW, count_invite, &invites, &f->err), &f->err);
	assert_int_equal(invites, 0);
}

static void a_view_makes_nothing_and_sees_what_others_change(void **state)
{
	struct fixture *f = *state;
	char *empty = temp_dir_make();
	struct keyring *view;

	assert_ok(keyring_view(empty, &view, &f->err), &f->err);
	assert_null(keyring_find_name(view, "laptop"));
	assert_null(keyring_own_key(view));
	keyring_close(view);
	assert_int_equal(rmdir(empty), 0); /* so it is empty still */
	free(empty);
	assert_ok(keyring_view(f->dir, &view, &f->err), &f->err);
	pair(f, alice, "laptop");
	assert_non_null(keyring_find_name(view, "laptop"));
	assert_ok(keyring_revoke(f->k, "laptop", &f->err), &f->err);
	assert_null(keyring_find_name(view, "laptop"));
	keyring_close(view);
}

#define WITH(name) TEST_WITH(name, setup, teardown)

RUN_TESTS(WITH(the_own_key_stays_the_same), WITH(a_key_that_others_may_read_is_refused),
	WITH(nobody_is_known_at_first), WITH(a_paired_key_is_known_to_every_process),
	WITH(a_revoked_key_is_gone_at_the_next_look_and_its_entry_says_so),
	WITH(a_line_that_is_not_understood_grants_nothing_and_is_kept),
	WITH(one_of_two_lines_with_the_same_name_or_key_counts),
	WITH(nobody_is_let_in_while_others_may_write_the_file),
	WITH(what_a_killed_writer_left_is_removed),
	WITH(an_invitation_gives_its_psk_until_it_expires), WITH(a_used_token_is_gone),
	WITH(a_pairing_that_broke_off_can_be_repeated_by_the_same_client_only),
	WITH(five_failed_tries_burn_a_token), WITH(a_name_that_is_taken_cannot_be_invited),
	WITH(one_client_has_one_name), WITH(a_newer_invitation_replaces_the_one_for_the_same_name),
	WITH(the_clients_name_for_itself_is_made_harmless),
	TEST(patterns_decide_what_is_loaded_and_seen),
	WITH(changes_of_several_processes_at_once_are_all_kept),
	WITH(a_view_makes_nothing_and_sees_what_others_change))
