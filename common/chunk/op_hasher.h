/*
 * The name of a blob that is named by its operations (README.md, "Trees"): it certifies the blob's
 * bytes without anybody having read them all, since each chunk is what its own name says. The same
 * for who sends and who rebuilds. One thread at a time.
 */
#pragma once

#include "common/chunk/recipe.h"

struct op_hasher;

/* NULL when out of memory. op_hasher_free(NULL) is fine. */
struct op_hasher *op_hasher_new(void);
void op_hasher_free(struct op_hasher *h);

/* The main stream's next operation. */
void op_hasher_op(struct op_hasher *h, const struct recipe_op *op);

/* The skeleton stream's next bytes; these and the operations may come in any order. */
void op_hasher_skeleton(struct op_hasher *h, const void *bytes, size_t n);

/* The name of what came since the start or the last end; starts anew. */
struct digest op_hasher_end(struct op_hasher *h);
