/*
 * Draws faults with a counter-based generator (splitmix64 over seed, connection and number), so
 * that no draw depends on how many were made before it.
 */
#include "tests/support/fault_plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[FAULT_KINDS] = { "none", "cut", "reset", "stall", "delay" };
static const char *const direction_names[FAULT_DIRECTIONS] = { "up", "down" };

const char *fault_kind_name(enum fault_kind kind)
{
	return kind_names[kind];
}

const char *fault_direction_name(enum fault_direction direction)
{
	return direction_names[direction];
}

/* --- drawing --- */

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

enum draw { DRAW_DIRECTION, DRAW_KIND, DRAW_EARLY, DRAW_BYTE };

static uint64_t draw(const struct fault_plan *p, uint64_t connection, uint64_t nth, enum draw what)
{
	return mix(mix(mix(p->seed) ^ connection) ^ (nth << 8 | (uint64_t)what));
}

/* In [0, 1). */
static double part(uint64_t x)
{
	return (double)(x >> 11) * 0x1p-53;
}

static enum fault_kind draw_kind(const struct fault_plan *p, uint64_t connection, uint64_t nth)
{
	enum fault_kind wanted[FAULT_KINDS];
	size_t n = 0;

	for (int kind = FAULT_CUT; kind < FAULT_KINDS; kind++)
		if (p->kinds[kind])
			wanted[n++] = (enum fault_kind)kind;
	return n > 0 ? wanted[draw(p, connection, nth, DRAW_KIND) % n] : FAULT_NONE;
}

static enum fault_direction draw_direction(const struct fault_plan *p, uint64_t connection)
{
	if (p->span[FAULT_DOWN] == 0)
		return FAULT_UP;
	if (p->span[FAULT_UP] == 0)
		return FAULT_DOWN;
	/* One for the whole connection: else the next byte would depend on the timing. */
	return draw(p, connection, 0, DRAW_DIRECTION) % 2 ? FAULT_UP : FAULT_DOWN;
}

/* Early ones are spread evenly over the powers of two: a handshake of a hundred bytes is hit as
 * often as the million behind it. */
static uint64_t draw_byte(const struct fault_plan *p, uint64_t connection, uint64_t nth,
	enum fault_direction direction)
{
	double span = (double)p->span[direction], at = part(draw(p, connection, nth, DRAW_BYTE));

	if (draw(p, connection, nth, DRAW_EARLY) % 100 < p->early)
		return (uint64_t)exp2(at * log2(span + 1)) - 1;
	return (uint64_t)(at * (span + 1));
}

struct fault fault_draw(const struct fault_plan *p, uint64_t connection, uint64_t nth)
{
	struct fault f = { .kind = draw_kind(p, connection, nth),
		.direction = draw_direction(p, connection) };

	if (p->span[f.direction] == 0)
		f.kind = FAULT_NONE;
	if (f.kind == FAULT_NONE)
		return f;
	for (uint64_t i = 0; i <= nth; i++)
		f.byte += draw_byte(p, connection, i, f.direction);
	return f;
}

/* --- reading --- */

static bool find(const char *s, size_t n, const char *const *names, int count, int *ret)
{
	for (int i = 0; i < count; i++) {
		if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

int fault_parse_kinds(const char *s, bool ret[FAULT_KINDS], struct err *err)
{
	int kind;

	for (;;) {
		size_t n = strcspn(s, ",");

		if (!find(s, n, kind_names, FAULT_KINDS, &kind) || kind == FAULT_NONE)
			return err_set(err, ERR_USAGE,
				"'%.*s' is no kind of fault; use cut, reset, stall, delay", (int)n,
				s);
		ret[kind] = true;
		if (s[n] == '\0')
			return 0;
		s += n + 1;
	}
}

int fault_parse(const char *s, struct fault *ret, struct err *err)
{
	size_t n = strcspn(s, ":");
	const char *number = s + n + 1;
	char *end;
	int direction, kind;

	if (s[n] == ':' && find(s, n, direction_names, FAULT_DIRECTIONS, &direction)) {
		errno = 0;
		ret->byte = strtoull(number, &end, 10);
		if (errno == 0 && end > number && *number != '-' && *end == ':' &&
			find(end + 1, strlen(end + 1), kind_names, FAULT_KINDS, &kind)) {
			ret->direction = (enum fault_direction)direction;
			ret->kind = (enum fault_kind)kind;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "'%s' is no fault; write it as up:1000:cut", s);
}
