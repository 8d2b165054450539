#include "common/store/pack.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_new_pack_has_its_head_and_is_private(void **state)
{
	(void)state;
	static const uint8_t expected[PACK_HEAD_LEN] = "dPK1\1\0\0\0\7\0\0\0\0\0\0";
	char *dir = fixture_dir();
	struct pack p;
	struct err err = { 0 };
	struct stat st;
	uint8_t head[PACK_HEAD_LEN];
	bool good = false;
	assert_ok(pack_create(dir, 7, &p, &err), &err);
	assert_int_equal(p.end, PACK_HEAD_LEN);
	assert_ok(pack_check_head(&p, &good, &err), &err);
	assert_true(good);
	assert_int_equal(pread(p.fd, head, sizeof head, 0), sizeof head);
	assert_memory_equal(head, expected, sizeof head);
	assert_int_equal(stat(fixture_path(dir, "00000007.pack"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	pack_close(&p);
	pack_close(&p);
	fixture_remove(dir);
}

static void a_pack_is_never_made_over_another(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct pack p, q;
	struct err err = { 0 };
	assert_ok(pack_create(dir, 1, &p, &err), &err);
	assert_fails(pack_create(dir, 1, &q, &err), &err, ERR_IO);
	assert_fails(pack_create(dir, 0, &q, &err), &err, ERR_LIMIT);
	assert_fails(pack_create(dir, PACK_NUMBER_MAX + 1, &q, &err), &err, ERR_LIMIT);
	pack_close(&p);
	fixture_remove(dir);
}

static void appended_records_lie_back_to_back(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct pack p;
	struct err err = { 0 };
	char bytes[8] = { 0 };
	assert_ok(pack_create(dir, 1, &p, &err), &err);
	assert_ok(pack_append(&p, "abc", 3, &err), &err);
	assert_ok(pack_append(&p, "defgh", 5, &err), &err);
	assert_int_equal(p.end, PACK_HEAD_LEN + 8);
	assert_ok(pack_sync(&p, dir, &err), &err);
	assert_false(p.name_new);
	assert_ok(pack_cut(&p, PACK_HEAD_LEN + 3, &err), &err);
	assert_ok(pack_append(&p, "xyz", 3, &err), &err);
	pack_close(&p);
	assert_ok(pack_open(dir, 1, &p, &err), &err);
	assert_int_equal(p.end, PACK_HEAD_LEN + 6);
	assert_int_equal(pread(p.fd, bytes, sizeof bytes, PACK_HEAD_LEN), 6);
	assert_memory_equal(bytes, "abcxyz", 6);
	pack_close(&p);
	fixture_remove(dir);
}

static void a_wrong_head_is_noticed(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	const char *path = fixture_path(dir, "00000001.pack");
	struct err err = { 0 };
	for (uint64_t at = 0; at < PACK_HEAD_LEN; at++) {
		struct pack p;
		bool good = true;
		assert_ok(pack_create(dir, 1, &p, &err), &err);
		fixture_flip(path, at, 1);
		if (at >= 4 && at < 8 && at != 4)
			assert_fails(pack_check_head(&p, &good, &err), &err, ERR_FAILED);
		else
			assert_ok(pack_check_head(&p, &good, &err), &err);
		if (at < 5 || at >= 8)
			assert_false(good);
		assert_ok(pack_write_head(&p, &err), &err);
		assert_ok(pack_check_head(&p, &good, &err), &err);
		assert_true(good);
		pack_close(&p);
		unlink(path);
	}
	fixture_remove(dir);
}

static void a_short_head_is_no_head(void **state)
{
	(void)state;
	char *dir = fixture_dir();
	struct pack p;
	struct err err = { 0 };
	bool good = true;
	assert_ok(pack_create(dir, 1, &p, &err), &err);
	pack_close(&p);
	assert_int_equal(truncate(fixture_path(dir, "00000001.pack"), PACK_HEAD_LEN - 1), 0);
	assert_ok(pack_open(dir, 1, &p, &err), &err);
	assert_ok(pack_check_head(&p, &good, &err), &err);
	assert_false(good);
	assert_ok(pack_write_head(&p, &err), &err);
	assert_int_equal(p.end, PACK_HEAD_LEN);
	pack_close(&p);
	fixture_remove(dir);
}

static void the_list_has_packs_only_and_in_order(void **state)
{
	(void)state;
	static const char *const others[] = { "00000000.pack", "1.pack", "000000010.pack",
		"0000000a.pack", "00000003.packx", "index.db", "-0000001.pack" };
	char *dir = fixture_dir();
	struct err err = { 0 };
	uint32_t *numbers = NULL;
	size_t n = 1;
	assert_ok(pack_list(dir, &numbers, &n, &err), &err);
	assert_int_equal(n, 0);
	free(numbers);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		close(open(fixture_path(dir, others[i]), O_CREAT | O_WRONLY, 0600));
	for (uint32_t i = 200; i > 0; i--) {
		struct pack p;
		assert_ok(pack_create(dir, i * 3, &p, &err), &err);
		pack_close(&p);
	}
	assert_ok(pack_list(dir, &numbers, &n, &err), &err);
	assert_int_equal(n, 200);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(numbers[i], (i + 1) * 3);
	free(numbers);
	assert_fails(pack_list(fixture_path(dir, "no"), &numbers, &n, &err), &err, ERR_IO);
	fixture_remove(dir);
}

RUN_TESTS(TEST(a_new_pack_has_its_head_and_is_private), TEST(a_pack_is_never_made_over_another),
	TEST(appended_records_lie_back_to_back), TEST(a_wrong_head_is_noticed),
	TEST(a_short_head_is_no_head), TEST(the_list_has_packs_only_and_in_order))
