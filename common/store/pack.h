/*
 * One pack: an append-only file of segment records behind a 16-byte head. The caller decides when a
 * pack is full and when it is synced. Blocking; a `struct pack` belongs to one thread. Format:
 * common/store/README.md, "Packs".
 */
#pragma once

#include "common/base/err.h"

#define PACK_HEAD_LEN 16u
#define PACK_SIZE_MAX (64u << 20) /* at or past this length a pack takes no more records */
#define PACK_NUMBER_MAX 99999999u /* eight digits */
#define PACK_FILE_MAX                                                                              \
	(UINT64_C(66) << 20) /* no sound pack is longer: PACK_SIZE_MAX and a record                \
			      */

struct pack {
	char *path;
	int fd;
	uint32_t number;
	uint64_t end;	/* length of its good content: where the next record goes */
	bool name_new;	/* the directory entry is not synced yet */
	bool tail_left; /* bytes of a failed write may lie past `end` */
};

/* "<packs_dir>/00000001.pack", NULL when out of memory. Caller frees. */
char *pack_path(const char *packs_dir, uint32_t number);

/* Numbers of all packs in the directory, ascending; other names are passed over. Caller frees. */
int pack_list(const char *packs_dir, uint32_t **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* Makes the file (ERR_IO if it is there already) and writes its head. On failure no file is left.
 */
int pack_create(
	const char *packs_dir, uint32_t number, struct pack *ret, struct err *err) MUST_CHECK;

/* As pack_create, but under a name that is no pack's until pack_settle, which makes the content
 * durable and then gives it its name. What a crash leaves of these pack_drop_unsettled removes. */
int pack_create_unsettled(
	const char *packs_dir, uint32_t number, struct pack *ret, struct err *err) MUST_CHECK;
int pack_settle(struct pack *p, const char *packs_dir, struct err *err) MUST_CHECK;
int pack_drop_unsettled(const char *packs_dir, struct err *err) MUST_CHECK;

/* Opens an existing pack for reading and appending; `end` is the file's length, whatever it holds.
 */
int pack_open(const char *packs_dir, uint32_t number, struct pack *ret, struct err *err) MUST_CHECK;

/* Is the head what it should be? One that the disk does not give is not. A pack of a later format
 * version is ERR_FAILED. */
int pack_check_head(const struct pack *p, bool *ret_good, struct err *err) MUST_CHECK;

/* Writes the head again: it says nothing that the file's name does not. `end` is at least the
 * head's length afterwards. */
int pack_write_head(struct pack *p, struct err *err) MUST_CHECK;

/* As pack_write_head, but one that the disk does not take stays as it is: the records behind it can
 * be read without. */
int pack_mend_head(struct pack *p, struct err *err) MUST_CHECK;

/* Appends at `end` and moves it; on failure the file is cut back to `end` (ERR_FULL: no room). */
int pack_append(struct pack *p, const void *record, size_t n, struct err *err) MUST_CHECK;

/* Cuts the file to `length`, which is at most its length. */
int pack_cut(struct pack *p, uint64_t length, struct err *err) MUST_CHECK;

/* Makes all content durable, and the name of a new pack too. After a failure the kernel may have
 * dropped what was not written: nothing but a cut may follow. */
int pack_sync(struct pack *p, const char *packs_dir, struct err *err) MUST_CHECK;

/* Closes without syncing; a closed or zeroed pack is fine. */
void pack_close(struct pack *p);
