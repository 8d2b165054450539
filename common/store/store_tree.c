#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>

static struct digest *complete_place(
	struct store_complete *c, const struct digest *name, bool **used)
{
	size_t i = (size_t)(digest_short(name) % STORE_COMPLETE_MAX);
	*used = &c->used[i];
	return &c->names[i];
}

/* Is everything there that the operations name? */
static int names_known(struct store *s, size_t n_ops, bool *ret, struct err *err)
{
	bool known = true;
	for (size_t i = 0; known && i < n_ops; i++) {
		struct store_place at;
		if (s->ops[i].kind != OP_SKELETON &&
			index_find(s->ix, &s->ops[i].name, &at, &known, err) != 0)
			return -1;
	}
	*ret = known;
	return 0;
}

static int walk(struct store *s, enum recipe_stream stream, const struct digest *recipe, bool *ret,
	struct err *err)
{
	const uint8_t *bytes;
	size_t len, n_ops = 0;
	bool found;
	if (store_read(s, recipe, &bytes, &len, &found, err) != 0)
		return -1;
	*ret = false;
	if (!found || len > RECIPE_CHUNK_MAX)
		return 0;
	struct err why;
	if (recipe_decode(stream, bytes, len, s->ops, &n_ops, &why) == 0)
		return names_known(s, n_ops, ret, err);
	/* The name comes from a peer: a chunk that is no recipe is one that is not had. */
	return why.code == ERR_NOMEM ? err_nomem(err) : 0;
}

int store_has_tree(struct store *s, enum recipe_stream stream, const struct digest *recipe,
	bool *ret, struct err *err)
{
	bool *used, complete = false;
	struct digest *remembered = complete_place(&s->complete[stream], recipe, &used);
	if (*used && digest_equal(remembered, recipe)) {
		*ret = true;
		return 0;
	}
	if (walk(s, stream, recipe, &complete, err) != 0)
		return -1;
	if (complete) {
		*used = true;
		*remembered = *recipe;
	}
	*ret = complete;
	return 0;
}

/* Copies a list's names, for reading on invalidates them; *ret_n is 0 when it is not there. */
static int read_list(struct store *s, const struct digest *list, struct digest ret[LIST_NAMES_MAX],
	size_t *ret_n, struct err *err)
{
	const uint8_t *bytes;
	size_t len;
	bool found;
	if (store_read(s, list, &bytes, &len, &found, err) != 0)
		return -1;
	*ret_n = 0;
	if (!found || len > LIST_NAMES_MAX * DIGEST_LEN)
		return 0;
	memcpy(ret, bytes, len);
	*ret_n = len / DIGEST_LEN;
	return 0;
}

static int has_list(struct store *s, enum recipe_stream stream, const struct digest *list,
	struct digest names[LIST_NAMES_MAX], bool *ret, struct err *err)
{
	size_t n;
	if (read_list(s, list, names, &n, err) != 0)
		return -1;
	bool complete = n > 0;
	for (size_t i = 0; complete && i < n; i++)
		if (store_has_tree(s, stream, &names[i], &complete, err) != 0)
			return -1;
	*ret = complete;
	return 0;
}

int store_has_blob(struct store *s, const struct blob_record *record, bool *ret, struct err *err)
{
	struct digest *names CLEANUP(cleanup_free) = calloc(LIST_NAMES_MAX, sizeof *names);
	if (!names)
		return err_nomem(err);
	bool complete = true;
	for (int stream = 0; stream < 2; stream++)
		for (uint32_t i = 0; complete && i < record->n_lists[stream]; i++)
			if (has_list(s, (enum recipe_stream)stream, &record->lists[stream][i],
				    names, &complete, err) != 0)
				return -1;
	*ret = complete;
	return 0;
}
