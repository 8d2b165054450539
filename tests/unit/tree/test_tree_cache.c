#include "common/tree/tree_scan_impl.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/tree_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCHES_MAX 4096

/* What a scan gave. */
struct scanned {
	struct tree_scan *scan;
	struct batch *batches[BATCHES_MAX];
	size_t n;
	struct digest digest;
	uint64_t size;
	struct tree_report report;
};

struct place {
	char *top, *root, *cache;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->top = temp_dir_make();
	p->root = sample_dir(p->top, "root");
	p->cache = strdup(sample_path(p->top, "cache"));
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	/* No scan leaves anything beside its cache. */
	unlink(p->cache);
	sample_run((const char *const[]){ "rm", "-r", p->root, NULL });
	assert_int_equal(rmdir(p->top), 0);
	free(p->top);
	free(p->root);
	free(p->cache);
	free(p);
	return 0;
}

static int64_t in_a_minute(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec + 60) * INT64_C(1000000000) + now.tv_nsec;
}

static int keep(void *ctx, struct batch *b, struct err *err)
{
	struct scanned *s = ctx;

	(void)err;
	assert_true(s->n < BATCHES_MAX);
	s->batches[s->n++] = b;
	return 0;
}

/* `later`: long after everything in the tree was written. */
static void scan_with(
	const struct place *p, const char *cache, bool reread, bool later, struct scanned *ret)
{
	const struct tree_scan_config config = {
		.root = p->root, .cache = cache, .reread = reread
	};
	struct err err;

	memset(ret, 0, sizeof(*ret));
	assert_ok(tree_scan_open(&config, &ret->scan, &err), &err);
	if (later)
		ret->scan->now = in_a_minute;
	assert_ok(tree_scan_split(ret->scan, keep, ret, &ret->digest, &ret->size, &err), &err);
	ret->report = *tree_scan_report(ret->scan);
	assert_int_equal(ret->size, ret->report.bytes);
}

static void scan(const struct place *p, struct scanned *ret)
{
	scan_with(p, p->cache, false, true, ret);
}

/* As sample_tree_make, but nothing is changed in the future only. */
static void make_tree(const struct place *p)
{
	sample_tree_make(p->root);
	sample_mtime(sample_path(p->root, "one block"), 1, 0);
}

static void scanned_done(struct scanned *s)
{
	for (size_t i = 0; i < s->n; i++)
		batch_free(s->batches[i]);
	tree_scan_free(s->scan);
	memset(s, 0, sizeof(*s));
}

/* The same as a scan without a cache gives. */
static void assert_right(const struct place *p, const struct scanned *s)
{
	static struct scanned plain;

	scan_with(p, NULL, false, true, &plain);
	assert_true(digest_equal(&s->digest, &plain.digest));
	assert_int_equal(s->size, plain.size);
	assert_int_equal(s->n, plain.n);
	for (size_t i = 0; i < s->n; i++)
		assert_true(digest_equal(&s->batches[i]->name, &plain.batches[i]->name));
	scanned_done(&plain);
}

static const struct batch_chunk *find_chunk(
	const struct scanned *s, const struct digest *name, const struct batch **ret)
{
	for (size_t i = 0; i < s->n; i++) {
		*ret = s->batches[i];
		for (size_t c = 0; c < (*ret)->n_chunks; c++)
			if (digest_equal(&(*ret)->chunks[c].name, name))
				return &(*ret)->chunks[c];
	}
	return NULL;
}

/* One stream, from its recipes; the main one takes of the skeleton's bytes. */
static void rebuild(
	const struct scanned *s, enum recipe_stream stream, struct buf *skeleton, struct buf *ret)
{
	static uint8_t room[CHUNK_MAX];
	struct recipe_op ops[RECIPE_OPS_MAX];
	struct err err;
	size_t n;

	buf_init(ret, 4 * TREE_TAR_MAX);
	for (size_t i = 0; i < s->n; i++) {
		const struct batch *b = s->batches[i], *of;

		if (b->stream != stream)
			continue;
		assert_ok(recipe_decode(stream, b->recipe, b->recipe_len, ops, &n, &err), &err);
		for (size_t o = 0; o < n; o++) {
			const struct batch_chunk *c;
			const uint8_t *bytes = room;

			if (ops[o].kind == OP_SKELETON) {
				assert_true(buf_len(skeleton) >= ops[o].len);
				buf_append(ret, buf_bytes(skeleton), ops[o].len);
				buf_consume(skeleton, ops[o].len);
				continue;
			}
			c = find_chunk(s, &ops[o].name, &of);
			assert_non_null(c);
			assert_ok(batch_chunk_bytes(of, c, room, &bytes, &err), &err);
			buf_append(ret, bytes, c->len);
		}
	}
	assert_true(buf_ok(ret));
}

static void the_second_look_reads_nothing_and_gives_the_same(void **state)
{
	static struct scanned first, second;
	struct buf tar CLEANUP(buf_done), rebuilt CLEANUP(buf_done), skeleton CLEANUP(buf_done);
	struct place *p = *state;

	make_tree(p);
	scan(p, &first);
	assert_true(first.report.bytes_read > 500000);
	assert_int_equal(first.report.files_known, 0);
	scan(p, &second);
	assert_int_equal(second.report.bytes_read, 0);
	assert_int_equal(second.report.files_read, 0);
	assert_int_equal(second.report.files_known, first.report.files_read);
	assert_int_equal(second.report.bytes_known, first.report.bytes_read);
	assert_true(digest_equal(&first.digest, &second.digest));
	assert_right(p, &second);
	/* What was not read is read when it is wanted. */
	rebuild(&second, STREAM_SKELETON, NULL, &skeleton);
	rebuild(&second, STREAM_MAIN, &skeleton, &rebuilt);
	tree_to_tar(p->root, &tar);
	assert_int_equal(buf_len(&rebuilt), buf_len(&tar));
	assert_memory_equal(buf_bytes(&rebuilt), buf_bytes(&tar), buf_len(&tar));
	scanned_done(&first);
	scanned_done(&second);
	/* The cache that a scan without reading wrote is as good. */
	scan(p, &second);
	assert_int_equal(second.report.bytes_read, 0);
	assert_right(p, &second);
	scanned_done(&second);
}

static void only_what_was_touched_is_read(void **state)
{
	static struct scanned s;
	struct place *p = *state;
	char name[32];

	free(sample_dir(p->root, "d"));
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d/file %u", i);
		sample_file(p->root, name, name, i % 32);
		sample_write_at(sample_path(p->root, "%s", name), name, 8, i * 10);
	}
	scan(p, &s);
	scanned_done(&s);
	sample_write_at(sample_path(p->root, "d/file 400"), "changed", 7, 2000);
	sample_file(p->root, "d/file 4000", "new", 3);
	assert_int_equal(unlink(sample_path(p->root, "d/file 3")), 0);
	assert_int_equal(
		rename(sample_path(p->root, "d/file 10"), sample_path(p->root, "d/zz")), 0);
	scan(p, &s);
	/* The renamed one has a new time of change. */
	assert_int_equal(s.report.files_read, 3);
	assert_int_equal(s.report.bytes_read, 4008 + 3 + 108);
	assert_right(p, &s);
	scanned_done(&s);
}

static void new_attributes_are_seen_though_their_file_is_not_changed(void **state)
{
	static struct scanned s;
	struct place *p = *state;

	sample_file(p->root, "a", "x", 1);
	scan(p, &s);
	scanned_done(&s);
	assert_int_equal(chmod(sample_path(p->root, "a"), 0600), 0);
	scan(p, &s);
	assert_right(p, &s);
	scanned_done(&s);
}

static void a_change_that_hides_behind_its_old_time_is_seen(void **state)
{
	static struct scanned s;
	struct place *p = *state;
	struct stat st;

	sample_file(p->root, "a", "before", 6);
	assert_int_equal(stat(sample_path(p->root, "a"), &st), 0);
	scan(p, &s);
	scanned_done(&s);
	usleep(20000);
	sample_write_at(sample_path(p->root, "a"), "behind", 6, 0);
	sample_mtime(sample_path(p->root, "a"), st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	scan(p, &s);
	assert_int_equal(s.report.files_read, 1);
	assert_right(p, &s);
	scanned_done(&s);
}

static void a_file_that_changed_just_now_is_read_again(void **state)
{
	static struct scanned s;
	struct place *p = *state;

	sample_file(p->root, "a", "fresh", 5);
	for (int i = 0; i < 2; i++) {
		scan_with(p, p->cache, false, false, &s);
		assert_int_equal(s.report.files_read, 1);
		scanned_done(&s);
	}
	/* Also one whose time says that it will be changed next year. */
	sample_mtime(sample_path(p->root, "a"), INT64_C(3000000000), 0);
	for (int i = 0; i < 2; i++) {
		scan(p, &s);
		assert_int_equal(s.report.files_read, 1);
		scanned_done(&s);
	}
}

static void a_damaged_cache_is_no_cache(void **state)
{
	static struct scanned s;
	struct place *p = *state;
	struct stat st;
	uint8_t byte;
	int fd;

	make_tree(p);
	scan(p, &s);
	scanned_done(&s);
	assert_int_equal(stat(p->cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (off_t at = 0; at < st.st_size; at += at < 200 ? 7 : st.st_size / 7) {
		fd = open(p->cache, O_RDWR | O_CLOEXEC);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		scan(p, &s);
		assert_true(s.report.cache_damaged);
		assert_int_equal(s.report.files_known, 0);
		scanned_done(&s);
	}
	for (off_t n = 0; n < st.st_size; n += st.st_size / 5 + 1) {
		assert_int_equal(truncate(p->cache, n), 0);
		scan(p, &s);
		assert_true(s.report.cache_damaged);
		scanned_done(&s);
	}
	scan(p, &s);
	assert_false(s.report.cache_damaged);
	assert_int_equal(s.report.files_read, 0);
	assert_right(p, &s);
	scanned_done(&s);
}

static void the_cache_of_another_tree_is_no_cache(void **state)
{
	static struct scanned s;
	struct place *p = *state;
	CLEANUP(cleanup_free) char *other = strdup(sample_path(p->top, "other"));

	sample_file(p->root, "a", "x", 1);
	scan(p, &s);
	scanned_done(&s);
	sample_run((const char *const[]){ "cp", "-a", p->root, other, NULL });
	sample_run((const char *const[]){ "rm", "-r", p->root, NULL });
	assert_int_equal(rename(other, p->root), 0);
	scan(p, &s);
	assert_true(s.report.cache_damaged);
	assert_int_equal(s.report.files_read, 1);
	scanned_done(&s);
}

static void reread_believes_nothing(void **state)
{
	static struct scanned s;
	struct place *p = *state;

	sample_file(p->root, "a", "x", 1);
	scan(p, &s);
	scanned_done(&s);
	scan_with(p, p->cache, true, true, &s);
	assert_int_equal(s.report.files_read, 1);
	scanned_done(&s);
	scan(p, &s);
	assert_int_equal(s.report.files_read, 0);
	scanned_done(&s);
}

static void a_cache_that_cannot_be_written_is_said_and_nothing_else(void **state)
{
	static struct scanned s;
	struct place *p = *state;

	sample_file(p->root, "a", "x", 1);
	scan_with(p, sample_path(p->top, "no such directory/cache"), false, true, &s);
	assert_true(s.report.cache_lost);
	assert_right(p, &s);
	scanned_done(&s);
}

/* The first chunk of the scan that was not read. */
static const struct batch_chunk *first_unread(const struct scanned *s, const struct batch **ret)
{
	for (size_t i = 0; i < s->n; i++) {
		*ret = s->batches[i];
		for (size_t c = 0; c < (*ret)->n_chunks; c++)
			if ((*ret)->chunks[c].unread)
				return &(*ret)->chunks[c];
	}
	fail_msg("everything was read");
	return NULL;
}

static void a_file_that_changed_since_the_look_cannot_be_had_and_is_read_next_time(void **state)
{
	static uint8_t bytes[100000];
	static struct scanned s;
	struct place *p = *state;
	const struct batch_chunk *c;
	const struct batch *b;
	const uint8_t *got;
	struct err err;

	sample_file(p->root, "a", bytes, sizeof(bytes));
	scan(p, &s);
	scanned_done(&s);
	for (int how = 0; how < 2; how++) {
		scan(p, &s);
		c = first_unread(&s, &b);
		assert_ok(batch_chunk_bytes(b, c, bytes, &got, &err), &err);
		scanned_done(&s);
		scan(p, &s);
		c = first_unread(&s, &b);
		if (how == 0)
			sample_write_at(sample_path(p->root, "a"), "x", 1, 50000);
		else
			assert_int_equal(unlink(sample_path(p->root, "a")), 0);
		assert_fails(batch_chunk_bytes(b, c, bytes, &got, &err), &err, ERR_AGAIN);
		scanned_done(&s);
		scan(p, &s);
		assert_int_equal(s.report.files_read, how == 0);
		scanned_done(&s);
	}
}

static void a_cache_that_lies_is_not_believed_twice(void **state)
{
	static uint8_t bytes[100000];
	static struct scanned s;
	struct place *p = *state;
	const struct batch_chunk *c;
	const struct batch *b;
	const uint8_t *got;
	struct batch_chunk lie;
	struct err err;

	sample_file(p->root, "a", bytes, sizeof(bytes));
	scan(p, &s);
	scanned_done(&s);
	scan(p, &s);
	c = first_unread(&s, &b);
	lie = *c;
	lie.name.bytes[0] ^= 1;
	assert_fails(batch_chunk_bytes(b, &lie, bytes, &got, &err), &err, ERR_AGAIN);
	scanned_done(&s);
	scan(p, &s);
	assert_int_equal(s.report.files_read, 1);
	scanned_done(&s);
}

/* Bytes of the chunks of `s` that `before` has not. */
static uint64_t new_bytes(const struct scanned *s, const struct scanned *before)
{
	const struct batch *of;
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		for (size_t c = 0; c < s->batches[i]->n_chunks; c++)
			if (!find_chunk(before, &s->batches[i]->chunks[c].name, &of))
				sum += s->batches[i]->chunks[c].len;
	return sum;
}

static void a_hundredth_of_a_big_file_costs_little_more_than_itself(void **state)
{
	const uint64_t piece = 1 << 20, size = UINT64_C(300) << 20;
	static struct scanned before, after;
	struct place *p = *state;
	uint8_t *bytes = malloc(piece);
	uint64_t seed = 1;

	/* A piece of data, nine of holes: 30 MB of 300. */
	for (uint64_t at = 0; at < size; at += 10 * piece) {
		for (size_t i = 0; i < piece; i++) {
			seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			bytes[i] = (uint8_t)(seed >> 56);
		}
		sample_write_at(sample_path(p->root, "disk"), bytes, piece, at);
	}
	sample_file(p->root, "other", bytes, 100000);
	scan(p, &before);
	assert_true(before.report.bytes_read < 31 * piece);
	/* 3 MB of it, in three places. */
	memset(bytes, 7, piece);
	for (uint64_t at = 0; at < 30 * piece; at += 10 * piece)
		sample_write_at(sample_path(p->root, "disk"), bytes, piece, at);
	scan(p, &after);
	assert_int_equal(after.report.files_read, 1);
	assert_int_equal(after.report.files_known, 1);
	assert_right(p, &after);
	assert_in_range(new_bytes(&after, &before), 1, 3 * piece + 8 * CHUNK_MAX);
	scanned_done(&before);
	scanned_done(&after);
	free(bytes);
}

#define CASE(name) TEST_WITH(name, setup, teardown)

RUN_TESTS(CASE(the_second_look_reads_nothing_and_gives_the_same),
	CASE(only_what_was_touched_is_read),
	CASE(new_attributes_are_seen_though_their_file_is_not_changed),
	CASE(a_change_that_hides_behind_its_old_time_is_seen),
	CASE(a_file_that_changed_just_now_is_read_again), CASE(a_damaged_cache_is_no_cache),
	CASE(the_cache_of_another_tree_is_no_cache), CASE(reread_believes_nothing),
	CASE(a_cache_that_cannot_be_written_is_said_and_nothing_else),
	CASE(a_file_that_changed_since_the_look_cannot_be_had_and_is_read_next_time),
	CASE(a_cache_that_lies_is_not_believed_twice),
	CASE(a_hundredth_of_a_big_file_costs_little_more_than_itself))
