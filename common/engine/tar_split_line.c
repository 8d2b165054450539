#include "common/engine/tar_split_line.h"

#include <string.h>

enum entry_type { TYPE_FILE = 1, TYPE_SEGMENT = 2 };

/* What is left of the line. */
struct rest {
	char *at, *end;
};

struct text {
	char *s; /* NULL: not there, or null */
	size_t n;
};

struct fields {
	uint64_t type, size, position;
	struct text name, name_raw, payload;
};

static int odd(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "its tar-split data is not understood: %s", what);
}

/* --- JSON --- */

static bool take(struct rest *l, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0)
		return false;
	l->at += n;
	return true;
}

static bool take_number(struct rest *l, uint64_t *ret)
{
	const char *from = l->at;
	uint64_t v = 0;

	for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++) {
		uint64_t digit = (uint64_t)(*l->at - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*ret = v;
	return l->at > from;
}

static bool hex_value(const char *s, unsigned *ret)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++) {
		char c = s[i];
		char low = (char)(c | 0x20);

		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (unsigned)(low - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

/* Go escapes so what is special to HTML, and control characters: never halves of a pair. */
static char *put_utf8(char *to, unsigned v)
{
	if (v >= 0x800) {
		*to++ = (char)(0xe0 | v >> 12);
		*to++ = (char)(0x80 | (v >> 6 & 0x3f));
		*to++ = (char)(0x80 | (v & 0x3f));
	} else if (v >= 0x80) {
		*to++ = (char)(0xc0 | v >> 6);
		*to++ = (char)(0x80 | (v & 0x3f));
	} else {
		*to++ = (char)v;
	}
	return to;
}

/* Behind a backslash. The result is never longer than what stood there. */
static bool unescape(struct rest *l, char **to)
{
	static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *known;
	unsigned v;

	if (l->at == l->end)
		return false;
	if (*l->at == 'u') {
		if (l->end - l->at < 5 || !hex_value(l->at + 1, &v) || v == 0 ||
			(v >= 0xd800 && v <= 0xdfff))
			return false;
		*to = put_utf8(*to, v);
		l->at += 5;
		return true;
	}
	known = memchr(from, *l->at, sizeof(from) - 1);
	if (!known)
		return false;
	*(*to)++ = means[known - from];
	l->at++;
	return true;
}

/* Leaves a NUL behind the text, at the latest in the place of the closing quote. */
static bool take_string(struct rest *l, struct text *ret)
{
	char *to;

	if (!take(l, "\""))
		return false;
	*ret = (struct text){ .s = l->at };
	to = memchr(l->at, '"', (size_t)(l->end - l->at));
	if (!to)
		return false;
	if (!memchr(l->at, '\\', (size_t)(to - l->at))) {
		l->at = to;
	} else {
		to = ret->s;
		while (l->at < l->end && *l->at != '"') {
			char c = *l->at++;

			if (c != '\\')
				*to++ = c;
			else if (!unescape(l, &to))
				return false;
		}
		if (l->at == l->end)
			return false;
	}
	l->at++;
	*to = '\0';
	ret->n = (size_t)(to - ret->s);
	return true;
}

static bool take_field(struct rest *l, struct fields *f)
{
	if (take(l, "\"type\":"))
		return take_number(l, &f->type);
	if (take(l, "\"name\":"))
		return take_string(l, &f->name);
	if (take(l, "\"name_raw\":"))
		return take_string(l, &f->name_raw);
	if (take(l, "\"size\":"))
		return take_number(l, &f->size);
	if (take(l, "\"payload\":"))
		return take(l, "null") || take_string(l, &f->payload);
	if (take(l, "\"position\":"))
		return take_number(l, &f->position);
	return false;
}

static bool take_object(struct rest *l, struct fields *f)
{
	if (!take(l, "{"))
		return false;
	do {
		if (!take_field(l, f))
			return false;
	} while (take(l, ","));
	return take(l, "}") && l->at == l->end;
}

/* --- base64 --- */

/* One more than the value of a digit; 0: none. */
static const uint8_t digits[256] = { ['A'] = 1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	16,
	17,
	18,
	19,
	20,
	21,
	22,
	23,
	24,
	25,
	26,
	['a'] = 27,
	28,
	29,
	30,
	31,
	32,
	33,
	34,
	35,
	36,
	37,
	38,
	39,
	40,
	41,
	42,
	43,
	44,
	45,
	46,
	47,
	48,
	49,
	50,
	51,
	52,
	['0'] = 53,
	54,
	55,
	56,
	57,
	58,
	59,
	60,
	61,
	62,
	['+'] = 63,
	['/'] = 64 };

/* In place. */
static bool decode(struct text *t)
{
	const uint8_t *from = (const uint8_t *)t->s, *end = from + t->n;
	uint8_t *to = (uint8_t *)t->s;
	size_t pad = 0;

	if (t->n % 4 != 0)
		return false;
	while (pad < 2 && pad < t->n && t->s[t->n - 1 - pad] == '=')
		t->s[t->n - 1 - pad++] = 'A'; /* zeros, cut off below */
	for (; from < end; from += 4) {
		uint32_t v = (digits[from[0]] - 1u) << 18 | (digits[from[1]] - 1u) << 12 |
			     (digits[from[2]] - 1u) << 6 | (digits[from[3]] - 1u);

		if (v >> 24) /* what is no digit sets all bits */
			return false;
		*to++ = (uint8_t)(v >> 16);
		*to++ = (uint8_t)(v >> 8);
		*to++ = (uint8_t)v;
	}
	t->n = (size_t)(to - (uint8_t *)t->s) - pad;
	return true;
}

/* --- what it means --- */

static int take_segment(struct fields *f, struct tar_split_part *ret, struct err *err)
{
	if (!f->payload.s || !decode(&f->payload))
		return odd(err, "bytes that are no base64");
	*ret = (struct tar_split_part){ .kind = TAR_SPLIT_BYTES,
		.bytes = (const uint8_t *)f->payload.s,
		.size = f->payload.n };
	return 0;
}

static int take_file(struct fields *f, struct tar_split_part *ret, struct err *err)
{
	struct text *name = f->name_raw.s ? &f->name_raw : &f->name;

	if (f->name_raw.s) {
		if (!decode(name))
			return odd(err, "a name that is no base64");
		name->s[name->n] = '\0'; /* shorter than it was */
	}
	if (!name->s || name->n == 0 || memchr(name->s, '\0', name->n))
		return odd(err, "a file without a name");
	/* Without a checksum there are no contents, either. */
	*ret = (struct tar_split_part){
		.kind = TAR_SPLIT_FILE, .name = name->s, .size = f->payload.s ? f->size : 0
	};
	return 0;
}

int tar_split_line(char *line, size_t n, struct tar_split_part *ret, struct err *err)
{
	struct rest l = { .at = line, .end = n ? line + n : line };
	struct fields f = { 0 };

	if (!take_object(&l, &f))
		return odd(err, "a line that is no entry");
	if (f.type == TYPE_SEGMENT)
		return take_segment(&f, ret, err);
	if (f.type == TYPE_FILE)
		return take_file(&f, ret, err);
	return odd(err, "an entry of an unknown type");
}
