/*
 * The sandbox. Happy path: a namespace without a network, fewer capabilities, no new privileges,
 * fewer files, and a filter of system calls. Failure modes: a kernel without seccomp, which is
 * refused rather than gone without; one without Landlock, which is told; no permission for the
 * namespace, which the filter makes up for.
 *
 * The filter forbids by name: what is not named is allowed, because the libraries below (libuv,
 * SQLite, curl, the C library's threads) may each use what they like to do their work.
 */
#include "server/process/sandbox.h"

#include "common/base/log.h"
#include "server/process/landlock.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAMILIES_MAX 2

/* The leak checker of the address sanitizer looks at its own threads with ptrace when the program
 * ends. It needs nothing else. */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_LEAK_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LEAK_CHECKER 1
#endif
#endif

/* In both processes. A name that this machine or library does not know is passed over: what cannot
 * be called need not be forbidden. */
static const char *const forbidden[] = {
	/* other programs */
	"execve", "execveat", "uselib",
/* other processes */
#ifndef WITH_LEAK_CHECKER
	"ptrace",
#endif
	"process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
	/* calls that pass this filter by, or change what it stands on */
	"io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "userfaultfd",
	"perf_event_open", "modify_ldt", "personality",
	/* another view of the system */
	"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
	"fsmount", "fspick", "mount_setattr", "unshare", "setns", "open_by_handle_at",
	/* the system itself */
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"swapon", "swapoff", "acct", "quotactl", "syslog", "settimeofday", "clock_settime",
	"clock_adjtime", "adjtimex", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup",
	"add_key", "request_key", "keyctl"
};

/* A process of its own in another view of the system: clone with one of these flags. */
static const unsigned long forbidden_clones[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS,
	CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET };

/* What is kept of root's power: files of the state that belong to another user. */
static const unsigned kept_capabilities[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
	CAP_FOWNER };

/* What a volume's tree needs besides: device nodes, files' capabilities, set-group-ID bits. */
static const unsigned engine_capabilities[] = { CAP_MKNOD, CAP_SETFCAP, CAP_FSETID };

struct rules {
	int families[FAMILIES_MAX]; /* that sockets may be of, ascending */
	size_t n;
	bool pairs;	 /* socketpair */
	bool calls_only; /* no socket may wait for others to connect to it */
};

static const struct rules rules_of[] = {
	[SANDBOX_NET] = { { AF_INET, AF_INET6 }, 2, false, false },
	/* curl wakes itself up by a pair */
	[SANDBOX_ENGINE] = { { AF_UNIX }, 1, true, false },
	[SANDBOX_ENGINE_TCP] = { { AF_INET, AF_INET6 }, 2, true, true },
};

static int failed(int r, const char *what, struct err *err)
{
	return err_errno(err, -r, "cannot forbid %s", what);
}

static int forbid_calls(scmp_filter_ctx filter, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		int call = seccomp_syscall_resolve_name(forbidden[i]);
		int r;

		if (call < 0)
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
		if (r != 0)
			return failed(r, forbidden[i], err);
	}
	return 0;
}

/* clone3 has its flags where the filter cannot look; without it the C library takes clone. */
static int forbid_clones(scmp_filter_ctx filter, struct err *err)
{
	int clone3 = seccomp_syscall_resolve_name("clone3"), r = 0;

	if (clone3 >= 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
	for (size_t i = 0; i < ARRAY_LEN(forbidden_clones) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, forbidden_clones[i], forbidden_clones[i]));
	return r == 0 ? 0 : failed(r, "clone", err);
}

/* The kernel looks at the lower half of the argument only, the filter at all of it. So each family
 * below the last allowed one is forbidden as itself, and all above it by "greater or equal", which
 * takes in every number with something in its upper half. */
static int allow_families(
	scmp_filter_ctx filter, int call, const struct rules *rules, struct err *err)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EACCES);
	uint64_t next = 0;
	int r = 0;

	for (size_t i = 0; i < rules->n && r == 0; i++) {
		uint64_t allowed = (uint64_t)rules->families[i];

		for (; next < allowed && r == 0; next++)
			r = seccomp_rule_add(filter, refuse, call, 1, SCMP_A0(SCMP_CMP_EQ, next));
		next = allowed + 1;
	}
	if (r == 0)
		r = seccomp_rule_add(filter, refuse, call, 1, SCMP_A0(SCMP_CMP_GE, next));
	return r == 0 ? 0 : failed(r, "sockets", err);
}

static int forbid_waiting(scmp_filter_ctx filter, struct err *err)
{
	static const int calls[] = { SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
		SCMP_SYS(accept4) };

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), calls[i], 0);

		if (r != 0)
			return failed(r, "waiting for connections", err);
	}
	return 0;
}

static int load_filter(scmp_filter_ctx filter, const struct rules *rules, struct err *err)
{
	int r;

	if (forbid_calls(filter, err) != 0 || forbid_clones(filter, err) != 0 ||
		allow_families(filter, SCMP_SYS(socket), rules, err) != 0)
		return -1;
	if (!rules->pairs) {
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socketpair), 0);
		if (r != 0)
			return failed(r, "socket pairs", err);
	}
	if (rules->calls_only && forbid_waiting(filter, err) != 0)
		return -1;
	r = seccomp_load(filter); /* with PR_SET_NO_NEW_PRIVS */
	return r == 0 ? 0 : failed(r, "system calls (a kernel with seccomp is needed)", err);
}

/* Without CAP_SYS_PTRACE the memory of the other process is closed even to a root that reads /proc,
 * because no process of dray's can be dumped. Somebody else than root has nothing to drop. */
static int drop_capabilities(enum sandbox kind, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	uint64_t kept = 0;

	for (size_t i = 0; i < ARRAY_LEN(kept_capabilities); i++)
		kept |= UINT64_C(1) << kept_capabilities[i];
	for (size_t i = 0; kind == SANDBOX_ENGINE && i < ARRAY_LEN(engine_capabilities); i++)
		kept |= UINT64_C(1) << engine_capabilities[i];
	if (syscall(SYS_capget, &header, data) != 0)
		return err_errno(err, errno, "cannot read the capabilities");
	for (size_t i = 0; i < ARRAY_LEN(data); i++) {
		uint32_t part = (uint32_t)(kept >> (32 * i));

		data[i].permitted &= part;
		data[i].effective &= part;
		data[i].inheritable = 0;
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, data) != 0)
		return err_errno(err, errno, "cannot drop capabilities");
	return 0;
}

/* Capabilities and namespaces are a thread's own: others would keep theirs. A directory has a link
 * for itself, its name and each directory in it. */
static int check_threads(struct err *err)
{
	struct stat threads;

	if (stat("/proc/self/task", &threads) != 0)
		return err_errno(err, errno, "cannot count this process's threads");
	if (threads.st_nlink != 3)
		return err_set(err, ERR_FAILED, "threads run before the sandbox is entered");
	return 0;
}

/* The network process only: what the engine process reaches is the engine, which is all there is.
 */
static int give_up_files(const char *const *own, size_t n, struct err *err)
{
	bool held;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(err, errno, "cannot give up new privileges");
	if (landlock_enter(own, n, &held, err) != 0)
		return -1;
	if (!held)
		log_info("this kernel has no Landlock: the network process is kept from files by "
			 "its user's rights only");
	return 0;
}

int sandbox_enter(enum sandbox kind, const char *const *own, size_t n, struct err *err)
{
	scmp_filter_ctx filter;
	int r;

	if (check_threads(err) != 0)
		return -1;
	if (kind == SANDBOX_ENGINE)
		(void)unshare(CLONE_NEWNET); /* for root; the filter does it for all */
	if (drop_capabilities(kind, err) != 0 ||
		(kind == SANDBOX_NET && give_up_files(own, n, err) != 0))
		return -1;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return err_nomem(err);
	r = load_filter(filter, &rules_of[kind], err);
	seccomp_release(filter);
	return r;
}
