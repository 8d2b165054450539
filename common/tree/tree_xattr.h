/*
 * Extended attributes of a file, ACLs among them (as the kernel gives them: system.posix_acl_*).
 * Carried are user, trusted, security and the two ACLs, but for the labels that a host's security
 * modules give. A descriptor may be one of O_PATH.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/tree/tree_limits.h"
#include "common/tree/tree_report.h"

struct tree_xattr {
	uint32_t name, value, len; /* where in `text` and `values`, and the value's length */
};

/* Sorted by name. One is used again for file after file. */
struct tree_xattrs {
	struct tree_xattr at[TREE_XATTRS_MAX];
	size_t n;
	struct buf text, values;
};

void tree_xattrs_init(struct tree_xattrs *x);
void tree_xattrs_done(struct tree_xattrs *x);
void tree_xattrs_clear(struct tree_xattrs *x);

static inline const char *tree_xattr_name(const struct tree_xattrs *x, size_t i)
{
	return (const char *)buf_bytes(&x->text) + x->at[i].name;
}

static inline const uint8_t *tree_xattr_value(const struct tree_xattrs *x, size_t i)
{
	return buf_bytes(&x->values) + x->at[i].value;
}

/* May an attribute of this name be carried? */
bool tree_xattr_carried(const char *name, size_t n);

/* Adds one. ERR_LIMIT when there are too many, or they are too long. */
int tree_xattrs_add(struct tree_xattrs *x, const char *name, size_t name_len, const void *value,
	size_t len, struct err *err) MUST_CHECK;

/* What the file has; *ret_too_big: it has more than can be carried. */
int tree_xattrs_read(struct tree_xattrs *x, int fd, bool *ret_too_big, struct err *err) MUST_CHECK;

/* Makes the file have these and no others. What the system refuses is noted under `path`, not an
 * error. */
void tree_xattrs_apply(
	const struct tree_xattrs *x, int fd, struct tree_report *report, const char *path);
