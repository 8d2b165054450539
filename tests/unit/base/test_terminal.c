#include "common/base/terminal.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void the_first_locale_that_is_set_tells_the_codeset(void **state)
{
	(void)state;
	assert_true(terminal_is_utf8(NULL, NULL, "en_US.UTF-8"));
	assert_true(terminal_is_utf8(NULL, "C.utf8", NULL));
	assert_true(terminal_is_utf8("de_DE.UTF-8@euro", "C", "C"));
	assert_false(terminal_is_utf8("C", "C.UTF-8", "C.UTF-8"));
	assert_true(terminal_is_utf8("", "", "C.UTF-8"));
	assert_false(terminal_is_utf8(NULL, NULL, NULL));
	assert_false(terminal_is_utf8(NULL, NULL, "de_DE.ISO-8859-1"));
	assert_false(terminal_is_utf8(NULL, NULL, "UTF-8"));
	assert_false(terminal_is_utf8(NULL, NULL, "de_DE.UTF-80"));
	assert_false(terminal_is_utf8(NULL, NULL, "de_DE."));
}

static int plain_environment(void **state)
{
	static const char *const names[] = { "COLUMNS", "LINES", "NO_COLOR", "LC_ALL", "LC_CTYPE" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
	setenv("LANG", "C.UTF-8", 1);
	return setenv("TERM", "xterm", 1);
}

static void what_is_no_terminal_has_no_colour_and_a_usual_size(void **state)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct terminal t = terminal_look(fd);

	(void)state;
	close(fd);
	assert_false(t.is_terminal || t.colour);
	assert_true(t.utf8);
	assert_int_equal(t.columns, 80);
	assert_int_equal(t.rows, 24);
}

/* A terminal of this size, as programs see it. */
static struct terminal look_at(unsigned short columns, unsigned short rows)
{
	struct winsize size = { .ws_col = columns, .ws_row = rows };
	struct terminal t;
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	t = terminal_look(slave);
	close(master);
	close(slave);
	return t;
}

static void a_terminal_tells_its_size_unless_the_environment_does(void **state)
{
	struct terminal t = look_at(200, 50);

	(void)state;
	assert_true(t.is_terminal && t.colour && t.utf8);
	assert_int_equal(t.columns, 200);
	assert_int_equal(t.rows, 50);
	assert_int_equal(look_at(0, 0).columns, 80);
	assert_int_equal(look_at(60000, 1).columns, 80);
	setenv("COLUMNS", "120", 1);
	assert_int_equal(look_at(200, 50).columns, 120);
	setenv("COLUMNS", "12x", 1);
	assert_int_equal(look_at(200, 50).columns, 200);
	setenv("COLUMNS", "-3", 1);
	assert_int_equal(look_at(200, 50).columns, 200);
}

static void colour_can_be_refused(void **state)
{
	(void)state;
	setenv("NO_COLOR", "1", 1);
	assert_false(look_at(80, 24).colour);
	setenv("NO_COLOR", "", 1); /* as if it were not there, by its definition */
	assert_true(look_at(80, 24).colour);
	setenv("TERM", "dumb", 1);
	assert_false(look_at(80, 24).colour);
	unsetenv("TERM");
	assert_false(look_at(80, 24).colour);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_locale_that_is_set_tells_the_codeset),
		cmocka_unit_test_setup(
			what_is_no_terminal_has_no_colour_and_a_usual_size, plain_environment),
		cmocka_unit_test_setup(
			a_terminal_tells_its_size_unless_the_environment_does, plain_environment),
		cmocka_unit_test_setup(colour_can_be_refused, plain_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
