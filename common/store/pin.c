#include "common/store/pin.h"

#include "common/store/snapshot.h"
#include "common/store/store_impl.h"

#include <stdlib.h>
#include <time.h>

static int64_t now_seconds(void)
{
	return (int64_t)(store_now_ms() / 1000);
}

static void pin_free(struct store_pin *pin)
{
	pack_set_done(&pin->packs);
	pack_set_done(&pin->fresh);
	free(pin);
}

void pins_free(struct store *s)
{
	while (s->pins) {
		struct store_pin *next = s->pins->next;
		pin_free(s->pins);
		s->pins = next;
	}
}

static void use_all(struct store *s, const struct store_pin *pin)
{
	uint64_t now = store_now_ms();
	for (size_t i = 0; i < pin->packs.n; i++)
		pack_table_use(&s->table, pin->packs.numbers[i], now);
}

/* --- begin, add, end --- */

/* Takes over what the owner's job of before pinned, as far as it is there. */
static int take_over(struct store *s, struct store_pin *pin, struct err *err)
{
	struct pack_set before = { 0 };
	int r = index_pins_of(s->ix, &pin->owner, &before, err);
	for (size_t i = 0; r == 0 && i < before.n; i++)
		if (pack_table_find(&s->table, before.numbers[i]))
			r = pin_add(s, pin, before.numbers[i], err);
	pack_set_done(&before);
	return r;
}

int store_pin_begin(
	struct store *s, const struct digest *owner, struct store_pin **ret, struct err *err)
{
	for (struct store_pin *pin = s->pins; pin; pin = pin->next)
		if (digest_equal(&pin->owner, owner)) {
			pin->rewrite = pin->rewrite || pin->users == 0;
			pin->written = false;
			pin->users++;
			*ret = pin;
			return 0;
		}
	struct store_pin *pin = calloc(1, sizeof *pin);
	if (!pin)
		return err_nomem(err);
	pin->owner = *owner;
	pin->serial = ++s->last_serial;
	pin->users = 1;
	if (take_over(s, pin, err) != 0) {
		pin_free(pin);
		return -1;
	}
	pin->next = s->pins;
	s->pins = pin;
	*ret = pin;
	return 0;
}

int pin_add(struct store *s, struct store_pin *pin, uint32_t pack, struct err *err)
{
	bool fresh;
	if (!pin)
		return 0;
	if (pack_set_add(&pin->packs, pack, &fresh, err) != 0)
		return -1;
	if (!fresh)
		return 0;
	if (pack_set_add(&pin->fresh, pack, NULL, err) != 0) {
		pin->rewrite = true;
		return -1;
	}
	pack_table_use(&s->table, pack, store_now_ms());
	return 0;
}

int pin_add_all(
	struct store *s, struct store_pin *pin, const struct pack_set *packs, struct err *err)
{
	for (size_t i = 0; pin && i < packs->n; i++)
		if (pin_add(s, pin, packs->numbers[i], err) != 0)
			return -1;
	return 0;
}

void store_pin_end(struct store *s, struct store_pin *pin, bool finished)
{
	struct err ignored; /* what is not written now is written with the next sync */
	if (--pin->users > 0)
		return;
	pin->finished = finished;
	use_all(s, pin);
	(void)!store_sync(s, &ignored);
}

/* --- rows --- */

int pins_age(struct index *ix, struct err *err)
{
	int64_t now = now_seconds();
	return index_age_pins(ix, now, now + (int64_t)STORE_PIN_SECONDS, err);
}

static int write_rows(struct store *s, const struct store_pin *pin, const struct pack_set *packs,
	int64_t expires, struct err *err)
{
	for (size_t i = 0; i < packs->n; i++)
		if (index_pin(s->ix, &pin->owner, packs->numbers[i], expires, err) != 0)
			return -1;
	return 0;
}

/* At the end of a job those that have expired go, too. */
static int write_ended(struct store *s, struct store_pin *pin, struct err *err)
{
	if (index_age_pins(s->ix, now_seconds(), INDEX_PIN_RUNNING, err) != 0)
		return -1;
	int r = pin->finished ? index_unpin(s->ix, &pin->owner, err)
			      : write_rows(s, pin, &pin->packs,
					now_seconds() + (int64_t)STORE_PIN_SECONDS, err);
	pin->written = r == 0;
	return r;
}

static int write_running(struct store *s, struct store_pin *pin, struct err *err)
{
	const struct pack_set *packs = pin->rewrite ? &pin->packs : &pin->fresh;
	if (write_rows(s, pin, packs, INDEX_PIN_RUNNING, err) != 0)
		return -1;
	pin->rewrite = false;
	pin->fresh.n = 0;
	return 0;
}

int pins_write(struct store *s, struct err *err)
{
	for (struct store_pin *pin = s->pins; pin; pin = pin->next) {
		if (pin->written)
			continue;
		if ((pin->users > 0 ? write_running : write_ended)(s, pin, err) != 0)
			return -1;
	}
	return 0;
}

void pins_committed(struct store *s)
{
	struct store_pin **link = &s->pins;
	while (*link) {
		struct store_pin *pin = *link;
		if (!pin->written) {
			link = &pin->next;
			continue;
		}
		*link = pin->next;
		pin_free(pin);
	}
}

void pins_lost(struct store *s)
{
	for (struct store_pin *pin = s->pins; pin; pin = pin->next) {
		pin->rewrite = true;
		pin->written = false;
	}
}

uint64_t store_pin_new_bytes(const struct store_pin *pin)
{
	return pin ? pin->new_bytes : 0;
}

static bool is_over(const struct store_pin *pin)
{
	return pin->users == 0 && pin->finished;
}

/* Its rows may not be out of the index yet: on a full disk they wait for what they would keep. */
static bool owner_is_over(const void *ctx, const struct digest *owner)
{
	const struct store *s = ctx;
	for (const struct store_pin *pin = s->pins; pin; pin = pin->next)
		if (digest_equal(&pin->owner, owner))
			return is_over(pin);
	return false;
}

int pins_collect(struct store *s, struct pack_set *ret, struct err *err)
{
	if (index_pinned(s->ix, now_seconds(), owner_is_over, s, ret, err) != 0)
		return -1;
	for (const struct store_pin *pin = s->pins; pin; pin = pin->next)
		if (!is_over(pin) && pack_set_add_all(ret, &pin->packs, err) != 0)
			return -1;
	return 0;
}
