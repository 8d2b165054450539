#include "protocol/name_set.h"

#include <stdlib.h>

#define NAME_SET_FIRST 1024u

void name_set_init(struct name_set *s)
{
	*s = (struct name_set){ 0 };
}

void name_set_done(struct name_set *s)
{
	free(s->slots);
	name_set_init(s);
}

/* Names are hash bits already: the low bits are the slot. */
static size_t slot_of(const uint64_t *slots, size_t cap, uint64_t name)
{
	size_t i = (size_t)name & (cap - 1);

	while (slots[i] != 0 && slots[i] != name)
		i = (i + 1) & (cap - 1);
	return i;
}

bool name_set_has(const struct name_set *s, uint64_t name)
{
	return s->cap > 0 && name != 0 && s->slots[slot_of(s->slots, s->cap, name)] == name;
}

static bool grow(struct name_set *s)
{
	size_t cap = s->cap ? s->cap * 2 : NAME_SET_FIRST;
	uint64_t *slots;

	if (cap > NAME_SET_MAX)
		return false;
	slots = calloc(cap, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < s->cap; i++) {
		if (s->slots[i] != 0)
			slots[slot_of(slots, cap, s->slots[i])] = s->slots[i];
	}
	free(s->slots);
	s->slots = slots;
	s->cap = cap;
	return true;
}

void name_set_add(struct name_set *s, uint64_t name)
{
	size_t i;

	if (name == 0 || (s->used >= s->cap / 2 && !grow(s)))
		return;
	i = slot_of(s->slots, s->cap, name);
	if (s->slots[i] == 0) {
		s->slots[i] = name;
		s->used++;
	}
}
