#include "server/image/image_room.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#define MB UINT64_C(1000000)
#define ROOT "/var/lib/docker"

/* Three layers of 100, 200 and 400 MB. */
struct fixture {
	struct digest diff_ids[3];
	uint64_t sizes[3];
	uint8_t present[3];
	struct port_have_reply have;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (uint8_t i = 0; i < 3; i++) {
		f->diff_ids[i] = digest_of(&i, 1);
		f->sizes[i] = (100 * MB) << i;
	}
	f->have.layers = (wire_bytes){ .p = f->present, .n = 3 };
	f->have.root = wire_text_of(ROOT, strlen(ROOT));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static int check(struct fixture *f, uint64_t room)
{
	f->have.room = room;
	return image_room_check(f->diff_ids, f->sizes, 3, &f->have, &f->err);
}

static void what_is_lacking_must_fit(void **state)
{
	struct fixture *f = *state;

	assert_ok(check(f, 700 * MB), &f->err);
	assert_fails(check(f, 700 * MB - 1), &f->err, ERR_FULL);
	assert_fails(check(f, 512 * MB), &f->err, ERR_FULL);
	assert_string_equal(f->err.text,
		"the target's engine needs at least 700MB in " ROOT " for the 3 layers it lacks, "
		"but only 512MB are free");
	assert_fails(check(f, 0), &f->err, ERR_FULL);
}

static void layers_that_are_there_need_nothing(void **state)
{
	struct fixture *f = *state;

	f->present[0] = f->present[1] = 1;
	assert_ok(check(f, 400 * MB), &f->err);
	assert_fails(check(f, 400 * MB - 1), &f->err, ERR_FULL);
	assert_non_null(strstr(f->err.text, "for the 1 layer it lacks, "));
	f->present[2] = 1;
	assert_ok(check(f, 0), &f->err);
}

static void an_image_that_is_there_needs_nothing(void **state)
{
	struct fixture *f = *state;

	f->have.image_present = 1;
	assert_ok(check(f, 0), &f->err);
}

static void a_layer_that_occurs_twice_counts_once(void **state)
{
	struct fixture *f = *state;

	f->diff_ids[2] = f->diff_ids[1];
	f->sizes[2] = f->sizes[1];
	assert_ok(check(f, (100 + 200) * MB), &f->err);
	assert_fails(check(f, 299 * MB), &f->err, ERR_FULL);
}

static void what_is_not_known_refuses_nothing(void **state)
{
	struct fixture *f = *state;

	assert_ok(check(f, UINT64_MAX), &f->err);
	f->sizes[0] = f->sizes[2] = 0;
	assert_ok(check(f, 200 * MB), &f->err);
	f->sizes[1] = 0;
	assert_ok(check(f, 0), &f->err);
}

static void sizes_that_no_disk_has_do_not_wrap_around(void **state)
{
	struct fixture *f = *state;

	f->sizes[0] = f->sizes[1] = f->sizes[2] = UINT64_MAX;
	assert_fails(check(f, UINT64_MAX - 1), &f->err, ERR_FULL);
	f->sizes[0] = f->sizes[1] = UINT64_C(1) << 63;
	f->sizes[2] = 0;
	assert_fails(check(f, 1000 * MB), &f->err, ERR_FULL);
}

static void an_engines_path_is_escaped(void **state)
{
	struct fixture *f = *state;

	f->have.root = wire_text_of("/a\x1b[31m", 7);
	assert_fails(check(f, 0), &f->err, ERR_FULL);
	assert_non_null(strstr(f->err.text, " in /a\\x1b[31m for"));
}

static void sizes_come_out_of_the_offer(void **state)
{
	static const uint8_t raw[16] = { 1, 2, [8] = 3 };
	struct fixture *f = *state;
	struct msg_image_offer offer = { .diff_ids = { .at = f->diff_ids, .n = 2 } };
	uint64_t *sizes = image_room_sizes(&offer);

	assert_int_equal(sizes[0], 0);
	free(sizes);
	offer.sizes = (wire_numbers){ .raw = raw, .n = 2 };
	sizes = image_room_sizes(&offer);
	assert_int_equal(sizes[0], 0x201);
	assert_int_equal(sizes[1], 3);
	free(sizes);
}

#define T(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(T(what_is_lacking_must_fit), T(layers_that_are_there_need_nothing),
	T(an_image_that_is_there_needs_nothing), T(a_layer_that_occurs_twice_counts_once),
	T(what_is_not_known_refuses_nothing), T(sizes_that_no_disk_has_do_not_wrap_around),
	T(an_engines_path_is_escaped), T(sizes_come_out_of_the_offer))
