#include "common/base/file.h"
#include "server/engine/load_journal.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int make_dir(void **state)
{
	char *dir = strdup("/tmp/dray-journal-XXXXXX");

	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static int remove_dir(void **state)
{
	DIR *d = opendir(*state);
	const struct dirent *e;
	char path[400];

	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", (char *)*state, e->d_name);
		unlink(path);
	}
	closedir(d);
	rmdir(*state);
	free(*state);
	return 0;
}

static struct load_entry entry_of(uint32_t job)
{
	return (struct load_entry){
		.image = digest_of("image", 5), .job = job, .committed = 1700000000
	};
}

static void entries_come_back_until_they_are_removed(void **state)
{
	struct load_entry entry = entry_of(UINT32_MAX), *list;
	struct err err = { 0 };
	size_t n, odd;

	assert_ok(load_journal_write(*state, &entry, &err), &err);
	entry.existed = true;
	assert_ok(load_journal_write(*state, &entry, &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(odd, 0);
	assert_true(digest_equal(&list[0].image, &entry.image));
	assert_true(list[0].job == UINT32_MAX && list[0].existed);
	assert_true(list[0].committed == 1700000000);
	load_entries_free(list, n);
	assert_ok(load_journal_remove(*state, &entry.image, entry.job, &err), &err);
	assert_ok(load_journal_remove(*state, &entry.image, entry.job, &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_int_equal(n, 0);
	load_entries_free(list, n);
}

static void an_entry_has_its_prefixes_and_whose_they_are(void **state)
{
	struct load_entry entry = entry_of(3), *list;
	struct digest prefixes[2] = { digest_of("a", 1), digest_of("b", 1) };
	struct err err = { 0 };
	size_t n, odd;

	entry.existed = true;
	assert_true(load_entry_settled(&entry));
	entry.prefixes = prefixes;
	entry.n_prefixes = 2;
	entry.kept = 1700000001;
	memcpy(entry.key, "web01", 6);
	assert_false(load_entry_settled(&entry));
	assert_ok(load_journal_write(*state, &entry, &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].n_prefixes, 2);
	assert_true(digest_equal(&list[0].prefixes[1], &prefixes[1]));
	assert_true(list[0].kept == 1700000001);
	assert_string_equal(list[0].key, "web01");
	load_entries_free(list, n);
}

static void write_entry(const char *dir, const char *rest)
{
	struct load_entry entry = entry_of(3);
	char image[DIGEST_TEXT_LEN + 1], path[400], text[600];
	struct err err = { 0 };

	digest_text(&entry.image, image);
	snprintf(path, sizeof(path), "%s/%s-3.json", dir, image + 7);
	snprintf(text, sizeof(text), "{\"image\":\"%s\",\"job\":3,\"existed\":false%s}", image,
		rest);
	assert_ok(file_replace(path, 0600, text, strlen(text), &err), &err);
}

static void an_entry_from_before_there_were_prefixes_has_none(void **state)
{
	struct load_entry *list;
	struct err err = { 0 };
	size_t n, odd;

	write_entry(*state, "");
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].n_prefixes, 0);
	load_entries_free(list, n);
}

static void an_entry_with_something_else_for_prefixes_or_key_is_damaged(void **state)
{
	static const char *const odd_ones[] = {
		",\"prefixes\":7", ",\"prefixes\":[7]", ",\"prefixes\":[\"sha256:1\"]",
		",\"kept\":-1",
		",\"key\":\"0123456789012345678901234567890123456789012345678901234567890123456\""
	};
	struct load_entry *list;
	struct err err = { 0 };
	size_t n, odd;

	for (size_t i = 0; i < ARRAY_LEN(odd_ones); i++) {
		write_entry(*state, odd_ones[i]);
		assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
		assert_int_equal(n, 0);
		assert_int_equal(odd, 1);
		load_entries_free(list, n);
	}
}

static void the_engines_id_comes_back_and_may_be_unknown(void **state)
{
	struct load_entry entry = { .image = digest_of("image", 5), .job = 7 }, *list;
	struct err err = { 0 };
	size_t n, odd;

	assert_ok(load_journal_write(*state, &entry, &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_true(n == 1 && !list[0].id_known && load_entry_settled(&list[0]));
	load_entries_free(list, n);
	entry.id = digest_of("manifest", 8);
	entry.id_known = true;
	assert_ok(load_journal_write(*state, &entry, &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_true(n == 1 && list[0].id_known && digest_equal(&list[0].id, &entry.id));
	assert_false(load_entry_settled(&list[0]));
	load_entries_free(list, n);
}

/* What a version wrote that knew the classic store only. */
static void without_an_id_it_is_the_images(void **state)
{
	struct digest image = digest_of("image", 5);
	char hex[DIGEST_HEX_LEN + 1], path[400], text[400];
	struct load_entry *list;
	struct err err = { 0 };
	size_t n, odd;

	digest_hex(&image, hex);
	snprintf(path, sizeof(path), "%s/%s-1.json", (char *)*state, hex);
	snprintf(text, sizeof(text),
		"{\"image\":\"sha256:%s\",\"job\":1,\"existed\":false,\"committed\":0}", hex);
	assert_ok(file_replace(path, 0600, text, strlen(text), &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_true(n == 1 && list[0].id_known && digest_equal(&list[0].id, &image));
	load_entries_free(list, n);
}

static void a_missing_directory_holds_none(void **state)
{
	struct load_entry *list;
	struct err err = { 0 };
	size_t n, odd;

	(void)state;
	assert_ok(load_journal_list("/nonexistent/loads", &list, &n, &odd, &err), &err);
	assert_int_equal(n, 0);
	load_entries_free(list, n);
}

static void damaged_files_are_counted_and_others_ignored(void **state)
{
	struct load_entry entry = entry_of(3), *list;
	char hex[DIGEST_HEX_LEN + 1], path[400];
	struct err err = { 0 };
	size_t n, odd;

	digest_hex(&entry.image, hex);
	assert_ok(load_journal_write(*state, &entry, &err), &err);
	snprintf(path, sizeof(path), "%s/%s-4.json", (char *)*state, hex);
	assert_ok(file_replace(path, 0600, "{\"image\":", 9, &err), &err);
	snprintf(path, sizeof(path), "%s/%s-5.json", (char *)*state, hex);
	assert_ok(file_replace(path, 0600, "", 0, &err), &err);
	snprintf(path, sizeof(path), "%s/README", (char *)*state);
	assert_ok(file_replace(path, 0600, "hello", 5, &err), &err);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(odd, 2);
	load_entries_free(list, n);
}

static void a_file_under_another_name_is_damaged(void **state)
{
	struct load_entry entry = entry_of(3), *list;
	char hex[DIGEST_HEX_LEN + 1], from[400], to[400];
	struct err err = { 0 };
	size_t n, odd;

	digest_hex(&entry.image, hex);
	assert_ok(load_journal_write(*state, &entry, &err), &err);
	snprintf(from, sizeof(from), "%s/%s-3.json", (char *)*state, hex);
	snprintf(to, sizeof(to), "%s/%s-4.json", (char *)*state, hex);
	assert_int_equal(rename(from, to), 0);
	assert_ok(load_journal_list(*state, &list, &n, &odd, &err), &err);
	assert_int_equal(n, 0);
	assert_int_equal(odd, 1);
	load_entries_free(list, n);
}

#define T(name) TEST_WITH(name, make_dir, remove_dir)

RUN_TESTS(T(entries_come_back_until_they_are_removed),
	T(the_engines_id_comes_back_and_may_be_unknown), T(without_an_id_it_is_the_images),
	T(an_entry_has_its_prefixes_and_whose_they_are),
	T(an_entry_from_before_there_were_prefixes_has_none),
	T(an_entry_with_something_else_for_prefixes_or_key_is_damaged),
	T(a_missing_directory_holds_none), T(damaged_files_are_counted_and_others_ignored),
	T(a_file_under_another_name_is_damaged))
