#include "client/view/screen.h"
#include "tests/support/test.h"

#include <string.h>

/* --- one line --- */

static void a_bar_is_filled_in_proportion(void **state)
{
	struct terminal_line l;

	(void)state;
	terminal_line_start(&l, 40, false, false);
	terminal_line_bar(&l, 12, 0, 100);
	terminal_line_bar(&l, 12, 50, 100);
	terminal_line_bar(&l, 12, 100, 100);
	assert_string_equal(l.bytes, "[          ][====>     ][==========]");
	assert_int_equal(l.width, 36);
}

static void a_bar_is_not_full_before_all_is_done(void **state)
{
	struct terminal_line l;

	(void)state;
	terminal_line_start(&l, 40, false, false);
	terminal_line_bar(&l, 12, UINT64_MAX - 1, UINT64_MAX);
	assert_string_equal(l.bytes, "[==========]"); /* as far as a double can tell */
	terminal_line_start(&l, 40, false, false);
	terminal_line_bar(&l, 12, 999, 1000);
	assert_string_equal(l.bytes, "[========> ]");
	terminal_line_start(&l, 40, false, false);
	terminal_line_bar(&l, 12, 5, 0); /* nobody knows of how much */
	assert_string_equal(l.bytes, "[          ]");
}

static void letters_outside_ascii_take_one_column_each(void **state)
{
	struct terminal_line l;

	(void)state;
	terminal_line_start(&l, 40, false, true);
	terminal_line_bar(&l, 4, 1, 2);
	assert_string_equal(l.bytes, "\xe2\x94\x81\xe2\x94\x81\xe2\x94\x80\xe2\x94\x80");
	assert_int_equal(l.width, 4);
}

static void nothing_is_wider_than_the_terminal(void **state)
{
	struct terminal_line l;

	(void)state;
	terminal_line_start(&l, 10, true, true);
	terminal_line_text(&l, COLOUR_GOOD, "abcdefgh");
	terminal_line_bar(&l, 3, 1, 2); /* none rather than a part of one */
	terminal_line_text(&l, COLOUR_NONE, "ijklm");
	assert_string_equal(l.bytes, "\033[32mabcdefgh\033[0mij");
	assert_int_equal(l.width, 10);
	terminal_line_field(&l, COLOUR_BAD, "more", 8);
	assert_int_equal(l.width, 10);
	terminal_line_start(&l, 0, true, true);
	terminal_line_text(&l, COLOUR_GOOD, "abc");
	assert_string_equal(l.bytes, "");
}

static void without_colour_there_is_no_escape(void **state)
{
	struct terminal_line l;

	(void)state;
	terminal_line_start(&l, 80, false, true);
	terminal_line_text(&l, COLOUR_BAD, "failed");
	terminal_line_bar(&l, 10, 1, 2);
	assert_null(strchr(l.bytes, '\033'));
}

static void a_field_is_as_wide_as_asked(void **state)
{
	struct terminal_line l;

	(void)state;
	terminal_line_start(&l, 80, false, false);
	terminal_line_field(&l, COLOUR_NONE, "ab", 4);
	terminal_line_field(&l, COLOUR_NONE, "abcdef", 4);
	terminal_line_text(&l, COLOUR_NONE, "|");
	assert_string_equal(l.bytes, "ab  abcd|");
}

/* --- the screen --- */

#define SHOWN_LAYERS 5

struct shown {
	struct layer_progress layers[SHOWN_LAYERS];
	struct pair_progress pairs[2];
	struct terminal_line lines[SCREEN_ROWS_MAX];
};

static void set_up(struct shown *s, unsigned columns)
{
	static const enum layer_state states[SHOWN_LAYERS] = { LAYER_THERE, LAYER_DONE,
		LAYER_READING, LAYER_WAITING, LAYER_REPEATED };

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < SHOWN_LAYERS; i++) {
		s->layers[i].id.bytes[0] = (uint8_t)(0x10 * (i + 1));
		s->layers[i].state = states[i];
		s->layers[i].size = 1000000;
		s->layers[i].done = states[i] == LAYER_DONE	 ? 1000000
				    : states[i] == LAYER_READING ? 250000
								 : 0;
		s->layers[i].begun = s->layers[i].done > 0;
	}
	for (size_t i = 0; i < 2; i++) {
		memcpy(s->pairs[i].image, "app:1", sizeof("app:1"));
		s->pairs[i].target = i == 0 ? "b" : "c";
	}
	s->pairs[0].state = PAIR_SENDING;
	s->pairs[0].layers = s->layers;
	s->pairs[0].n_layers = SHOWN_LAYERS;
	for (size_t i = 0; i < SCREEN_ROWS_MAX; i++)
		terminal_line_start(&s->lines[i], columns, false, false);
}

static void every_layer_that_has_a_say_has_a_line(void **state)
{
	struct shown s;

	(void)state;
	set_up(&s, 79);
	assert_int_equal(screen_compose(s.lines, 23, s.pairs, 2, 5000), 6);
	assert_string_equal(s.lines[0].bytes, "  100000000000  already there");
	assert_string_equal(s.lines[1].bytes, "  200000000000  sent, 1MB");
	assert_string_equal(s.lines[2].bytes,
		"  300000000000  [====>                 ] 250kB / 1MB      reading");
	assert_string_equal(s.lines[3].bytes, "  400000000000  waiting, about 1MB");
	assert_string_equal(s.lines[4].bytes,
		"app:1 -> b  [==========>                 ]  1.25MB of about 3MB, 0B/s");
	assert_string_equal(s.lines[5].bytes, "app:1 -> c  waits for its turn");
}

static void what_is_under_way_is_kept_when_there_is_little_room(void **state)
{
	struct shown s;

	(void)state;
	set_up(&s, 79);
	assert_int_equal(screen_compose(s.lines, 3, s.pairs, 2, 5000), 3);
	assert_non_null(strstr(s.lines[0].bytes, "reading"));
	assert_non_null(strstr(s.lines[1].bytes, "app:1 -> b"));
	assert_string_equal(s.lines[2].bytes, "  and 4 more");
	assert_int_equal(screen_compose(s.lines, 0, s.pairs, 2, 5000), 0);
}

static void at_any_size_lines_fit(void **state)
{
	struct shown s;

	(void)state;
	for (unsigned columns = 1; columns <= 200; columns++) {
		for (unsigned rows = 1; rows <= 8; rows++) {
			unsigned n;

			set_up(&s, columns);
			memset(s.pairs[0].image, 'x', 500);
			n = screen_compose(s.lines, rows, s.pairs, 2, 5000);
			assert_true(n >= 1 && n <= rows);
			for (unsigned i = 0; i < n; i++)
				assert_true(strlen(s.lines[i].bytes) <= columns);
		}
	}
}

static void the_text_says_what_is_going_on(void **state)
{
	char text[PAIR_TEXT_MAX];
	struct shown s;

	(void)state;
	set_up(&s, 79);
	for (uint64_t now = 0; now <= 2000; now += 500)
		rate_add(&s.pairs[0].rate, now * 625, now);
	assert_string_equal(
		pair_text(text, &s.pairs[0], 2000), "1.25MB of about 3MB, 625kB/s, 2.8s left");
	s.pairs[0].state_ms = 2000;
	s.pairs[0].state = PAIR_APPLYING;
	assert_string_equal(
		pair_text(text, &s.pairs[0], 14300), "the engine is applying it, 12.3s");
	s.pairs[0].state = PAIR_DONE;
	s.pairs[0].ended_ms = 20000;
	assert_string_equal(pair_text(text, &s.pairs[0], 99000), "done, 20.0s");
	s.layers[2].done = s.layers[2].size = 7;
	s.layers[3].done = s.layers[3].size = 0;
	s.layers[3].begun = true;
	s.pairs[0].state = PAIR_SENDING;
	assert_string_equal(
		pair_text(text, &s.pairs[0], 99000), "1MB read, the last of it is on its way");
}

RUN_TESTS(TEST(a_bar_is_filled_in_proportion), TEST(a_bar_is_not_full_before_all_is_done),
	TEST(letters_outside_ascii_take_one_column_each), TEST(nothing_is_wider_than_the_terminal),
	TEST(without_colour_there_is_no_escape), TEST(a_field_is_as_wide_as_asked),
	TEST(every_layer_that_has_a_say_has_a_line),
	TEST(what_is_under_way_is_kept_when_there_is_little_room), TEST(at_any_size_lines_fit),
	TEST(the_text_says_what_is_going_on))
