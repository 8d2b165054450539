#include "common/store/pack_set.h"

#include <stdlib.h>
#include <string.h>

void pack_set_done(struct pack_set *set)
{
	free(set->numbers);
	*set = (struct pack_set){ 0 };
}

/* The place of the first number that is not below this one. */
static size_t place_of(const struct pack_set *set, uint32_t number)
{
	size_t low = 0, high = set->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (set->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool pack_set_has(const struct pack_set *set, uint32_t number)
{
	size_t at = place_of(set, number);
	return at < set->n && set->numbers[at] == number;
}

int pack_set_add(struct pack_set *set, uint32_t number, bool *ret_new, struct err *err)
{
	/* Neighbouring chunks lie in the same pack. */
	bool here = set->last < set->n && set->numbers[set->last] == number;
	size_t at = here ? set->last : place_of(set, number);
	bool known = here || (at < set->n && set->numbers[at] == number);
	if (!known && set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 16;
		uint32_t *grown = reallocarray(set->numbers, cap, sizeof *grown);
		if (!grown)
			return err_nomem(err);
		set->numbers = grown;
		set->cap = cap;
	}
	if (!known) {
		memmove(set->numbers + at + 1, set->numbers + at,
			(set->n - at) * sizeof *set->numbers);
		set->numbers[at] = number;
		set->n++;
	}
	set->last = at;
	if (ret_new)
		*ret_new = !known;
	return 0;
}

int pack_set_add_all(struct pack_set *set, const struct pack_set *more, struct err *err)
{
	for (size_t i = 0; i < more->n; i++)
		if (pack_set_add(set, more->numbers[i], NULL, err) != 0)
			return -1;
	return 0;
}
