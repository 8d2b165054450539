#include "tests/unit/tree/sample_tree.h"

#include "common/chunk/digest.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PATHS 8
#define LIST_MAX (16u << 20)
#define READ_STEP 65536

bool sample_is_root(void)
{
	return geteuid() == 0;
}

const char *sample_path(const char *root, const char *fmt, ...)
{
	static char paths[PATHS][5000];
	static unsigned next;
	char *path = paths[next++ % PATHS];
	va_list args;
	int n = snprintf(path, sizeof(paths[0]), "%s/", root);

	va_start(args, fmt);
	vsnprintf(path + n, sizeof(paths[0]) - (size_t)n, fmt, args);
	va_end(args);
	return path;
}

char *sample_dir(const char *in, const char *name)
{
	char *path = strdup(sample_path(in, "%s", name));

	assert_non_null(path);
	assert_int_equal(mkdir(path, 0755), 0);
	return path;
}

void sample_run(const char *const *argv)
{
	int status;
	pid_t pid;

	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, (char **)argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

void sample_write_at(const char *path, const void *bytes, size_t n, uint64_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
	close(fd);
}

void sample_file(const char *root, const char *name, const void *bytes, size_t n)
{
	const char *path = sample_path(root, "%s", name);

	unlink(path);
	sample_write_at(path, bytes, n, 0);
}

void sample_mtime(const char *path, int64_t seconds, long nanoseconds)
{
	const struct timespec times[2] = { { 1000000000, 1 }, { seconds, nanoseconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* --- one of everything --- */

static void make_files(const char *root)
{
	static uint8_t bytes[300000];
	char name[300];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 7 ^ i);
	sample_file(root, "empty", "", 0);
	sample_file(root, "inline", "sixty-four bytes or fewer", 25);
	sample_file(root, "just inline", bytes, 64);
	sample_file(root, "one block", bytes, 512);
	sample_file(root, "big", bytes, sizeof(bytes));
	sample_file(root, "not \xff\xfe utf-8 \xc3", bytes, 100);
	sample_file(root, "\xc3\xa9t\xc3\xa9", bytes, 101);
	sample_file(root, "two\nlines\\", bytes, 102);
	sample_file(root, "-rf *", bytes, 103);
	sample_file(root, " ", bytes, 104);
	memset(name, 'n', 255);
	name[255] = '\0';
	sample_file(root, name, bytes, 105);
	assert_int_equal(chmod(sample_path(root, "big"), 04751), 0);
	assert_int_equal(chmod(sample_path(root, "inline"), 0), 0);
	assert_int_equal(chmod(sample_path(root, "empty"), 02775), 0);
}

static void make_holes(const char *root)
{
	static uint8_t bytes[100000];

	memset(bytes, 'd', sizeof(bytes));
	sample_write_at(sample_path(root, "hole first"), bytes, 5000, 1 << 20);
	sample_write_at(sample_path(root, "hole last"), bytes, 5000, 0);
	assert_int_equal(truncate(sample_path(root, "hole last"), 3 << 20), 0);
	for (uint64_t i = 0; i < 40; i++)
		sample_write_at(sample_path(root, "many holes"), bytes, 4096 + i, i << 16);
	sample_file(root, "all hole", "", 0);
	assert_int_equal(truncate(sample_path(root, "all hole"), 1 << 30), 0);
	/* Bigger than an octal field can say: its end is at 9 GiB. */
	sample_write_at(sample_path(root, "huge"), bytes, 4000, UINT64_C(9) << 30);
}

static void make_dirs(const char *root)
{
	char path[300];

	assert_int_equal(mkdir(sample_path(root, "dir"), 0750), 0);
	assert_int_equal(mkdir(sample_path(root, "dir/empty"), 0700), 0);
	assert_int_equal(mkdir(sample_path(root, "dir/sticky"), 0777), 0);
	assert_int_equal(chmod(sample_path(root, "dir/sticky"), 01777), 0);
	/* Sorts before what is in the directory, by bytes, and behind it in the walk. */
	sample_file(root, "dir-", "x", 1);
	sample_file(root, "dir/a", "a", 1);
	memset(path, 'p', 200);
	path[200] = '\0';
	assert_int_equal(mkdir(sample_path(root, "dir/%s", path), 0755), 0);
	assert_int_equal(mkdir(sample_path(root, "dir/%s/%s", path, path), 0755), 0);
	sample_file(root, sample_path("dir", "%s/%s/deep", path, path), "deep", 4);
}

static void make_links(const char *root)
{
	char target[1500];

	memset(target, 't', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(symlink("/etc/passwd", sample_path(root, "abs link")), 0);
	assert_int_equal(symlink("../../..", sample_path(root, "dir/up link")), 0);
	assert_int_equal(symlink(target, sample_path(root, "long link")), 0);
	assert_int_equal(symlink("t\xff", sample_path(root, "odd link")), 0);
	assert_int_equal(link(sample_path(root, "big"), sample_path(root, "dir/big again")), 0);
	assert_int_equal(link(sample_path(root, "big"), sample_path(root, "zz big too")), 0);
	assert_int_equal(link(sample_path(root, "inline"), sample_path(root, "zz inline too")), 0);
	assert_int_equal(
		link(sample_path(root, "odd link"), sample_path(root, "zz odd link too")), 0);
}

static void give_attributes(const char *root)
{
	/* A version, then a tag, a permission and an id for each: as the kernel has them. */
	static const uint8_t acl[] = { 2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 7, 0, 57,
		48, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 4,
		0, 255, 255, 255, 255 };
	static const uint8_t cap[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static uint8_t big[2000];

	assert_int_equal(setxattr(sample_path(root, "one block"), "user.nul", "a\0b\n", 4, 0), 0);
	assert_int_equal(setxattr(sample_path(root, "one block"), "user.none", "", 0, 0), 0);
	assert_int_equal(setxattr(sample_path(root, "dir"), "user.on dir", "x", 1, 0), 0);
	memset(big, 0xee, sizeof(big));
	assert_int_equal(
		setxattr(sample_path(root, "many holes"), "user.big", big, sizeof(big), 0), 0);
	assert_int_equal(setxattr(sample_path(root, "dir/a"), "system.posix_acl_access", acl,
				 sizeof(acl), 0),
		0);
	assert_int_equal(
		setxattr(sample_path(root, "dir"), "system.posix_acl_default", acl, sizeof(acl), 0),
		0);
	if (!sample_is_root())
		return;
	assert_int_equal(
		setxattr(sample_path(root, "big"), "security.capability", cap, sizeof(cap), 0), 0);
	assert_int_equal(setxattr(sample_path(root, "dir"), "trusted.t", "t", 1, 0), 0);
	assert_int_equal(lsetxattr(sample_path(root, "abs link"), "trusted.l", "l", 1, 0), 0);
	assert_int_equal(setxattr(root, "trusted.root", "r", 1, 0), 0);
}

static void make_what_root_can(const char *root)
{
	assert_int_equal(mknod(sample_path(root, "char"), S_IFCHR | 0620, makedev(5, 300)), 0);
	assert_int_equal(
		mknod(sample_path(root, "dir/block"), S_IFBLK | 0660, makedev(259, 1000000)), 0);
	assert_int_equal(chown(sample_path(root, "dir/a"), 1234, 5678), 0);
	assert_int_equal(chown(sample_path(root, "one block"), 4000000, 3000000000u), 0);
	assert_int_equal(lchown(sample_path(root, "odd link"), 77, 88), 0);
	assert_int_equal(chown(sample_path(root, "dir/sticky"), 33, 33), 0);
	assert_int_equal(chown(root, 99, 98), 0);
}

void sample_tree_make(const char *root)
{
	make_files(root);
	make_holes(root);
	make_dirs(root);
	make_links(root);
	assert_int_equal(mkfifo(sample_path(root, "fifo"), 0604), 0);
	if (sample_is_root())
		make_what_root_can(root);
	give_attributes(root);
	assert_int_equal(chmod(root, 0751), 0);
	sample_mtime(sample_path(root, "big"), 1700000000, 123456789);
	sample_mtime(sample_path(root, "empty"), -1000, 5);
	sample_mtime(sample_path(root, "one block"), INT64_C(5000000000), 999999999);
	sample_mtime(sample_path(root, "odd link"), 1600000000, 7);
	sample_mtime(sample_path(root, "fifo"), 1600000001, 8);
	sample_mtime(sample_path(root, "dir/sticky"), 1600000002, 9);
	sample_mtime(sample_path(root, "dir"), 1600000003, 10);
	sample_mtime(root, 1600000004, 11);
}

/* --- the list --- */

static void put(struct buf *to, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct buf *to, const char *fmt, ...)
{
	char text[10000];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_append(to, text, (size_t)n);
}

static void put_hex(struct buf *to, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(to, "%02x", bytes[i]);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_xattrs(struct buf *to, const char *path)
{
	static char list[65536];
	static uint8_t value[65536];
	char *names[300];
	ssize_t len = llistxattr(path, list, sizeof(list));
	size_t n = 0;

	for (char *at = list; at < list + len; at += strlen(at) + 1)
		names[n++] = at;
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		ssize_t got = lgetxattr(path, names[i], value, sizeof(value));

		assert_true(got >= 0);
		put(to, " %s=", names[i]);
		put_hex(to, value, (size_t)got);
	}
}

/* Where data is, and what. */
static void put_contents(struct buf *to, const char *path)
{
	static uint8_t bytes[READ_STEP];
	struct hasher *h = hasher_new();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = 0, end;
	struct digest d;

	assert_true(fd >= 0);
	end = lseek(fd, 0, SEEK_END);
	put(to, " size %lld", (long long)end);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		off_t hole = lseek(fd, at, SEEK_HOLE);

		put(to, " [%lld,%lld)", (long long)at, (long long)hole);
		while (at < hole) {
			ssize_t got = pread(
				fd, bytes, min_size(sizeof(bytes), (size_t)(hole - at)), at);

			assert_true(got > 0);
			hasher_update(h, bytes, (size_t)got);
			at += got;
		}
	}
	d = hasher_end(h);
	put(to, " ");
	put_hex(to, d.bytes, 8);
	hasher_free(h);
	close(fd);
}

/* The first name of every file of several. */
struct first {
	dev_t dev;
	ino_t ino;
	char name[3000];
};

static void put_first_name(struct buf *to, const struct stat *st, const char *name)
{
	static struct first first[64];
	static size_t n;

	if (name[0] == '\0')
		n = 0; /* a new tree */
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return;
	for (size_t i = 0; i < n; i++) {
		if (first[i].ino == st->st_ino && first[i].dev == st->st_dev) {
			put(to, " is %s", first[i].name);
			return;
		}
	}
	assert_true(n < ARRAY_LEN(first));
	first[n].dev = st->st_dev;
	first[n].ino = st->st_ino;
	snprintf(first[n++].name, sizeof(first[0].name), "%s", name);
}

static void list(const char *root, const char *name, struct buf *to);

static void list_dir(const char *root, const char *name, struct buf *to)
{
	struct dirent **names;
	int n = scandir(sample_path(root, "%s", name), &names, NULL, NULL);
	char child[5000];

	assert_true(n >= 2);
	qsort(names, (size_t)n, sizeof(names[0]), (int (*)(const void *, const void *))alphasort);
	for (int i = 0; i < n; i++) {
		const char *own = names[i]->d_name;

		if (strcmp(own, ".") != 0 && strcmp(own, "..") != 0) {
			snprintf(child, sizeof(child), "%s%s%s", name, name[0] ? "/" : "", own);
			list(root, child, to);
		}
		free(names[i]);
	}
	free(names);
}

static void list(const char *root, const char *name, struct buf *to)
{
	char path[5000], target[5000];
	struct stat st;

	snprintf(path, sizeof(path), "%s", sample_path(root, "%s", name));
	assert_int_equal(lstat(path, &st), 0);
	put(to, "%s: %o %u:%u %" PRId64 ".%09ld links %lu", name, st.st_mode, st.st_uid, st.st_gid,
		(int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		S_ISDIR(st.st_mode) ? 0 : (unsigned long)st.st_nlink);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		put(to, " device %u,%u", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		assert_true(n >= 0);
		target[n] = '\0';
		put(to, " -> %s", target);
	}
	put_first_name(to, &st, name);
	put_xattrs(to, path);
	if (S_ISREG(st.st_mode))
		put_contents(to, path);
	put(to, "\n");
	if (S_ISDIR(st.st_mode))
		list_dir(root, name, to);
}

void sample_tree_list(const char *root, struct buf *ret)
{
	buf_init(ret, LIST_MAX);
	list(root, "", ret);
	buf_u8(ret, 0);
	assert_true(buf_ok(ret));
}

void sample_trees_equal(const char *a, const char *b)
{
	struct buf first CLEANUP(buf_done), second CLEANUP(buf_done);
	const char *p, *q;

	sample_tree_list(a, &first);
	sample_tree_list(b, &second);
	p = (const char *)buf_bytes(&first);
	q = (const char *)buf_bytes(&second);
	while (*p && *q) {
		size_t n = strcspn(p, "\n") + 1, k = strcspn(q, "\n") + 1;

		if (n != k || memcmp(p, q, n) != 0)
			fail_msg("trees differ:\n%.*s%.*s", (int)n, p, (int)k, q);
		p += n;
		q += k;
	}
	assert_true(*p == *q);
}
