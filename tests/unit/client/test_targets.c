#include "client/client.h"
#include "common/base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <sys/stat.h>

static const uint8_t server[KEY_LEN] = { 1, 2, 3 }, other[KEY_LEN] = { 9 };

static int setup(void **state)
{
	temp_dir_setup(state);
	return setenv("DRAY_CONFIG_DIR", *state, 1);
}

static const char *in(void **state, const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
	return path;
}

static void save(const char *name)
{
	struct err err = { 0 };
	struct target *t;

	assert_ok(target_new(name, "192.0.2.1", server, &t, &err), &err);
	memset(t->psk, 0x5a, KEY_LEN);
	memcpy(t->key_name, "web01", 6);
	assert_ok(targets_save(t, &err), &err);
	target_free(t);
}

static void a_target_comes_back_as_it_was_kept(void **state)
{
	struct err err = { 0 };
	struct target *t;
	struct stat st;

	save("standby");
	assert_ok(targets_load("standby", &t, &err), &err);
	assert_string_equal(t->name, "standby");
	assert_string_equal(t->address.host, "192.0.2.1");
	assert_int_equal(t->address.port, 7747);
	assert_memory_equal(t->server_key, server, KEY_LEN);
	assert_int_equal(t->psk[31], 0x5a);
	assert_string_equal(t->key_name, "web01");
	assert_true(t->first_seen > 1600000000);
	target_free(t);
	assert_int_equal(stat(in(state, "targets/standby.json"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in(state, "targets"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void a_target_that_is_not_there_is_told_with_those_that_are(void **state)
{
	struct err err = { 0 };
	struct target *t;

	(void)state;
	assert_fails(targets_load("nowhere", &t, &err), &err, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, "dray pair makes one"));
	save("b");
	save("a");
	assert_fails(targets_load("nowhere", &t, &err), &err, ERR_NOT_FOUND);
	assert_string_equal(err.text, "there is no target nowhere, but: a, b");
	assert_fails(targets_load("../key", &t, &err), &err, ERR_NOT_FOUND);
	assert_fails(targets_remove("nowhere", &err), &err, ERR_NOT_FOUND);
	assert_ok(targets_remove("a", &err), &err);
	assert_fails(targets_load("a", &t, &err), &err, ERR_NOT_FOUND);
}

static void another_receiver_is_never_replaced(void **state)
{
	struct err err = { 0 };
	struct target *t;

	(void)state;
	save("standby");
	assert_fails(target_new("standby", "192.0.2.1", other, &t, &err), &err, ERR_USAGE);
	assert_ok(target_new("standby", "192.0.2.7:80", server, &t, &err), &err);
	target_free(t);
	assert_fails(target_new("a/b", "192.0.2.1", other, &t, &err), &err, ERR_USAGE);
	assert_fails(target_new("c", "::1", other, &t, &err), &err, ERR_USAGE);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
	struct err err = { 0 };
	struct target *t;

	save("standby");
	assert_int_equal(chmod(in(state, "targets/standby.json"), 0644), 0);
	assert_fails(targets_load("standby", &t, &err), &err, ERR_REFUSED);
	assert_fails(target_new("standby", "192.0.2.1", server, &t, &err), &err, ERR_REFUSED);
}

#define KEY "dray-pk1:"
#define PSK "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void a_damaged_file_is_refused_without_telling_its_secret(void **state)
{
	static const char *const wrong[] = { "", "{", "[]", "{}", "{\"version\":1}",
		"{\"version\":1,\"version\":1}",
		"{\"version\":1,\"address\":\"h\",\"server_key\":\"" KEY "\",\"psk\":\"" PSK
		"\",\"key_name\":\"\",\"first_seen\":0}",
		"{\"psk\":\"" PSK "\"", "\"" PSK "\"" };
	struct err err = { 0 };
	struct target *t;

	save("standby");
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_ok(file_replace(in(state, "targets/standby.json"), 0600, wrong[i],
				  strlen(wrong[i]), &err),
			&err);
		assert_fails(targets_load("standby", &t, &err), &err, ERR_CORRUPT);
		assert_null(strstr(err.text, "00010203"));
	}
}

static void every_field_is_checked(void **state)
{
	static const struct {
		const char *from, *to;
	} changes[] = { { "\"version\": 1", "\"version\": 2" }, { "192.0.2.1:7747", "[::1" },
		{ "192.0.2.1:7747", ":7747" }, { "dray-pk1:a", "dray-pk1:b" }, { "5a5a", "5a5" },
		{ "5a5a", "5a5x" }, { "web01", "../x" },
		{ "\"first_seen\": ", "\"first_seen\": -" },
		{ "\"key_name\"", "\"flag\": true, \"key_name\"" } };
	struct err err = { 0 };
	struct target *t;
	struct buf b;

	buf_init(&b, 10000);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		char text[2000];
		const char *found, *whole;

		save("standby");
		assert_ok(file_read(in(state, "targets/standby.json"), &b, &err), &err);
		buf_u8(&b, 0);
		whole = (const char *)buf_bytes(&b);
		found = strstr(whole, changes[i].from);
		assert_non_null(found);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(found - whole), whole, changes[i].to,
			found + strlen(changes[i].from));
		assert_ok(file_replace(in(state, "targets/standby.json"), 0600, text, strlen(text),
				  &err),
			&err);
		assert_fails(targets_load("standby", &t, &err), &err, ERR_CORRUPT);
		assert_ok(targets_remove("standby", &err), &err);
	}
	buf_done(&b);
}

struct seen {
	char names[100];
	size_t bad;
};

static void see(void *ctx, const char *name, const struct target *t, const struct err *why)
{
	struct seen *s = ctx;
	size_t n = strlen(s->names);

	snprintf(s->names + n, sizeof(s->names) - n, "%s ", name);
	assert_true((t == NULL) == (why != NULL));
	s->bad += t == NULL;
}

static void all_targets_are_listed_in_order_and_strange_files_are_not(void **state)
{
	struct seen s = { "" };
	struct err err = { 0 };

	assert_ok(targets_each(see, &s, &err), &err);
	assert_string_equal(s.names, "");
	save("b");
	save("a.json");
	save("c");
	assert_ok(file_replace(in(state, "targets/.x.json"), 0600, "", 0, &err), &err);
	assert_ok(file_replace(in(state, "targets/x.json.tmp.abc"), 0600, "", 0, &err), &err);
	assert_ok(file_replace(in(state, "targets/b.json"), 0600, "{", 1, &err), &err);
	assert_ok(targets_each(see, &s, &err), &err);
	assert_string_equal(s.names, "a.json b c ");
	assert_int_equal(s.bad, 1);
}

static void this_host_has_one_key(void **state)
{
	struct key_pair *first, *second;
	struct err err = { 0 };
	struct target *t;

	assert_ok(client_key(&first, &err), &err);
	assert_ok(client_key(&second, &err), &err);
	assert_memory_equal(first, second, sizeof(*first));
	client_close(first, NULL);
	client_close(second, NULL);
	save("standby");
	assert_ok(client_open("standby", &first, &t, &err), &err);
	client_close(first, t);
	assert_int_equal(chmod(in(state, "key"), 0604), 0);
	assert_fails(client_open("standby", &first, &t, &err), &err, ERR_REFUSED);
}

#define WITH(name) TEST_WITH(name, setup, temp_dir_teardown)

RUN_TESTS(WITH(a_target_comes_back_as_it_was_kept),
	WITH(a_target_that_is_not_there_is_told_with_those_that_are),
	WITH(another_receiver_is_never_replaced), WITH(a_file_that_others_may_read_is_refused),
	WITH(a_damaged_file_is_refused_without_telling_its_secret), WITH(every_field_is_checked),
	WITH(all_targets_are_listed_in_order_and_strange_files_are_not),
	WITH(this_host_has_one_key))
