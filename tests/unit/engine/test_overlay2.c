#include "common/engine/overlay2.h"
#include "tests/support/gzip_fd.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LAYERS_MAX 4
#define LOG_MAX (1u << 20)

/* An engine's directory in the making, and an image in it. */
struct fixture {
	char *root;
	struct engine_info info;
	struct engine_image image;
	struct digest diff_ids[LAYERS_MAX];
	atomic_bool stop;

	/* what the sink is to do, and what it saw */
	bool unwanted[LAYERS_MAX];
	const char *refuse; /* the call that fails */
	struct hasher *hasher;
	struct digest now;
	uint64_t size, got;
	char log[LOG_MAX];
	size_t log_len;
	struct err err;
};

static const char *const config_text = "{\"config\":1}";

static char *path_of(struct fixture *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

static char *path_of(struct fixture *f, const char *fmt, ...)
{
	static char path[1000];
	va_list args;
	int n = snprintf(path, sizeof(path), "%s/", f->root);

	va_start(args, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, args);
	va_end(args);
	return path;
}

static void make_parents(char *path)
{
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
}

static int create(char *path)
{
	int fd;

	make_parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	return fd;
}

static void write_file(char *path, const char *content)
{
	int fd = create(path);

	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

static void set_driver(struct fixture *f, const char *name)
{
	snprintf(f->info.driver, sizeof(f->info.driver), "%s", name);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char hex[DIGEST_HEX_LEN + 1];

	assert_non_null(f);
	f->root = temp_dir_make();
	set_driver(f, "overlay2");
	snprintf(f->info.data_root, sizeof(f->info.data_root), "%s", f->root);
	f->image.config = digest_of(config_text, strlen(config_text));
	f->image.diff_ids = f->diff_ids;
	digest_hex(&f->image.config, hex);
	write_file(path_of(f, "image/overlay2/imagedb/content/sha256/%s", hex), config_text);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	temp_dir_remove(f->root);
	free(f);
	return 0;
}

/* The layer's directory in the layerdb, and a name in it. */
static char *record_of(struct fixture *f, size_t layer, const char *name)
{
	struct digest chain = digest_chain(NULL, &f->diff_ids[0]);
	char hex[DIGEST_HEX_LEN + 1];

	for (size_t i = 1; i <= layer; i++)
		chain = digest_chain(&chain, &f->diff_ids[i]);
	digest_hex(&chain, hex);
	return path_of(f, "image/overlay2/layerdb/sha256/%s/%s", hex, name);
}

static char *file_of(struct fixture *f, size_t layer, const char *name)
{
	return path_of(f, "overlay2/dir-%zu/diff/%s", layer, name);
}

static void write_split(struct fixture *f, size_t layer, const char *lines)
{
	int fd = create(record_of(f, layer, "tar-split.json.gz"));

	gzip_write(fd, lines, strlen(lines));
	close(fd);
}

/* A layer on top whose tar is to be `tar`; its files are made by the caller. */
static void add_layer(struct fixture *f, const char *lines, const char *tar)
{
	size_t i = f->image.n_diff_ids++;
	char id[20];

	f->diff_ids[i] = digest_of(tar, strlen(tar));
	snprintf(id, sizeof(id), "dir-%zu", i);
	write_file(record_of(f, i, "cache-id"), id);
	write_split(f, i, lines);
	make_parents(file_of(f, i, "x"));
}

/* A layer whose tar is "0[file]", with its own number, where "file" is the content of the file of
 * that name. */
static void add_named(struct fixture *f, const char *name)
{
	static const char *const heads[LAYERS_MAX] = { "MFs=", "MVs=", "Mls=", "M1s=" };
	char lines[500], tar[20];

	snprintf(lines, sizeof(lines),
		"{\"type\":2,\"payload\":\"%s\",\"position\":0}\n"
		"{\"type\":1,\"name\":\"%s\",\"size\":4,\"payload\":\"AA==\",\"position\":1}\n"
		"{\"type\":2,\"payload\":\"XQ==\",\"position\":2}\n",
		heads[f->image.n_diff_ids], name);
	snprintf(tar, sizeof(tar), "%zu[file]", f->image.n_diff_ids);
	add_layer(f, lines, tar);
}

/* --- the sink: writes down what it sees --- */

static void note_down(struct fixture *f, const char *s, size_t n)
{
	assert_true(f->log_len + n < LOG_MAX);
	memcpy(f->log + f->log_len, s, n);
	f->log_len += n;
}

static int refuse(struct fixture *f, const char *call, struct err *err)
{
	if (f->refuse && strcmp(f->refuse, call) == 0)
		return err_set(err, ERR_FULL, "refused");
	return 0;
}

static bool wants(void *ctx, const struct digest *diff_id)
{
	struct fixture *f = ctx;

	for (size_t i = 0; i < f->image.n_diff_ids; i++)
		if (digest_equal(&f->diff_ids[i], diff_id))
			return !f->unwanted[i];
	fail_msg("a layer that is none of the image's");
	return false;
}

static int layer(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err)
{
	struct fixture *f = ctx;

	f->now = *diff_id;
	f->size = size;
	f->got = 0;
	f->hasher = hasher_new();
	assert_non_null(f->hasher);
	return refuse(f, "layer", err);
}

static int bytes(void *ctx, const void *b, size_t n, struct err *err)
{
	struct fixture *f = ctx;

	f->got += n;
	hasher_update(f->hasher, b, n);
	note_down(f, b, n);
	return refuse(f, "bytes", err);
}

static int layer_end(void *ctx, struct err *err)
{
	struct fixture *f = ctx;
	struct digest digest = hasher_end(f->hasher);

	hasher_free(f->hasher);
	f->hasher = NULL;
	assert_int_equal(f->got, f->size);
	note_down(f, ";", 1);
	if (!digest_equal(&digest, &f->now))
		return err_set(err, ERR_VERIFY, "other bytes");
	return refuse(f, "layer_end", err);
}

static int take_config(void *ctx, const void *b, size_t n, struct err *err)
{
	struct fixture *f = ctx;

	assert_int_equal(n, strlen(config_text));
	assert_memory_equal(b, config_text, n);
	note_down(f, "C", 1);
	return refuse(f, "config", err);
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	fail_msg("a note: %s", text);
}

static int read_image(struct fixture *f)
{
	static const struct engine_save_sink sink = { .wants = wants,
		.layer = layer,
		.bytes = bytes,
		.layer_end = layer_end,
		.config = take_config,
		.note = note };
	int r;

	f->log_len = 0;
	r = overlay2_read(&f->info, &f->image, &f->stop, &sink, f, &f->err);

	hasher_free(f->hasher); /* of a layer that was left */
	f->hasher = NULL;
	f->log[f->log_len] = '\0';
	return r;
}

static void assert_reads(struct fixture *f, const char *expected)
{
	assert_ok(read_image(f), &f->err);
	assert_string_equal(f->log, expected);
}

static void assert_gives_up(struct fixture *f, const char *reason)
{
	assert_fails(read_image(f), &f->err, ERR_AGAIN);
	if (!strstr(f->err.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, reason);
}

/* --- what is read --- */

static void the_config_and_the_layers_come_the_lowest_first(void **state)
{
	struct fixture *f = *state;

	add_named(f, "a");
	add_layer(f,
		"{\"type\":2,\"payload\":\"dHdv\",\"position\":0}\n"
		"{\"type\":1,\"name\":\"d/b\",\"size\":3,\"payload\":\"AA==\",\"position\":1}\n"
		"{\"type\":1,\"name\":\"d/c\",\"size\":2,\"payload\":\"AA==\",\"position\":2}\n",
		"twoBBBCC");
	write_file(file_of(f, 0, "a"), "file");
	write_file(file_of(f, 1, "d/b"), "BBB");
	write_file(file_of(f, 1, "d/c"), "CC");
	assert_ok(overlay2_check(&f->info, &f->image, &f->err), &f->err);
	assert_reads(f, "C0[file];twoBBBCC;");
}

static void layers_that_are_not_wanted_are_left_alone(void **state)
{
	struct fixture *f = *state;

	add_layer(f, "damaged", "lowest");
	add_named(f, "a");
	write_file(file_of(f, 1, "a"), "file");
	f->unwanted[0] = true;
	assert_reads(f, "C1[file];");
}

static void a_layer_that_occurs_twice_comes_once(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		add_layer(f, "{\"type\":2,\"payload\":\"dHdv\",\"position\":0}\n", "two");
	assert_reads(f, "Ctwo;");
}

static void an_image_and_a_layer_may_be_empty(void **state)
{
	struct fixture *f = *state;

	assert_reads(f, "C");
	add_layer(f, "{\"type\":2,\"payload\":\"\",\"position\":0}\n", "");
	assert_reads(f, "C;");
}

static void a_large_file_comes_whole(void **state)
{
	enum { SIZE = 700000 };
	struct fixture *f = *state;
	char *content = malloc(SIZE + 1), lines[200];

	assert_non_null(content);
	for (size_t i = 0; i < SIZE; i++)
		content[i] = (char)('!' + i * i % 91);
	content[SIZE] = '\0';
	snprintf(lines, sizeof(lines),
		"{\"type\":1,\"name\":\"large\",\"size\":%d,\"payload\":\"AA==\",\"position\":0}\n",
		SIZE);
	add_layer(f, lines, content);
	write_file(file_of(f, 0, "large"), content);
	assert_ok(read_image(f), &f->err);
	assert_int_equal(f->log_len, SIZE + 2);
	assert_memory_equal(f->log + 1, content, SIZE);
	free(content);
}

/* --- names --- */

static void links_are_followed_inside_of_the_layer(void **state)
{
	struct fixture *f = *state;

	add_named(f, "./link/a");
	add_named(f, "absolute/a");
	add_named(f, "/real/../real/a");
	for (size_t i = 0; i < 3; i++)
		write_file(file_of(f, i, "real/a"), "file");
	assert_int_equal(symlink("real", file_of(f, 0, "link")), 0);
	assert_int_equal(symlink("/real", file_of(f, 1, "absolute")), 0);
	assert_reads(f, "C0[file];1[file];2[file];");
}

/* What a layer may call a file outside of it: never the file that is meant. */
static void no_name_leads_out_of_the_layer(void **state)
{
	struct fixture *f = *state;
	char outside[300];
	const char *const names[] = { "../secret", "../../../secret", "d/../../../../secret",
		outside, "link/secret", "absolute/secret", "secret-link" };

	snprintf(outside, sizeof(outside), "%s/secret", f->root);
	write_file(path_of(f, "secret"), "file");
	write_file(path_of(f, "overlay2/dir-0/secret"), "file");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		f->image.n_diff_ids = 0;
		add_named(f, names[i]);
		make_parents(file_of(f, 0, "d/x"));
		assert_true(symlink("../../..", file_of(f, 0, "link")) == 0 || i > 0);
		assert_true(symlink(f->root, file_of(f, 0, "absolute")) == 0 || i > 0);
		assert_true(symlink(outside, file_of(f, 0, "secret-link")) == 0 || i > 0);
		assert_gives_up(f, names[i]);
		assert_null(strstr(f->log, "file"));
	}
}

static void names_of_any_bytes_are_found(void **state)
{
	struct fixture *f = *state;

	add_named(f, "q\\\"\\u003c\\n");
	add_layer(f,
		"{\"type\":1,\"name_raw\":\"/"
		"2E=\",\"size\":3,\"payload\":\"AA==\",\"position\":0}\n",
		"raw");
	write_file(file_of(f, 0, "q\"<\n"), "file");
	write_file(file_of(f, 1,
			   "\xff"
			   "a"),
		"raw");
	assert_reads(f, "C0[file];raw;");
}

/* --- files that are not what they were --- */

static void a_file_that_is_not_what_it_was_ends_it(void **state)
{
	struct fixture *f = *state;
	char name[] = "a";

	add_named(f, name);
	assert_gives_up(f, "No such file");
	assert_non_null(strstr(f->err.text, "layer sha256:"));
	write_file(file_of(f, 0, name), "fil");
	assert_gives_up(f, "another size");
	write_file(file_of(f, 0, name), "file!");
	assert_gives_up(f, "another size");
	assert_int_equal(unlink(file_of(f, 0, name)), 0);
	write_file(file_of(f, 0, "b"), "file");
	assert_int_equal(symlink("b", file_of(f, 0, name)), 0);
	assert_gives_up(f, "symbolic links");
	assert_int_equal(unlink(file_of(f, 0, name)), 0);
	assert_int_equal(mkdir(file_of(f, 0, name), 0755), 0);
	assert_gives_up(f, "no regular file");
	assert_int_equal(rmdir(file_of(f, 0, name)), 0);
	/* Opening it would wait for a writer. */
	assert_int_equal(mkfifo(file_of(f, 0, name), 0644), 0);
	assert_gives_up(f, "no regular file");
}

static void bytes_that_the_sink_finds_wrong_end_it(void **state)
{
	struct fixture *f = *state;

	add_named(f, "a");
	write_file(file_of(f, 0, "a"), "life");
	assert_gives_up(f, "other bytes");
	assert_string_equal(f->log, "C0[life];");
}

static void a_layer_without_its_records_ends_it(void **state)
{
	static const char *const ids[] = { "", "../dir-0", "dir/0", ".", "dir-0\n" };
	struct fixture *f = *state;

	add_named(f, "a");
	write_file(file_of(f, 0, "a"), "file");
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		write_file(record_of(f, 0, "cache-id"), ids[i]);
		assert_gives_up(f, "names no directory");
	}
	write_file(record_of(f, 0, "cache-id"), "dir-7");
	assert_gives_up(f, "its directory: No such file");
	assert_int_equal(unlink(record_of(f, 0, "cache-id")), 0);
	assert_gives_up(f, "its cache-id cannot be read");
	assert_int_equal(unlink(record_of(f, 0, "tar-split.json.gz")), 0);
	assert_gives_up(f, "its tar-split data: No such file");
	f->image.config.bytes[0] ^= 1;
	assert_gives_up(f, "config");
}

static void damaged_records_end_it_before_the_layer_begins(void **state)
{
	static const char *const lines[] = {
		"", "x", "{\"type\":7,\"payload\":\"eA==\"}\n",
		"{\"type\":2,\"payload\":\"MFs=\"}\n{\"type\":2,\"pay",
		/* a file larger than any, with more behind it, and one larger than a number */
		("{\"type\":1,\"name\":\"a\",\"size\":9223372036854775807,\"payload\":\"AA==\"}\n"
		 "{\"type\":2,\"payload\":\"eA==\"}\n"),
		"{\"type\":1,\"name\":\"a\",\"size\":18446744073709551615,\"payload\":\"AA==\"}\n"
	};
	struct fixture *f = *state;

	add_named(f, "a");
	write_file(file_of(f, 0, "a"), "file");
	f->refuse = "layer";
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		write_split(f, 0, lines[i]);
		assert_gives_up(f, "tar");
	}
}

/* --- stopping --- */

static void what_the_sink_refuses_is_its_own_error(void **state)
{
	static const char *const calls[] = { "config", "layer", "bytes", "layer_end" };
	struct fixture *f = *state;

	add_named(f, "a");
	write_file(file_of(f, 0, "a"), "file");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		f->refuse = calls[i];
		assert_fails(read_image(f), &f->err, ERR_FULL);
		assert_string_equal(f->err.text, "refused");
	}
}

static void it_can_be_stopped(void **state)
{
	struct fixture *f = *state;

	add_named(f, "a");
	write_file(file_of(f, 0, "a"), "file");
	atomic_store(&f->stop, true);
	assert_fails(read_image(f), &f->err, ERR_INTERRUPTED);
}

/* --- whose files they are --- */

static void files_of_another_kind_or_engine_are_told_at_once(void **state)
{
	struct fixture *f = *state;

	add_named(f, "a");
	assert_ok(overlay2_check(&f->info, &f->image, &f->err), &f->err);
	add_named(f, "a");
	assert_ok(overlay2_check(&f->info, &f->image, &f->err), &f->err);
	f->diff_ids[1].bytes[0] ^= 1;
	assert_fails(overlay2_check(&f->info, &f->image, &f->err), &f->err, ERR_IO);
	f->diff_ids[1].bytes[0] ^= 1;
	set_driver(f, "overlayfs");
	assert_fails(overlay2_check(&f->info, &f->image, &f->err), &f->err, ERR_FAILED);
	assert_non_null(strstr(f->err.text, "overlayfs"));
	set_driver(f, "overlay2");
	f->info.data_root[0] = '\0';
	assert_fails(overlay2_check(&f->info, &f->image, &f->err), &f->err, ERR_FAILED);
}

RUN_TESTS(TEST_WITH(the_config_and_the_layers_come_the_lowest_first, set_up, tear_down),
	TEST_WITH(layers_that_are_not_wanted_are_left_alone, set_up, tear_down),
	TEST_WITH(a_layer_that_occurs_twice_comes_once, set_up, tear_down),
	TEST_WITH(an_image_and_a_layer_may_be_empty, set_up, tear_down),
	TEST_WITH(a_large_file_comes_whole, set_up, tear_down),
	TEST_WITH(links_are_followed_inside_of_the_layer, set_up, tear_down),
	TEST_WITH(no_name_leads_out_of_the_layer, set_up, tear_down),
	TEST_WITH(names_of_any_bytes_are_found, set_up, tear_down),
	TEST_WITH(a_file_that_is_not_what_it_was_ends_it, set_up, tear_down),
	TEST_WITH(bytes_that_the_sink_finds_wrong_end_it, set_up, tear_down),
	TEST_WITH(a_layer_without_its_records_ends_it, set_up, tear_down),
	TEST_WITH(damaged_records_end_it_before_the_layer_begins, set_up, tear_down),
	TEST_WITH(what_the_sink_refuses_is_its_own_error, set_up, tear_down),
	TEST_WITH(it_can_be_stopped, set_up, tear_down),
	TEST_WITH(files_of_another_kind_or_engine_are_told_at_once, set_up, tear_down))
