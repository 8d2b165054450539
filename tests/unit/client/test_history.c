#include "client/plan/history.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* Builds the history of an image and tells it as "size:layer" for each row, the lowest first: "-"
 * for no layer, "?" for what is not known. */
static const char *told(
	const struct engine_step *steps, size_t n, const char *config, size_t layers)
{
	static char text[300];
	struct history h;
	struct err err;
	size_t at = 0;

	text[0] = '\0';
	assert_ok(history_build(steps, n, config, config ? strlen(config) : 0, layers, &h, &err),
		&err);
	for (size_t i = 0; i < h.n; i++) {
		const struct history_row *row = &h.rows[i];
		char size[24] = "?", layer[24] = "?";

		if (row->size_known)
			snprintf(size, sizeof(size), "%llu", (unsigned long long)row->size);
		if (row->layer >= 0)
			snprintf(layer, sizeof(layer), "%d", row->layer);
		else if (row->layer == HISTORY_NO_LAYER)
			snprintf(layer, sizeof(layer), "-");
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s%s:%s", i ? " " : "", size, layer);
	}
	for (size_t i = 0; i < layers; i++)
		assert_non_null(history_of_layer(&h, i));
	history_done(&h);
	return text;
}

#define STEP(bytes, words)                                                                         \
	{                                                                                          \
		.size = (bytes), .command = (char[])                                               \
		{                                                                                  \
			words                                                                      \
		}                                                                                  \
	}

static void the_config_tells_which_steps_made_layers(void **state)
{
	struct engine_step steps[] = { STEP(5, "ADD"), STEP(0, "RUN"), STEP(0, "CMD"),
		STEP(7, "COPY") };
	const char *config = "{\"history\":[{\"created_by\":\"ADD\"},{\"created_by\":\"RUN\"},"
			     "{\"created_by\":\"CMD\",\"empty_layer\":true},{}]}";

	(void)state;
	assert_string_equal(told(steps, 4, config, 3), "5:0 0:1 0:- 7:2");
	/* The same sizes, but it was the second step that made none. */
	config = "{\"history\":[{},{\"empty_layer\":true},{},{}]}";
	assert_string_equal(told(steps, 4, config, 3), "5:0 0:- 0:1 7:2");
}

static void without_a_config_sizes_and_counts_tell_most(void **state)
{
	struct engine_step steps[] = { STEP(5, "a"), STEP(0, "b"), STEP(7, "c"), STEP(0, "d") };

	(void)state;
	assert_string_equal(told(steps, 4, NULL, 2), "5:0 0:- 7:1 0:-");
	assert_string_equal(told(steps, 4, NULL, 4), "5:0 0:1 7:2 0:3");
}

static void builders_words_tell_more(void **state)
{
	struct engine_step steps[] = { STEP(5, "a"), STEP(0, "/bin/sh -c #(nop)  ENV A=b"),
		STEP(0, "RUN true"), STEP(0, "CMD [\"x\"]"), STEP(7, "c") };

	(void)state;
	assert_string_equal(told(steps, 5, NULL, 3), "5:0 0:- 0:1 0:- 7:2");
}

static void what_is_not_certain_is_unknown(void **state)
{
	struct engine_step steps[] = { STEP(5, "a"), STEP(0, "RUN x"), STEP(6, "m"),
		STEP(0, "RUN y"), STEP(7, "c") };

	(void)state;
	/* One of the two empty ones made a layer; what is below and above both is certain. */
	assert_string_equal(told(steps, 5, NULL, 4), "5:0 0:? 6:? 0:? ?:1 ?:2 7:3");
}

static void layers_that_no_step_tells_of_are_the_highest(void **state)
{
	struct engine_step steps[] = { STEP(5, "a") };

	(void)state;
	assert_string_equal(told(steps, 1, "{\"history\":[{}]}", 3), "5:0 ?:1 ?:2");
	assert_string_equal(told(steps, 1, NULL, 1), "5:0");
	assert_string_equal(told(NULL, 0, NULL, 2), "?:0 ?:1");
	assert_string_equal(told(NULL, 0, "{}", 2), "?:0 ?:1");
	assert_string_equal(told(NULL, 0, NULL, 0), "");
}

static void a_history_of_more_layers_than_there_are_maps_none(void **state)
{
	struct engine_step steps[] = { STEP(5, "a"), STEP(6, "b"), STEP(0, "c") };

	(void)state;
	assert_string_equal(told(steps, 3, "{\"history\":[{},{},{\"empty_layer\":true}]}", 1),
		"5:? 6:? ?:0 0:-");
	assert_string_equal(told(steps, 3, NULL, 1), "5:? 6:? 0:? ?:0");
}

static void an_engine_that_tells_nothing_leaves_the_sizes_unknown(void **state)
{
	const char *config = "{\"history\":[{\"created_by\":\"a\"},{\"empty_layer\":true}]}";

	(void)state;
	assert_string_equal(told(NULL, 0, config, 1), "?:0 ?:-");
}

static void a_config_that_is_not_understood_counts_as_none(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{\"history\":7}", "{\"history\":[7]}",
		"{\"history\":[]}" };
	struct engine_step steps[] = { STEP(5, "a"), STEP(0, "b") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_string_equal(told(steps, 2, bad[i], 1), "5:0 0:-");
}

static void times_and_commands_come_from_the_config(void **state)
{
	struct engine_step steps[] = { STEP(5, "said by the engine") };
	const char *config = "{\"history\":[{\"created\":\"2024-01-01T00:00:00Z\","
			     "\"comment\":\"imported\"}]}";
	struct history h;
	struct err err;

	(void)state;
	assert_ok(history_build(steps, 1, config, strlen(config), 1, &h, &err), &err);
	assert_string_equal(h.rows[0].command, "imported");
	assert_int_equal(h.rows[0].created, 1704067200);
	history_done(&h);
}

RUN_TESTS(TEST(the_config_tells_which_steps_made_layers),
	TEST(without_a_config_sizes_and_counts_tell_most), TEST(builders_words_tell_more),
	TEST(what_is_not_certain_is_unknown), TEST(layers_that_no_step_tells_of_are_the_highest),
	TEST(a_history_of_more_layers_than_there_are_maps_none),
	TEST(an_engine_that_tells_nothing_leaves_the_sizes_unknown),
	TEST(a_config_that_is_not_understood_counts_as_none),
	TEST(times_and_commands_come_from_the_config))
