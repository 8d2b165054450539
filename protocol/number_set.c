#include "protocol/number_set.h"

/* A ring: the bit of a number is where it falls modulo its length. */
static uint64_t *word_of(struct number_set *s, uint64_t number)
{
	return &s->bits[number % NUMBER_SET_AHEAD / 64];
}

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << number % 64;
}

bool number_set_has(const struct number_set *s, uint64_t number)
{
	if (number <= s->base)
		return true;
	if (number - s->base > NUMBER_SET_AHEAD)
		return false;
	return s->bits[number % NUMBER_SET_AHEAD / 64] & bit_of(number);
}

bool number_set_add(struct number_set *s, uint64_t number)
{
	if (number <= s->base)
		return true;
	if (number - s->base > NUMBER_SET_AHEAD)
		return false;
	*word_of(s, number) |= bit_of(number);
	while (*word_of(s, s->base + 1) & bit_of(s->base + 1)) {
		s->base++;
		*word_of(s, s->base) &= ~bit_of(s->base);
	}
	return true;
}
