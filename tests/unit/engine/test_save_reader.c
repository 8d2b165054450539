#include "common/engine/save_reader.h"
#include "common/engine/v1_names.h"
#include "tests/support/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCHIVE_MAX (1u << 20)

/* An archive in the making, and an image of two layers ("one" and "two") to read out of it. */
struct fixture {
	uint8_t bytes[ARCHIVE_MAX];
	size_t used, at, step;
	struct archive *a;
	struct digest diff_ids[2];
	struct engine_image image;
	const char *config;

	/* what the sink saw */
	bool unwanted[2];
	char log[1000];
	size_t notes;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->diff_ids[0] = digest_of("one", 3);
	f->diff_ids[1] = digest_of("two", 3);
	f->config = "{\"config\":1}";
	f->image.config = digest_of(f->config, strlen(f->config));
	f->image.diff_ids = f->diff_ids;
	f->image.n_diff_ids = 2;
	f->step = 1000;
	f->a = archive_write_new();
	archive_write_set_format_ustar(f->a);
	archive_write_open_memory(f->a, f->bytes, sizeof(f->bytes), &f->used);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	archive_write_free(f->a);
	free(f);
	return 0;
}

static void add(struct fixture *f, const char *name, const char *content)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)strlen(content));
	assert_int_equal(archive_write_header(f->a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(f->a, content, strlen(content)), strlen(content));
	archive_entry_free(e);
}

static void add_link(struct fixture *f, const char *name, const char *to)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFLNK);
	archive_entry_set_symlink(e, to);
	archive_entry_set_perm(e, 0777);
	assert_int_equal(archive_write_header(f->a, e), ARCHIVE_OK);
	archive_entry_free(e);
}

static void add_named(struct fixture *f, const char *before, const struct digest *d,
	const char *after, const char *content)
{
	char hex[DIGEST_HEX_LEN + 1], name[200];

	digest_hex(d, hex);
	snprintf(name, sizeof(name), "%s%s%s", before, hex, after);
	add(f, name, content);
}

/* What Docker 20.10 writes for the lowest layer: the name is the hash of the rule's object. */
static void add_v1_lowest(struct fixture *f, const char *layer)
{
	char text[DIGEST_TEXT_LEN + 1], object[300];
	struct digest name;

	digest_text(&f->diff_ids[0], text);
	snprintf(object, sizeof(object), "{\"created\":\"x\",\"layer_id\":\"%s\"}", text);
	name = digest_of(object, strlen(object));
	add_named(f, "", &name, "/VERSION", "1.0");
	add_named(f, "", &name, "/json", "{\"id\":\"y\",\"created\":\"x\",\"os\":\"linux\"}");
	add_named(f, "", &name, "/layer.tar", layer);
}

/* --- the sink: writes down what it sees --- */

static bool wants(void *ctx, const struct digest *diff_id)
{
	struct fixture *f = ctx;

	return !f->unwanted[digest_equal(diff_id, &f->diff_ids[0]) ? 0 : 1];
}

static void put(struct fixture *f, const char *s, size_t n)
{
	size_t used = strlen(f->log);

	snprintf(f->log + used, sizeof(f->log) - used, "%.*s", (int)n, s);
}

static int layer(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err)
{
	struct fixture *f = ctx;
	char text[32];

	(void)err;
	snprintf(text, sizeof(text), "%c%u:",
		!diff_id				 ? '?'
		: digest_equal(diff_id, &f->diff_ids[0]) ? '0'
							 : '1',
		(unsigned)size);
	put(f, text, strlen(text));
	return 0;
}

static int bytes(void *ctx, const void *b, size_t n, struct err *err)
{
	(void)err;
	put(ctx, b, n);
	return 0;
}

static int layer_end(void *ctx, struct err *err)
{
	(void)err;
	put(ctx, ";", 1);
	return 0;
}

static int config(void *ctx, const void *b, size_t n, struct err *err)
{
	struct fixture *f = ctx;

	(void)err;
	assert_int_equal(n, strlen(f->config));
	assert_memory_equal(b, f->config, n);
	put(f, "c;", 2);
	return 0;
}

static void note(void *ctx, const char *text)
{
	struct fixture *f = ctx;

	(void)text;
	f->notes++;
}

static const struct engine_save_sink sink = { wants, layer, bytes, layer_end, config, note };

static int read_some(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	struct fixture *f = ctx;

	(void)err;
	*ret = f->bytes + f->at;
	*ret_n = min_size(f->step, f->used - f->at);
	f->at += *ret_n;
	return 0;
}

static int run(struct fixture *f)
{
	archive_write_close(f->a);
	return save_read(&f->image, read_some, f, &sink, f, &f->err);
}

/* --- tests --- */

static void blobs_named_by_their_hash_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct digest other = digest_of("else", 4);

	add_named(f, "blobs/sha256/", &other, "", "junk");
	add_named(f, "blobs/sha256/", &f->diff_ids[1], "", "two");
	add_named(f, "blobs/sha256/", &f->image.config, "", f->config);
	add_named(f, "blobs/sha256/", &f->diff_ids[0], "", "one");
	add(f, "manifest.json", "[]");
	assert_ok(run(f), &f->err);
	assert_string_equal(f->log, "13:two;c;03:one;");
	assert_int_equal(f->notes, 0);
}

static void layers_that_are_not_wanted_are_passed_over(void **state)
{
	struct fixture *f = *state;

	f->unwanted[0] = true;
	f->step = 1;
	add_named(f, "", &f->diff_ids[0], ".tar", "one");
	add_named(f, "", &f->diff_ids[1], ".tar", "two");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_ok(run(f), &f->err);
	assert_string_equal(f->log, "13:two;c;");
}

static void a_layer_at_two_places_comes_once(void **state)
{
	struct fixture *f = *state;

	f->diff_ids[1] = f->diff_ids[0];
	add_named(f, "", &f->diff_ids[0], ".tar", "one");
	add_named(f, "blobs/sha256/", &f->diff_ids[0], "", "one");
	add_link(f, "x/layer.tar", "../y/layer.tar");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_ok(run(f), &f->err);
	assert_string_equal(f->log, "03:one;c;");
}

static void a_v1_directory_is_told_by_its_json(void **state)
{
	struct fixture *f = *state;

	f->unwanted[1] = true;
	add_v1_lowest(f, "one");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_ok(run(f), &f->err);
	assert_string_equal(f->log, "03:one;c;");
	assert_int_equal(f->notes, 0);
}

static void v1_directories_that_prove_nothing_are_all_read_with_one_note(void **state)
{
	struct fixture *f = *state;
	struct digest x = digest_of("x", 1), y = digest_of("y", 1);

	f->unwanted[0] = true;
	add_named(f, "", &x, "/json", "{\"id\":\"y\"}");
	add_named(f, "", &x, "/layer.tar", "one");
	add_named(f, "", &y, "/layer.tar", "two");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_ok(run(f), &f->err);
	assert_string_equal(f->log, "?3:one;?3:two;c;");
	assert_int_equal(f->notes, 1);
}

static void a_json_says_nothing_of_another_directory(void **state)
{
	struct fixture *f = *state;
	struct digest x = digest_of("x", 1);

	add_v1_lowest(f, "one");
	add_named(f, "", &x, "/layer.tar", "two");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_ok(run(f), &f->err);
	assert_string_equal(f->log, "03:one;?3:two;c;");
}

static void a_missing_layer_or_config_is_an_error(void **state)
{
	struct fixture *f = *state;

	add_named(f, "", &f->diff_ids[0], ".tar", "one");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_fails(run(f), &f->err, ERR_ENGINE);
	f->at = 0;
	f->unwanted[1] = true;
	assert_ok(save_read(&f->image, read_some, f, &sink, f, &f->err), &f->err);
	f->at = 0;
	f->image.config = digest_of("other", 5);
	assert_fails(save_read(&f->image, read_some, f, &sink, f, &f->err), &f->err, ERR_ENGINE);
}

static void a_config_that_does_not_hash_to_the_id_is_refused(void **state)
{
	struct fixture *f = *state;

	add_named(f, "", &f->image.config, ".json", "{\"config\":2}");
	assert_fails(run(f), &f->err, ERR_VERIFY);
}

static void an_archive_cut_anywhere_is_an_error(void **state)
{
	struct fixture *f = *state;
	size_t whole;

	add_named(f, "", &f->diff_ids[0], ".tar", "one");
	add_named(f, "", &f->diff_ids[1], ".tar", "two");
	add_named(f, "", &f->image.config, ".json", f->config);
	assert_ok(run(f), &f->err);
	/* The config's entry is the last: 512 bytes of header, 512 of content. */
	whole = 6 * 512;
	for (size_t n = 0; n < whole - 500; n += 7) {
		f->at = 0;
		f->used = n;
		assert_int_equal(save_read(&f->image, read_some, f, &sink, f, &f->err), -1);
	}
}

static int read_fails(void *ctx, const void **ret, size_t *ret_n, struct err *err)
{
	(void)ctx;
	(void)ret;
	(void)ret_n;
	return err_set(err, ERR_UNREACHABLE, "gone");
}

static void the_readers_own_error_is_told(void **state)
{
	struct fixture *f = *state;

	assert_fails(
		save_read(&f->image, read_fails, f, &sink, f, &f->err), &f->err, ERR_UNREACHABLE);
}

#define T(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(T(blobs_named_by_their_hash_are_told_apart),
	T(layers_that_are_not_wanted_are_passed_over), T(a_layer_at_two_places_comes_once),
	T(a_v1_directory_is_told_by_its_json),
	T(v1_directories_that_prove_nothing_are_all_read_with_one_note),
	T(a_json_says_nothing_of_another_directory), T(a_missing_layer_or_config_is_an_error),
	T(a_config_that_does_not_hash_to_the_id_is_refused), T(an_archive_cut_anywhere_is_an_error),
	T(the_readers_own_error_is_told))
