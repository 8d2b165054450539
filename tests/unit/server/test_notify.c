#include "server/process/notify.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEARD_MAX 200

/* A manager's socket; '@' in front means the abstract space, as in NOTIFY_SOCKET. */
static int manager_at(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, name, n);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&at,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

/* One datagram as text; empty when there is none. */
static const char *heard(int fd, char text[HEARD_MAX])
{
	ssize_t n = recv(fd, text, HEARD_MAX - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int forget(void **state)
{
	(void)state;
	notify_forget();
	return 0;
}

static void without_a_manager_nothing_happens(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_ok(notify_send("READY=1", &err), &err);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_ok(notify_send("READY=1", &err), &err);
	assert_int_equal(notify_watchdog_ms(), 0);
}

static void a_manager_at_a_path_hears_it(void **state)
{
	char dir[] = "/tmp/dray-notify-XXXXXX", path[sizeof(dir) + 8], text[HEARD_MAX];
	struct err err = { 0 };
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	fd = manager_at(path);
	assert_ok(notify_send("READY=1\nSTATUS=well", &err), &err);
	assert_string_equal(heard(fd, text), "READY=1\nSTATUS=well");
	assert_string_equal(heard(fd, text), "");
	close(fd);
	assert_fails(notify_send("READY=1", &err), &err, ERR_IO); /* nobody is left */
	unlink(path);
	rmdir(dir);
}

static void a_manager_in_the_abstract_space_hears_it(void **state)
{
	char name[40], text[HEARD_MAX];
	struct err err = { 0 };
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@dray-test-notify-%d", (int)getpid());
	fd = manager_at(name);
	assert_ok(notify_send("WATCHDOG=1", &err), &err);
	assert_string_equal(heard(fd, text), "WATCHDOG=1");
	close(fd);
}

static void a_reload_carries_the_time_of_now(void **state)
{
	unsigned long long said = 0;
	char name[40], text[HEARD_MAX];
	struct err err = { 0 };
	struct timespec now;
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@dray-test-reload-%d", (int)getpid());
	fd = manager_at(name);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_ok(notify_reloading(&err), &err);
	assert_int_equal(sscanf(heard(fd, text), "RELOADING=1\nMONOTONIC_USEC=%llu", &said), 1);
	assert_true(said / 1000000 - (unsigned long long)now.tv_sec <= 10);
	close(fd);
}

static void what_is_no_socket_address_is_an_error(void **state)
{
	char longer[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	const char *const wrong[] = { "relative", "@", "/", longer, "vsock:2:1" };
	struct err err = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		setenv("NOTIFY_SOCKET", wrong[i], 1);
		assert_fails(notify_send("READY=1", &err), &err, ERR_USAGE);
	}
}

static void the_watchdog_is_this_process_s_and_a_number(void **state)
{
	char pid[24];

	(void)state;
	setenv("WATCHDOG_USEC", "5000000", 1);
	assert_int_equal(notify_watchdog_ms(), 5000);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_ms(), 5000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "-5000000", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "5s", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	notify_forget();
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("NOTIFY_SOCKET"));
}

RUN_TESTS(TEST_WITH(without_a_manager_nothing_happens, forget, forget),
	TEST_WITH(a_manager_at_a_path_hears_it, forget, forget),
	TEST_WITH(a_manager_in_the_abstract_space_hears_it, forget, forget),
	TEST_WITH(a_reload_carries_the_time_of_now, forget, forget),
	TEST_WITH(what_is_no_socket_address_is_an_error, forget, forget),
	TEST_WITH(the_watchdog_is_this_process_s_and_a_number, forget, forget))
