/* Each test does in a process of its own what the sandbox must refuse, and what it must not. */
#include "server/process/sandbox.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define TRUNCATE_SINCE 3 /* version of Landlock */
#define UPPER_HALF (UINT64_C(1) << 32)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* --- in the process that tries --- */

static int tried_wrong;

/* The call must fail like that; 0: it must not fail. */
static void expect(const char *what, long result, int expected)
{
	int why = result < 0 ? errno : 0;

	if (why == expected)
		return;
	fprintf(stderr, "%s: %s instead of %s\n", what, strerror(why), strerror(expected));
	tried_wrong = 1;
}

#define EXPECT(call, expected) expect(#call, (long)(call), expected)

static void enter(enum sandbox kind)
{
	struct err err = { 0 };

	if (sandbox_enter(kind, NULL, 0, &err) != 0) {
		fprintf(stderr, "sandbox_enter: %s\n", err.text);
		_exit(2);
	}
}

/* The program fails: without the sandbox it would end this process, and must not end it well. */
static void try_other_programs_and_processes(void)
{
	char *const argv[] = { (char[]){ "false" }, NULL };
	char byte;
	struct iovec part = { &byte, 1 };

	EXPECT(execv("/bin/false", argv), EPERM);
	EXPECT(syscall(SYS_execveat, AT_FDCWD, "/bin/false", argv, NULL, 0), EPERM);
	if (!SANITIZED)
		EXPECT(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), EPERM);
	EXPECT(process_vm_readv(getpid(), &part, 1, &part, 1, 0), EPERM);
	EXPECT(process_vm_writev(getpid(), &part, 1, &part, 1, 0), EPERM);
	EXPECT(syscall(SYS_pidfd_getfd, 0, 0, 0), EPERM);
	EXPECT(kill(getpid(), 0), 0);
}

/* As itself, without another view of anything, a process may have children and threads. */
static void try_child(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1, 0);
}

static void try_the_system(void)
{
	EXPECT(mount("none", "/", NULL, MS_REMOUNT, NULL), EPERM);
	EXPECT(chroot("/"), EPERM);
	EXPECT(unshare(CLONE_FILES), EPERM);
	EXPECT(syscall(SYS_setns, 0, 0), EPERM);
	EXPECT(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	EXPECT(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL), EPERM);
	EXPECT(syscall(SYS_clone3, NULL, 0), ENOSYS);
	try_child();
	EXPECT(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	EXPECT(syscall(SYS_bpf, 0, NULL, 0), EPERM);
	EXPECT(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), EPERM);
}

/* --- in the test --- */

static void assert_as_expected(void (*try)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		try();
		_exit(tried_wrong);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void try_as_net(void)
{
	int pair[2];

	enter(SANDBOX_NET);
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0), EACCES);
	EXPECT(syscall(SYS_socket, AF_UNIX | UPPER_HALF, SOCK_STREAM, 0), EACCES);
	EXPECT(syscall(SYS_socket, AF_INET | UPPER_HALF, SOCK_STREAM, 0), EACCES);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), EACCES);
	EXPECT(socket(AF_UNSPEC, SOCK_STREAM, 0), EACCES);
	EXPECT(socket(AF_NETLINK, SOCK_RAW, 0), EACCES);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0), EACCES);
	EXPECT(socket(AF_VSOCK, SOCK_STREAM, 0), EACCES);
	EXPECT(socket(AF_INET, SOCK_STREAM, 0), 0);
	EXPECT(socket(AF_INET6, SOCK_STREAM, 0), 0);
	EXPECT(socket(AF_INET, SOCK_RAW, 1), EPERM); /* the capability is gone */
	EXPECT(pipe(pair), 0);
	try_other_programs_and_processes();
	try_the_system();
}

static void the_network_process_has_no_way_to_a_unix_socket(void **state)
{
	(void)state;
	assert_as_expected(try_as_net);
}

static int interfaces(void)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "r");
	char line[300];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strchr(line, ':') != NULL && strncmp(line, "    lo:", 7) != 0;
	if (f)
		fclose(f);
	return n;
}

static void try_as_engine(void)
{
	bool root = geteuid() == 0;
	int pair[2];

	enter(SANDBOX_ENGINE);
	EXPECT(socket(AF_INET, SOCK_STREAM, 0), EACCES);
	EXPECT(socket(AF_INET6, SOCK_STREAM, 0), EACCES);
	EXPECT(syscall(SYS_socket, AF_INET | UPPER_HALF, SOCK_STREAM, 0), EACCES);
	EXPECT(socket(AF_NETLINK, SOCK_RAW, 0), EACCES);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0), EACCES);
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0), 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	try_other_programs_and_processes();
	try_the_system();
	if (root && interfaces() != 0)
		expect("interfaces other than lo", 0, EEXIST);
}

static void the_engine_process_has_no_way_to_the_network(void **state)
{
	(void)state;
	assert_as_expected(try_as_engine);
}

static void try_as_engine_tcp(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int caller, pair[2];

	enter(SANDBOX_ENGINE_TCP);
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0), EACCES);
	EXPECT(socket(AF_NETLINK, SOCK_RAW, 0), EACCES);
	EXPECT(socket(AF_PACKET, SOCK_RAW, 0), EACCES);
	EXPECT(socket(AF_INET6, SOCK_STREAM, 0), 0);
	EXPECT(caller = socket(AF_INET, SOCK_STREAM, 0), 0);
	EXPECT(bind(caller, (struct sockaddr *)&any, sizeof(any)), EACCES);
	EXPECT(listen(caller, 1), EACCES);
	EXPECT(accept(caller, NULL, NULL), EACCES);
	EXPECT(accept4(caller, NULL, NULL, 0), EACCES);
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	any.sin_port = htons(1);
	EXPECT(connect(caller, (struct sockaddr *)&any, sizeof(any)), ECONNREFUSED);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	try_other_programs_and_processes();
	try_the_system();
}

static void the_engine_process_may_call_an_engine_on_tcp_and_no_local_one(void **state)
{
	(void)state;
	assert_as_expected(try_as_engine_tcp);
}

/* --- files --- */

static char own_dir[] = "/tmp/dray-own-XXXXXX", other_dir[] = "/tmp/dray-other-XXXXXX";

static int open_at(const char *dir, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static void try_files(void)
{
	const char *const own[] = { own_dir, "/tmp/dray-not-there" };
	struct err err = { 0 };

	if (sandbox_enter(SANDBOX_NET, own, ARRAY_LEN(own), &err) != 0) {
		fprintf(stderr, "sandbox_enter: %s\n", err.text);
		_exit(2);
	}
	EXPECT(open_at(own_dir, "new", O_WRONLY | O_CREAT | O_EXCL), 0);
	EXPECT(open_at(own_dir, "new", O_RDWR | O_TRUNC), 0);
	EXPECT(chdir(own_dir), 0);
	EXPECT(mkdir("dir", 0700), 0);
	EXPECT(rename("new", "newer"), 0);
	EXPECT(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
	EXPECT(unlink("newer"), 0);
	EXPECT(rmdir("dir"), 0);
	EXPECT(open("/proc/self/status", O_RDONLY | O_CLOEXEC), 0);
	EXPECT(open_at(other_dir, "new", O_WRONLY | O_CREAT), EACCES);
	EXPECT(open_at(other_dir, "old", O_RDONLY), EACCES);
	EXPECT(open_at(other_dir, "old", O_WRONLY), EACCES);
	EXPECT(open_at(other_dir, "", O_RDONLY | O_DIRECTORY), EACCES);
	EXPECT(chdir(other_dir), 0);
	EXPECT(unlink("old"), EACCES);
	EXPECT(truncate("old", 0), EACCES);
	EXPECT(mkdir("dir", 0700), EACCES);
	EXPECT(symlink("/", "link"), EACCES);
	EXPECT(open("/etc/shadow", O_RDONLY | O_CLOEXEC), EACCES);
	EXPECT(open("/proc/1/status", O_RDONLY | O_CLOEXEC), EACCES);
}

static void the_network_process_has_no_way_to_files_that_are_not_its_own(void **state)
{
	long version = syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int old;

	(void)state;
	if (version < TRUNCATE_SINCE) {
		print_message("this kernel's Landlock is of version %ld\n", version);
		skip();
	}
	assert_non_null(mkdtemp(own_dir));
	assert_non_null(mkdtemp(other_dir));
	old = open_at(other_dir, "old", O_WRONLY | O_CREAT);
	assert_true(old >= 0);
	close(old);
	assert_as_expected(try_files);
	assert_int_equal(rmdir(own_dir), 0);
	old = open(other_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(unlinkat(old, "old", 0), 0);
	close(old);
	assert_int_equal(rmdir(other_dir), 0);
}

static void try_as_nobody(void)
{
	if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		_exit(3);
	try_as_engine();
}

static void it_needs_no_root(void **state)
{
	(void)state;
	assert_as_expected(try_as_nobody);
}

/* --- threads, and what is open already --- */

static pthread_barrier_t barrier;

static void *wait_at_barrier(void *ctx)
{
	pthread_barrier_wait(&barrier);
	return ctx;
}

static void *try_from_a_thread(void *ctx)
{
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0), EACCES);
	EXPECT(execl("/bin/false", "false", NULL), EPERM);
	EXPECT(socket(AF_INET, SOCK_RAW, 1), EPERM);
	return ctx;
}

static void try_beside_a_thread(void)
{
	struct err err = { 0 };
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&thread, NULL, wait_at_barrier, NULL) != 0)
		_exit(3);
	if (sandbox_enter(SANDBOX_NET, NULL, 0, &err) == 0 || err.code != ERR_FAILED) {
		fprintf(stderr, "entered beside a thread\n");
		tried_wrong = 1;
	}
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void it_is_refused_beside_other_threads(void **state)
{
	(void)state;
	assert_as_expected(try_beside_a_thread);
}

static void try_with_a_thread(void)
{
	pthread_t thread;

	enter(SANDBOX_NET);
	if (pthread_create(&thread, NULL, try_from_a_thread, NULL) != 0)
		_exit(3);
	pthread_join(thread, NULL);
}

static void it_holds_in_threads_that_are_started_in_it(void **state)
{
	(void)state;
	assert_as_expected(try_with_a_thread);
}

/* As the admin socket: made before, it goes on. */
static void try_an_open_socket(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "@dray-test-sandbox-" };
	size_t n = strlen(at.sun_path);
	int door, caller;

	snprintf(at.sun_path + n, sizeof(at.sun_path) - n, "%d", (int)getpid());
	at.sun_path[0] = '\0';
	door = socket(AF_UNIX, SOCK_STREAM, 0);
	caller = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT(bind(door, (struct sockaddr *)&at, sizeof(at)), 0);
	EXPECT(listen(door, 1), 0);
	EXPECT(connect(caller, (struct sockaddr *)&at, sizeof(at)), 0);
	enter(SANDBOX_NET);
	EXPECT(accept(door, NULL, NULL), 0);
	EXPECT(connect(door, (struct sockaddr *)&at, sizeof(at)), EINVAL);
	EXPECT(connect(caller, (struct sockaddr *)&at, sizeof(at)), EISCONN);
}

static void a_socket_that_was_open_accepts_but_does_not_connect(void **state)
{
	(void)state;
	assert_as_expected(try_an_open_socket);
}

/* Both processes belong to the same user, and neither can be dumped. */
static void try_the_parent_s_memory(void)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)getppid());
	if (geteuid() == 0)
		EXPECT(open(path, O_RDWR | O_CLOEXEC), 0);
	enter(SANDBOX_ENGINE); /* the other one may open no such file anyway */
	EXPECT(open(path, O_RDWR | O_CLOEXEC), EACCES);
}

static void the_memory_of_the_other_process_is_closed(void **state)
{
	(void)state;
	prctl(PR_SET_DUMPABLE, 0);
	assert_as_expected(try_the_parent_s_memory);
	prctl(PR_SET_DUMPABLE, 1);
}

RUN_TESTS(TEST(the_network_process_has_no_way_to_a_unix_socket),
	TEST(the_network_process_has_no_way_to_files_that_are_not_its_own),
	TEST(the_engine_process_has_no_way_to_the_network),
	TEST(the_engine_process_may_call_an_engine_on_tcp_and_no_local_one), TEST(it_needs_no_root),
	TEST(it_is_refused_beside_other_threads), TEST(it_holds_in_threads_that_are_started_in_it),
	TEST(a_socket_that_was_open_accepts_but_does_not_connect),
	TEST(the_memory_of_the_other_process_is_closed))
