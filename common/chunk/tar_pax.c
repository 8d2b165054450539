#include "common/chunk/tar_pax.h"

#define DECIMAL_MAX (UINT64_MAX / 10 - 1) /* may take one more digit */

enum { AT_LENGTH, AT_KEY, AT_SIZE, AT_OTHER };

static const char key[] = "size=";

static bool add_digit(uint64_t *v, uint8_t c)
{
	if (c < '0' || c > '9' || *v > DECIMAL_MAX)
		return false;
	*v = *v * 10 + (uint64_t)(c - '0');
	return true;
}

static void end_record(struct tar_pax *p)
{
	if (p->at == AT_SIZE) {
		p->found = true;
		p->size = p->value;
	}
	p->at = AT_LENGTH;
	p->len = p->taken = p->value = 0;
	p->matched = 0;
}

static void take(struct tar_pax *p, uint8_t c)
{
	p->taken++;
	switch (p->at) {
	case AT_LENGTH:
		if (c == ' ' && p->len > p->taken)
			p->at = AT_KEY;
		else
			p->lost = !add_digit(&p->len, c);
		return;
	case AT_KEY:
		if (c != (uint8_t)key[p->matched])
			p->at = AT_OTHER;
		else if (++p->matched == sizeof(key) - 1) /* no value: as if it were not there */
			p->at = p->len - p->taken > 1 ? AT_SIZE : AT_OTHER;
		break;
	case AT_SIZE:
		if (p->taken < p->len && !add_digit(&p->value, c))
			p->at = AT_OTHER;
		break;
	default:
		break;
	}
	if (p->taken == p->len)
		end_record(p);
}

void tar_pax_feed(struct tar_pax *p, const uint8_t *bytes, size_t n)
{
	while (n > 0 && !p->lost) {
		size_t k = 1;

		/* A long value, such as an extended attribute, is passed over at once. */
		if (p->at == AT_OTHER && p->len - p->taken > 1) {
			k = (size_t)min_u64(n, p->len - p->taken - 1);
			p->taken += k;
		} else {
			take(p, *bytes);
		}
		bytes += k;
		n -= k;
	}
}
