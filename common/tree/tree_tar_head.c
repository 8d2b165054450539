#include "common/tree/tree_tar_head.h"

#include "common/chunk/limits.h"
#include "common/chunk/tar_block.h"

#include <stdlib.h>
#include <string.h>

/* Fields of a header block. */
#define NAME_AT 0
#define NAME_LEN 100
#define MODE_AT 100
#define UID_AT 108
#define GID_AT 116
#define ID_LEN 8
#define MTIME_AT 136
#define MTIME_LEN 12
#define LINK_AT 157
#define MAGIC_AT 257
#define MAJOR_AT 329
#define MINOR_AT 337
#define PREFIX_AT 345
#define PREFIX_LEN 155

#define SECONDS_MAX (INT64_C(1) << 40) /* further than any file system can say */

enum said {
	SAID_PATH = 1,
	SAID_LINK = 2,
	SAID_SIZE = 4,
	SAID_UID = 8,
	SAID_GID = 16,
	SAID_MTIME = 32,
	SAID_MAJOR = 64,
	SAID_MINOR = 128,
	SAID_NAME = 256, /* GNU.sparse.name, which is the path then */
	SAID_REALSIZE = 512,
	SAID_DEVMAJOR = 1024,
	SAID_DEVMINOR = 2048,
};

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTOCOL, "the tar is not one that a tree is taken from: %s", what);
}

/* --- values --- */

static int copy_text(char to[TREE_PATH_MAX + 1], const char *value, size_t n, struct err *err)
{
	if (n > TREE_PATH_MAX)
		return err_set(
			err, ERR_LIMIT, "a path in the tar is longer than %u bytes", TREE_PATH_MAX);
	if (memchr(value, '\0', n))
		return bad(err, "a zero in a path");
	memcpy(to, value, n);
	to[n] = '\0';
	return 0;
}

/* Digits and nothing else, up to `max`. */
static int take_number(const char *value, size_t n, uint64_t max, uint64_t *ret, struct err *err)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		if (value[i] < '0' || value[i] > '9' || v > max / 10)
			return bad(err, "a number in an extended header");
		v = v * 10 + (uint64_t)(value[i] - '0');
	}
	if (n == 0 || v > max)
		return bad(err, "a number in an extended header");
	*ret = v;
	return 0;
}

/* Seconds, perhaps negative, perhaps with a fraction, of which nine digits count. */
static int take_time(const char *value, size_t n, struct timespec *ret, struct err *err)
{
	bool negative = n > 0 && value[0] == '-';
	const char *dot = memchr(value, '.', n);
	size_t whole = dot ? (size_t)(dot - value) : n;
	uint64_t seconds;
	long ns = 0, unit = 100000000;

	if (take_number(value + negative, whole - negative, SECONDS_MAX, &seconds, err) != 0)
		return -1;
	for (size_t i = whole + 1; i < n; i++) {
		if (value[i] < '0' || value[i] > '9')
			return bad(err, "a time in an extended header");
		ns += (value[i] - '0') * unit;
		unit /= 10;
	}
	ret->tv_sec = negative ? -(int64_t)seconds : (int64_t)seconds;
	ret->tv_nsec = ns;
	if (negative && ns > 0) {
		ret->tv_sec--;
		ret->tv_nsec = 1000000000 - ns;
	}
	return 0;
}

/* --- records --- */

struct record {
	const char *key, *value;
	size_t key_len, value_len;
};

static bool is(const struct record *r, const char *key)
{
	return r->key_len == strlen(key) && memcmp(r->key, key, r->key_len) == 0;
}

static bool begins(const struct record *r, const char *key)
{
	return r->key_len > strlen(key) && memcmp(r->key, key, strlen(key)) == 0;
}

/* Values that are numbers. */
static int take_number_record(struct tree_tar_entry *e, struct tree_pax *p, const struct record *r,
	unsigned said, struct err *err)
{
	uint64_t max = said == SAID_SIZE || said == SAID_REALSIZE ? BLOB_SIZE_MAX : UINT32_MAX - 1;
	uint64_t v;

	if (take_number(r->value, r->value_len, max, &v, err) != 0)
		return -1;
	switch (said) {
	case SAID_SIZE:
		p->stored = v;
		break;
	case SAID_REALSIZE:
		p->realsize = v;
		break;
	case SAID_UID:
		e->uid = (uid_t)v;
		break;
	case SAID_GID:
		e->gid = (gid_t)v;
		break;
	case SAID_DEVMAJOR:
		e->major = (unsigned)v;
		break;
	case SAID_DEVMINOR:
		e->minor = (unsigned)v;
		break;
	case SAID_MAJOR:
		p->sparse_major = (unsigned)v;
		break;
	default:
		p->sparse_minor = (unsigned)v;
		break;
	}
	return 0;
}

static int take_said(struct tree_tar_entry *e, struct tree_pax *p, const struct record *r,
	unsigned said, struct err *err)
{
	if (p->said & said)
		return bad(err, "an extended header says something twice");
	p->said |= said;
	if (said == SAID_NAME)
		return copy_text(e->path, r->value, r->value_len, err);
	/* Of a sparse file the other path is for those who do not know. */
	if (said == SAID_PATH)
		return p->said & SAID_NAME ? 0 : copy_text(e->path, r->value, r->value_len, err);
	if (said == SAID_LINK)
		return copy_text(e->link, r->value, r->value_len, err);
	if (said == SAID_MTIME)
		return take_time(r->value, r->value_len, &e->mtime, err);
	return take_number_record(e, p, r, said, err);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* libarchive writes blanks, equals signs and what is not ASCII in a name as %XX; others have no way
 * to write the first two. Gives the new length. */
static size_t decode_name(char *name, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		int high = i + 2 < n && name[i] == '%' ? hex_digit(name[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(name[i + 2]) : -1;

		name[to++] = name[i];
		if (low < 0)
			continue;
		name[to - 1] = (char)(uint8_t)(high * 16 + low);
		i += 2;
	}
	name[to] = '\0';
	return to;
}

static int take_xattr(struct tree_tar_entry *e, const struct record *r, struct err *err)
{
	const char *name = r->key + strlen("SCHILY.xattr.");
	size_t n = r->key_len - strlen("SCHILY.xattr.");
	char text[3 * 256];

	if (n >= sizeof(text))
		return bad(err, "an extended attribute's name");
	memcpy(text, name, n);
	n = decode_name(text, n);
	/* Others are not this host's business, or not this peer's. */
	if (!tree_xattr_carried(text, n))
		return 0;
	for (size_t i = 0; i < e->xattrs.n; i++)
		if (strcmp(tree_xattr_name(&e->xattrs, i), text) == 0)
			return bad(err, "an extended attribute twice");
	return tree_xattrs_add(&e->xattrs, text, n, r->value, r->value_len, err);
}

static int take_record(
	struct tree_tar_entry *e, struct tree_pax *p, const struct record *r, struct err *err)
{
	static const struct {
		const char *key;
		unsigned said;
	} known[] = { { "path", SAID_PATH }, { "linkpath", SAID_LINK }, { "size", SAID_SIZE },
		{ "uid", SAID_UID }, { "gid", SAID_GID }, { "mtime", SAID_MTIME },
		{ "GNU.sparse.major", SAID_MAJOR }, { "GNU.sparse.minor", SAID_MINOR },
		{ "GNU.sparse.name", SAID_NAME }, { "GNU.sparse.realsize", SAID_REALSIZE },
		{ "SCHILY.devmajor", SAID_DEVMAJOR }, { "SCHILY.devminor", SAID_DEVMINOR } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (is(r, known[i].key))
			return take_said(e, p, r, known[i].said, err);
	if (begins(r, "GNU.sparse."))
		return bad(err, "a sparse file in an old form");
	if (begins(r, "SCHILY.xattr."))
		return take_xattr(e, r, err);
	if (begins(r, "SCHILY.acl."))
		e->acl_lost = true;
	return 0; /* times of access, comments, and what others need */
}

int tree_tar_take_pax(struct tree_tar_entry *e, struct tree_pax *p, const uint8_t *bytes, size_t n,
	struct err *err)
{
	const char *at = (const char *)bytes, *end = at + n;

	while (at < end) {
		const char *blank = memchr(at, ' ', min_size((size_t)(end - at), 12)), *equals;
		uint64_t len;

		if (!blank || take_number(at, (size_t)(blank - at), TREE_PAX_MAX, &len, err) != 0 ||
			len > (uint64_t)(end - at) || len < (uint64_t)(blank - at) + 3 ||
			at[len - 1] != '\n')
			return bad(err, "a record of an extended header");
		blank++;
		equals = memchr(blank, '=', (size_t)(at + len - 1 - blank));
		if (!equals || equals == blank)
			return bad(err, "a record of an extended header");
		if (take_record(e, p,
			    &(struct record){ blank, equals + 1, (size_t)(equals - blank),
				    (size_t)(at + len - 2 - equals) },
			    err) != 0)
			return -1;
		at += len;
	}
	return 0;
}

/* --- paths --- */

/* Makes "./a/b/" "a/b", and "./" "". Nothing else is mended. */
static int sound_path(char path[TREE_PATH_MAX + 1], bool dir, struct err *err)
{
	size_t n = strlen(path);
	const char *name = path;

	if (n == 0 || path[0] == '/')
		return bad(err, n == 0 ? "an empty path" : "an absolute path");
	if (path[0] == '.' && path[1] == '/') {
		memmove(path, path + 2, n - 1);
		n -= 2;
	} else if (strcmp(path, ".") == 0) {
		path[--n] = '\0';
	}
	if (dir && n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	while (n > 0 && name) {
		size_t k = strcspn(name, "/");

		if (k > TREE_NAME_MAX)
			return err_set(err, ERR_LIMIT, "a name in the tar is longer than %u bytes",
				TREE_NAME_MAX);
		if (k == 0 || (k == 1 && name[0] == '.') ||
			(k == 2 && name[0] == '.' && name[1] == '.'))
			return bad(err, "a path with an empty name, \".\" or \"..\" in it");
		name = name[k] == '/' ? name + k + 1 : NULL;
	}
	return 0;
}

static void take_field(char *to, const uint8_t *field, size_t n)
{
	size_t k = strnlen((const char *)field, n);

	memcpy(to, field, k);
	to[k] = '\0';
}

static int take_names(
	struct tree_tar_entry *e, const struct tree_pax *p, const uint8_t *block, struct err *err)
{
	if (!(p->said & (SAID_PATH | SAID_NAME))) {
		size_t n = strnlen((const char *)block + PREFIX_AT, PREFIX_LEN);

		take_field(e->path, block + PREFIX_AT, PREFIX_LEN);
		if (n > 0)
			e->path[n++] = '/';
		take_field(e->path + n, block + NAME_AT, NAME_LEN);
	}
	if (!(p->said & SAID_LINK))
		take_field(e->link, block + LINK_AT, NAME_LEN);
	if (sound_path(e->path, e->type == TREE_DIR, err) != 0)
		return -1;
	if (e->path[0] == '\0' && e->type != TREE_DIR)
		return bad(err, "a root that is no directory");
	if (e->type == TREE_HARD_LINK)
		return sound_path(e->link, false, err);
	if (e->type == TREE_SYMLINK && e->link[0] == '\0')
		return bad(err, "a symbolic link to nothing");
	return 0;
}

/* --- the block --- */

/* A number that the extended header did not say. */
static int take_id(const struct tree_pax *p, unsigned said, const uint8_t *field, uint32_t *to,
	struct err *err)
{
	uint64_t v;

	if (p->said & said)
		return 0;
	if (!tar_block_number(field, ID_LEN, &v) || v > UINT32_MAX - 1)
		return bad(err, "a number in a header");
	*to = (uint32_t)v;
	return 0;
}

static int take_mtime(
	struct tree_tar_entry *e, const struct tree_pax *p, const uint8_t *block, struct err *err)
{
	uint64_t v;

	if (p->said & SAID_MTIME)
		return 0;
	if (!tar_block_number(block + MTIME_AT, MTIME_LEN, &v) || v > SECONDS_MAX)
		return bad(err, "a time in a header");
	e->mtime = (struct timespec){ .tv_sec = (time_t)v };
	return 0;
}

/* The field and the record must say the same, unless the field says that it cannot. */
static int take_stored(
	const struct tree_pax *p, const uint8_t *block, uint64_t *ret, struct err *err)
{
	const uint8_t *field = block + TAR_SIZE_AT;
	uint64_t v = 0;
	bool sound = tar_block_number(field, TAR_SIZE_LEN, &v);

	*ret = v;
	if (p->said & SAID_SIZE) {
		*ret = p->stored;
		if (sound && v != 0 && v != p->stored && v != UINT64_C(077777777777))
			return bad(err, "two sizes of one file");
	} else if (!sound || v > BLOB_SIZE_MAX) {
		return bad(err, "a size in a header");
	}
	return 0;
}

static int take_size(
	struct tree_tar_entry *e, const struct tree_pax *p, uint64_t stored, struct err *err)
{
	const unsigned all = SAID_MAJOR | SAID_MINOR | SAID_NAME | SAID_REALSIZE;

	e->size = stored;
	e->sparse = p->said & all;
	if (e->type != TREE_FILE && (stored != 0 || e->sparse))
		return bad(err, "contents of what is no file");
	if (!e->sparse)
		return 0;
	if ((p->said & all) != all || p->sparse_major != 1 || p->sparse_minor != 0)
		return bad(err, "a sparse file in another form than GNU's 1.0");
	e->size = p->realsize;
	return 0;
}

int tree_tar_take_head(struct tree_tar_entry *e, const struct tree_pax *p, const uint8_t *block,
	uint64_t *ret_stored, struct err *err)
{
	uint8_t type = block[TAR_TYPE_AT];
	uint32_t mode = 0;

	if (memcmp(block + MAGIC_AT,
		    "ustar\0"
		    "00",
		    8) != 0)
		return bad(err, "a header that is not ustar's");
	if (type == '\0')
		type = TREE_FILE;
	if (type < TREE_FILE || type > TREE_FIFO)
		return bad(err, "an entry of an unknown type");
	e->type = (enum tree_type)type;
	if (take_id(p, 0, block + MODE_AT, &mode, err) != 0 ||
		take_id(p, SAID_UID, block + UID_AT, &e->uid, err) != 0 ||
		take_id(p, SAID_GID, block + GID_AT, &e->gid, err) != 0 ||
		take_id(p, SAID_DEVMAJOR, block + MAJOR_AT, &e->major, err) != 0 ||
		take_id(p, SAID_DEVMINOR, block + MINOR_AT, &e->minor, err) != 0 ||
		take_mtime(e, p, block, err) != 0 || take_names(e, p, block, err) != 0 ||
		take_stored(p, block, ret_stored, err) != 0)
		return -1;
	e->mode = mode & 07777;
	return take_size(e, p, *ret_stored, err);
}
