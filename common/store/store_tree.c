#include "common/store/store_impl.h"

#include <stdlib.h>
#include <string.h>

/* Notes where a part lies. `packs` NULL is fine. */
static int note(struct pack_set *packs, const struct store_place *at, struct err *err)
{
	return packs ? pack_set_add(packs, at->pack, NULL, err) : 0;
}

/* Is everything there that the operations name? */
static int names_known(
	struct store *s, size_t n_ops, struct pack_set *packs, bool *ret, struct err *err)
{
	bool known = true;
	for (size_t i = 0; known && i < n_ops; i++) {
		struct store_place at;
		if (s->ops[i].kind == OP_SKELETON)
			continue;
		if (index_find(s->ix, &s->ops[i].name, &at, &known, err) != 0 ||
			(known && note(packs, &at, err) != 0))
			return -1;
	}
	*ret = known;
	return 0;
}

static int walk(struct store *s, enum recipe_stream stream, const struct digest *recipe,
	struct pack_set *packs, bool *ret, struct err *err)
{
	const uint8_t *bytes;
	size_t n_ops = 0;
	struct store_place at;
	bool found;
	if (store_read(s, recipe, &at, &bytes, &found, err) != 0)
		return -1;
	*ret = false;
	if (!found || at.len > RECIPE_CHUNK_MAX)
		return 0;
	struct err why;
	if (recipe_decode(stream, bytes, at.len, s->ops, &n_ops, &why) == 0)
		return note(packs, &at, err) != 0 ? -1 : names_known(s, n_ops, packs, ret, err);
	/* The name comes from a peer: a chunk that is no recipe is one that is not had. */
	return why.code == ERR_NOMEM ? err_nomem(err) : 0;
}

int store_has_tree(struct store *s, enum recipe_stream stream, const struct digest *recipe,
	struct store_pin *pin, bool *ret, struct err *err)
{
	struct store_complete *c = &s->complete[stream];
	size_t i = (size_t)(digest_short(recipe) % STORE_COMPLETE_MAX);
	bool known = c->used[i] && digest_equal(&c->names[i], recipe), complete = false;
	if (known && (!pin || c->pinned[i] == pin->serial)) {
		*ret = true;
		return 0;
	}
	struct pack_set packs = { 0 };
	int r = walk(s, stream, recipe, pin ? &packs : NULL, &complete, err);
	if (r == 0 && complete)
		r = pin_add_all(s, pin, &packs, err);
	pack_set_done(&packs);
	if (r != 0)
		return -1;
	if (complete) {
		c->used[i] = true;
		c->names[i] = *recipe;
		c->pinned[i] = pin ? pin->serial : 0;
	}
	*ret = complete;
	return 0;
}

/* Copies a list's names, for reading on invalidates them; *ret_n is 0 when it is not there. */
static int read_list(struct store *s, const struct digest *list, struct pack_set *packs,
	struct digest ret[LIST_NAMES_MAX], size_t *ret_n, struct err *err)
{
	const uint8_t *bytes;
	struct store_place at;
	bool found;
	if (store_read(s, list, &at, &bytes, &found, err) != 0)
		return -1;
	*ret_n = 0;
	if (!found || at.len > LIST_NAMES_MAX * DIGEST_LEN)
		return 0;
	memcpy(ret, bytes, at.len);
	*ret_n = at.len / DIGEST_LEN;
	return note(packs, &at, err);
}

/* The walk of a tree whose packs are not wanted may be spared. */
static int has_list(struct store *s, enum recipe_stream stream, const struct digest *list,
	struct pack_set *packs, struct digest names[LIST_NAMES_MAX], bool *ret, struct err *err)
{
	size_t n;
	if (read_list(s, list, packs, names, &n, err) != 0)
		return -1;
	bool complete = n > 0;
	for (size_t i = 0; complete && i < n; i++)
		if ((packs ? walk(s, stream, &names[i], packs, &complete, err)
			   : store_has_tree(s, stream, &names[i], NULL, &complete, err)) != 0)
			return -1;
	*ret = complete;
	return 0;
}

int store_has_blob(struct store *s, const struct blob_record *record, struct pack_set *packs,
	bool *ret, struct err *err)
{
	struct digest *names CLEANUP(cleanup_free) = calloc(LIST_NAMES_MAX, sizeof *names);
	if (!names)
		return err_nomem(err);
	bool complete = true;
	for (int stream = 0; stream < 2; stream++)
		for (uint32_t i = 0; complete && i < record->n_lists[stream]; i++)
			if (has_list(s, (enum recipe_stream)stream, &record->lists[stream][i],
				    packs, names, &complete, err) != 0)
				return -1;
	*ret = complete;
	return 0;
}
