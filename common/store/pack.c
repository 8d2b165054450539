#include "common/store/pack.h"

#include "common/base/buf.h"
#include "common/base/cursor.h"
#include "common/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACK_DIGITS 8
#define PACK_SUFFIX ".pack"
#define UNSETTLED_SUFFIX ".new"
#define PACK_NAME_LEN (PACK_DIGITS + sizeof PACK_SUFFIX - 1)
#define PACK_MAGIC "dPK1"
#define PACK_VERSION 1u

char *pack_path(const char *packs_dir, uint32_t number)
{
	char name[32];
	snprintf(name, sizeof name, "%08u" PACK_SUFFIX, number);
	return file_join(packs_dir, name);
}

/* 0 when the name is not a pack's. */
static uint32_t number_of(const char *name)
{
	if (strlen(name) != PACK_NAME_LEN || strcmp(name + PACK_DIGITS, PACK_SUFFIX) != 0)
		return 0;
	uint32_t number = 0;
	for (int i = 0; i < PACK_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(name[i] - '0');
	}
	return number;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t left, right;
	memcpy(&left, a, sizeof left);
	memcpy(&right, b, sizeof right);
	return (left > right) - (left < right);
}

static int list_into(DIR *dir, const char *path, uint32_t **numbers, size_t *n, struct err *err)
{
	size_t cap = 0;
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno == 0 ? 0 : err_errno(err, errno, "cannot list %s", path);
		uint32_t number = number_of(entry->d_name);
		if (number == 0)
			continue;
		if (*n == cap) {
			cap = cap ? cap * 2 : 64;
			uint32_t *grown = reallocarray(*numbers, cap, sizeof **numbers);
			if (!grown)
				return err_nomem(err);
			*numbers = grown;
		}
		(*numbers)[(*n)++] = number;
	}
}

int pack_list(const char *packs_dir, uint32_t **ret, size_t *ret_n, struct err *err)
{
	DIR *dir = opendir(packs_dir);
	if (!dir)
		return err_errno(err, errno, "cannot open %s", packs_dir);
	uint32_t *numbers = NULL;
	size_t n = 0;
	int r = list_into(dir, packs_dir, &numbers, &n, err);
	closedir(dir);
	if (r != 0) {
		free(numbers);
		return -1;
	}
	if (n > 0)
		qsort(numbers, n, sizeof *numbers, compare_numbers);
	*ret = numbers;
	*ret_n = n;
	return 0;
}

static char *unsettled_path(const char *packs_dir, uint32_t number)
{
	char name[32];
	snprintf(name, sizeof name, "%08u" UNSETTLED_SUFFIX, number);
	return file_join(packs_dir, name);
}

/* `path` is taken over; NULL: out of memory. */
static int open_path(char *path, uint32_t number, int flags, struct pack *ret, struct err *err)
{
	struct pack p = { .number = number, .path = path };
	if (!p.path)
		return err_nomem(err);
	p.fd = open(p.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (p.fd < 0) {
		err_errno(err, errno, "cannot open %s", p.path);
		free(p.path);
		return -1;
	}
	*ret = p;
	return 0;
}

static int create(
	const char *packs_dir, uint32_t number, bool settled, struct pack *ret, struct err *err)
{
	if (number == 0 || number > PACK_NUMBER_MAX)
		return err_set(err, ERR_LIMIT, "%s: no pack numbers are left", packs_dir);
	struct pack p;
	char *path = settled ? pack_path(packs_dir, number) : unsettled_path(packs_dir, number);
	if (open_path(path, number, O_CREAT | O_EXCL, &p, err) != 0)
		return -1;
	p.name_new = true;
	if (pack_write_head(&p, err) != 0) {
		unlink(p.path);
		pack_close(&p);
		return -1;
	}
	*ret = p;
	return 0;
}

int pack_create(const char *packs_dir, uint32_t number, struct pack *ret, struct err *err)
{
	return create(packs_dir, number, true, ret, err);
}

int pack_create_unsettled(const char *packs_dir, uint32_t number, struct pack *ret, struct err *err)
{
	return create(packs_dir, number, false, ret, err);
}

int pack_settle(struct pack *p, const char *packs_dir, struct err *err)
{
	char *path = pack_path(packs_dir, p->number);
	if (!path)
		return err_nomem(err);
	if (fdatasync(p->fd) != 0 ||
		renameat2(AT_FDCWD, p->path, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
		err_errno(err, errno, "cannot make %s durable", p->path);
		free(path);
		return -1;
	}
	free(p->path);
	p->path = path;
	p->name_new = false;
	return file_sync_dir(packs_dir, err);
}

int pack_drop_unsettled(const char *packs_dir, struct err *err)
{
	DIR *dir = opendir(packs_dir);
	if (!dir)
		return err_errno(err, errno, "cannot open %s", packs_dir);
	const struct dirent *entry;
	int r = 0;
	while (r == 0 && (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);
		if (n == PACK_DIGITS + sizeof UNSETTLED_SUFFIX - 1 &&
			strcmp(entry->d_name + PACK_DIGITS, UNSETTLED_SUFFIX) == 0 &&
			unlinkat(dirfd(dir), entry->d_name, 0) != 0)
			r = err_errno(
				err, errno, "cannot remove %s in %s", entry->d_name, packs_dir);
	}
	closedir(dir);
	return r;
}

int pack_open(const char *packs_dir, uint32_t number, struct pack *ret, struct err *err)
{
	struct pack p;
	if (open_path(pack_path(packs_dir, number), number, 0, &p, err) != 0)
		return -1;
	struct stat st;
	if (fstat(p.fd, &st) != 0) {
		err_errno(err, errno, "cannot look at %s", p.path);
		pack_close(&p);
		return -1;
	}
	p.end = (uint64_t)st.st_size;
	*ret = p;
	return 0;
}

int pack_check_head(const struct pack *p, bool *ret_good, struct err *err)
{
	uint8_t head[PACK_HEAD_LEN];
	struct err why = { 0 };
	*ret_good = false;
	if (p->end < sizeof head)
		return 0;
	if (file_read_at(p->fd, head, sizeof head, 0, &why) != 0)
		return why.code == ERR_IO ? 0 : err_set(err, why.code, "%s: %s", p->path, why.text);
	struct cursor c = cursor_over(head, sizeof head);
	bool magic = memcmp(cursor_bytes(&c, 4), PACK_MAGIC, 4) == 0;
	uint32_t version = cursor_u32(&c);
	if (magic && version > PACK_VERSION)
		return err_set(err, ERR_FAILED,
			"%s has format version %u, this program knows up to %u: use a newer one",
			p->path, version, PACK_VERSION);
	*ret_good = magic && version == PACK_VERSION && cursor_u64(&c) == p->number;
	return 0;
}

int pack_write_head(struct pack *p, struct err *err)
{
	struct buf head CLEANUP(buf_done);
	buf_init(&head, PACK_HEAD_LEN);
	buf_append(&head, PACK_MAGIC, 4);
	buf_u32(&head, PACK_VERSION);
	buf_u64(&head, p->number);
	if (!buf_ok(&head))
		return err_nomem(err);
	if (file_write_at(p->fd, buf_bytes(&head), buf_len(&head), 0, err) != 0)
		return err_wrap(err, "cannot write %s", p->path);
	if (p->end < PACK_HEAD_LEN)
		p->end = PACK_HEAD_LEN;
	return 0;
}

int pack_mend_head(struct pack *p, struct err *err)
{
	struct err why = { 0 };
	if (pack_write_head(p, &why) == 0 || (why.code == ERR_IO && p->end >= PACK_HEAD_LEN))
		return 0;
	return err_set(err, why.code, "%s", why.text);
}

int pack_append(struct pack *p, const void *record, size_t n, struct err *err)
{
	if (p->tail_left && pack_cut(p, p->end, err) != 0)
		return -1;
	if (file_write_at(p->fd, record, n, p->end, err) != 0) {
		err_wrap(err, "cannot write %s", p->path);
		/* The first error is the one to tell; a failed cut is tried again next time. */
		struct err ignored;
		(void)!pack_cut(p, p->end, &ignored);
		return -1;
	}
	p->end += n;
	return 0;
}

int pack_cut(struct pack *p, uint64_t length, struct err *err)
{
	p->end = length;
	p->tail_left = true;
	if (ftruncate(p->fd, (off_t)length) != 0)
		return err_errno(err, errno, "cannot cut %s to %llu bytes", p->path,
			(unsigned long long)length);
	p->tail_left = false;
	return 0;
}

int pack_sync(struct pack *p, const char *packs_dir, struct err *err)
{
	if (fdatasync(p->fd) != 0)
		return err_errno(err, errno, "cannot make %s durable", p->path);
	if (p->name_new && file_sync_dir(packs_dir, err) != 0)
		return -1;
	p->name_new = false;
	return 0;
}

void pack_close(struct pack *p)
{
	if (!p->path)
		return;
	close(p->fd);
	free(p->path);
	*p = (struct pack){ .fd = -1 };
}
