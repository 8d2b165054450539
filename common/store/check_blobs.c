/*
 * The blobs of a check. Each one's record is read, its lists, and each recipe chunk with all that
 * it names. One that cannot be rebuilt is taken out: the next push of it records it anew. Whether
 * that is damage or only the rest of a pack that was given up is known as long as the check goes on
 * and no pack is given up: when something that it needed was just found damaged (it is then in
 * watch.hurt), or when none was before.
 */
#include "common/store/check_impl.h"
#include "common/store/index_snapshot.h"

#include <stdlib.h>
#include <string.h>

enum walk_state { WALK_ON, WALK_WHOLE, WALK_LACKS };

void store_check_walk_done(struct check_walk *w)
{
	blob_record_done(&w->record);
	w->record = (struct blob_record){ 0 };
	w->open = false;
}

static int open_walk(struct store_check *c, const struct digest *blob, const struct digest *name,
	enum walk_state *ret, struct err *err)
{
	struct check_walk *w = &c->walk;
	const uint8_t *bytes;
	struct err why = { 0 };
	struct store_place at;
	bool found;
	*ret = WALK_LACKS;
	if (store_read(c->s, name, &at, &bytes, &found, err) != 0)
		return -1;
	w->blob = *blob;
	w->name_of_record = *name;
	if (!found)
		return 0;
	if (blob_record_parse(bytes, at.len, &w->record, &why) != 0)
		return why.code == ERR_NOMEM ? err_nomem(err) : 0;
	w->open = true;
	w->stream = 0;
	w->list = 0;
	w->name = w->n_names = 0;
	*ret = digest_equal(&w->record.digest, blob) ? WALK_ON : WALK_LACKS;
	return 0;
}

static int next_list(struct store_check *c, enum walk_state *ret, struct err *err)
{
	struct check_walk *w = &c->walk;
	const uint8_t *bytes;
	struct store_place at;
	bool found;
	while (w->stream < 2 && w->list == w->record.n_lists[w->stream]) {
		w->stream++;
		w->list = 0;
	}
	*ret = WALK_WHOLE;
	if (w->stream == 2)
		return 0;
	if (store_read(c->s, &w->record.lists[w->stream][w->list++], &at, &bytes, &found, err) != 0)
		return -1;
	*ret = WALK_LACKS;
	if (!found || at.len % DIGEST_LEN != 0 || at.len > sizeof w->names)
		return 0;
	memcpy(w->names, bytes, at.len);
	w->name = 0;
	w->n_names = at.len / DIGEST_LEN;
	*ret = WALK_ON;
	return 0;
}

/* One recipe chunk further. */
static int go_on(struct store_check *c, enum walk_state *ret, struct err *err)
{
	struct check_walk *w = &c->walk;
	bool has;
	if (w->name == w->n_names)
		return next_list(c, ret, err);
	if (store_has_tree(c->s, (enum recipe_stream)w->stream, &w->names[w->name++], NULL, &has,
		    err) != 0)
		return -1;
	*ret = has ? WALK_ON : WALK_LACKS;
	return 0;
}

static bool is_hurt(const struct store_check *c, const struct digest *blob)
{
	for (size_t i = 0; i < c->watch.n_hurt; i++)
		if (digest_equal(&c->watch.hurt[i], blob))
			return true;
	return false;
}

/* `certain`: it is damage. A blob that was recorded anew since the walk began is another one. */
static int end_walk(struct store_check *c, enum walk_state state, bool certain, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];
	struct digest record;
	bool found;
	store_check_walk_done(&c->walk);
	if (state == WALK_WHOLE)
		return 0;
	if (index_find_blob(c->s->ix, &c->walk.blob, &record, &found, err) != 0)
		return -1;
	if (!found || !digest_equal(&record, &c->walk.name_of_record))
		return 0;
	if (certain) {
		digest_text(&c->walk.blob, text);
		store_tell(c->s, "blob %s lacks a chunk and cannot be rebuilt", text);
		c->watch.blobs++;
	}
	c->s->changes++;
	/* One that a snapshot needs is whole again once what it lacks has come. */
	struct need_root root;
	if (index_root_of(c->s->ix, &c->walk.blob, &root, &found, err) != 0)
		return -1;
	return found ? 0 : index_drop_blob(c->s->ix, &c->walk.blob, err);
}

int store_check_blobs(struct store_check *c, bool *ret_done, struct err *err)
{
	enum walk_state state = WALK_ON;
	struct digest blob, record;
	bool found = true;
	*ret_done = false;
	if (c->walk.open) {
		if (go_on(c, &state, err) != 0)
			return -1;
	} else {
		if (index_next_blob(c->s->ix, c->begun ? &c->last : NULL, &blob, &found, err) !=
				0 ||
			(found && index_find_blob(c->s->ix, &blob, &record, &found, err) != 0))
			return -1;
		*ret_done = !found;
		if (!found)
			return 0;
		c->begun = true;
		c->last = blob;
		c->report.blobs++;
		if (open_walk(c, &blob, &record, &state, err) != 0)
			return -1;
	}
	if (state == WALK_ON)
		return 0;
	/* The hurt ones have their turn. */
	if (state == WALK_LACKS && is_hurt(c, &c->last)) {
		store_check_walk_done(&c->walk);
		return 0;
	}
	return end_walk(c, state, c->none_given_up && c->s->given_up == c->given_up, err);
}

int store_check_hurt(struct store_check *c, bool *ret_done, struct err *err)
{
	enum walk_state state = WALK_ON;
	struct digest record;
	bool found = true;
	*ret_done = false;
	if (c->walk.open) {
		if (go_on(c, &state, err) != 0)
			return -1;
	} else {
		*ret_done = c->hurt == c->watch.n_hurt;
		if (*ret_done)
			return 0;
		const struct digest blob = c->watch.hurt[c->hurt++];
		if (index_find_blob(c->s->ix, &blob, &record, &found, err) != 0)
			return -1;
		if (!found)
			return 0; /* went with its record, and was counted then */
		if (open_walk(c, &blob, &record, &state, err) != 0)
			return -1;
	}
	return state == WALK_ON ? 0 : end_walk(c, state, c->s->given_up == c->given_up, err);
}
