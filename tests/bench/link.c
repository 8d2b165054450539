/*
 * A line between two hosts that are network namespaces: a TUN device in each, and between them a
 * rate, a one-way delay, losses drawn from a seed, and a queue that drops what it cannot hold. The
 * bench uses it on every machine, also where the kernel has netem, so that its figures compare.
 *
 * The happy path: a packet read from one device is given the time when its last bit has left the
 * sender (the line is busy with what came before it), waits for that and the delay, and is written
 * to the other device. One thread does both directions and sleeps in between. With --gso a packet
 * may be one that the kernel would cut into many: the line takes as long as for all of those, and
 * 1 Gbit/s costs a sixth of a core instead of most of one. Failure modes: no device can be
 * made, or one goes away: it ends.
 *
 * On SIGTERM it says on stdout what passed.
 */
#include "common/base/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define PACKET_MAX (65536 + 256)
#define WAITING_MAX 8192u /* packets of a direction; a power of two */
#define READS_AT_ONCE 64  /* then it looks whether something is due */
#define ETHERNET_BYTES 38 /* of every frame: preamble, header, checksum, gap */
#define REPEATED_BYTES 52 /* headers of IP and TCP that each piece of a cut packet has */

struct packet {
	int64_t due;
	size_t len;
	uint8_t bytes[];
};

struct direction {
	const char *name;
	int from, to;
	int64_t free_at; /* when the line has sent all that it was given */
	struct packet *waiting[WAITING_MAX];
	size_t first, n;
	uint64_t drawn; /* losses */
	uint64_t passed, bytes, lost, dropped;
};

struct line {
	double ns_per_byte, loss;
	int64_t delay_ns, queue_ns;
	bool gso;
	struct direction directions[2];
};

static volatile sig_atomic_t ended;

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* --- devices --- */

/* Moves this process to that namespace: a device is made where its maker is. */
static int open_device(const char *netns, const char *name, bool gso, struct err *err)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	unsigned offload = gso ? TUN_F_CSUM | TUN_F_TSO4 : 0;
	int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
		err_errno(err, errno, "cannot enter the network namespace %s", netns);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 ||
		ioctl(fd, TUNSETOFFLOAD, (unsigned long)offload) != 0) {
		err_errno(err, errno, "cannot make the device %s in %s", name, netns);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* --- the line --- */

/* splitmix64; in [0, 1) */
static double draw(struct direction *d)
{
	uint64_t x = d->drawn += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

/* What a packet, with the header that the device puts before it, takes up on an Ethernet. */
static size_t bytes_on_line(const uint8_t *bytes, size_t len)
{
	struct virtio_net_hdr header;
	size_t pieces = 1;

	memcpy(&header, bytes, sizeof(header));
	len -= sizeof(header);
	if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE && header.gso_size > 0 &&
		len > header.hdr_len)
		pieces = (len - header.hdr_len + header.gso_size - 1) / header.gso_size;
	return len + pieces * ETHERNET_BYTES + (pieces - 1) * REPEATED_BYTES;
}

static void take(const struct line *line, struct direction *d, const uint8_t *bytes, size_t len)
{
	int64_t now = now_ns();
	size_t on_line = bytes_on_line(bytes, len);
	struct packet *p;

	if (line->loss > 0 && draw(d) < line->loss) {
		d->lost++;
		return;
	}
	if (d->free_at < now)
		d->free_at = now;
	if (d->free_at - now > line->queue_ns || d->n == WAITING_MAX) {
		d->dropped++;
		return;
	}
	p = malloc(sizeof(*p) + len);
	if (!p)
		abort();
	d->free_at += (int64_t)((double)on_line * line->ns_per_byte);
	p->due = d->free_at + line->delay_ns;
	p->len = len;
	memcpy(p->bytes, bytes, len);
	d->waiting[(d->first + d->n++) % WAITING_MAX] = p;
	d->bytes += on_line;
}

/* False: the device is gone. */
static bool read_some(const struct line *line, struct direction *d)
{
	static uint8_t bytes[PACKET_MAX];

	for (int i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = read(d->from, bytes, sizeof(bytes));

		if (n > (ssize_t)sizeof(struct virtio_net_hdr))
			take(line, d, bytes, (size_t)n);
		else if (n < 0)
			return errno == EAGAIN || errno == EINTR;
	}
	return true;
}

static void write_due(struct direction *d, int64_t now)
{
	while (d->n > 0 && d->waiting[d->first]->due <= now) {
		struct packet *p = d->waiting[d->first];

		/* A device that is down takes nothing, as a cable that is not plugged in. */
		if (write(d->to, p->bytes, p->len) == (ssize_t)p->len)
			d->passed++;
		free(p);
		d->first = (d->first + 1) % WAITING_MAX;
		d->n--;
	}
}

/* NULL: nothing waits. */
static const struct timespec *until_due(const struct line *line, struct timespec *ret)
{
	int64_t first = INT64_MAX, now = now_ns();

	for (size_t i = 0; i < 2; i++) {
		const struct direction *d = &line->directions[i];

		if (d->n > 0 && d->waiting[d->first]->due < first)
			first = d->waiting[d->first]->due;
	}
	if (first == INT64_MAX)
		return NULL;
	first = first > now ? first - now : 0;
	*ret = (struct timespec){ .tv_sec = first / NS_PER_S, .tv_nsec = first % NS_PER_S };
	return ret;
}

static int run(struct line *line, const sigset_t *while_waiting, struct err *err)
{
	struct pollfd polled[2];
	struct timespec wait;

	for (size_t i = 0; i < 2; i++)
		polled[i] = (struct pollfd){ .fd = line->directions[i].from, .events = POLLIN };
	while (!ended) {
		ppoll(polled, 2, until_due(line, &wait), while_waiting);
		for (size_t i = 0; i < 2; i++) {
			if (!read_some(line, &line->directions[i]))
				return err_errno(err, errno, "cannot read from a device");
			write_due(&line->directions[i], now_ns());
		}
	}
	return 0;
}

/* --- the program --- */

/* Late packets would make the line slower than it says: this process goes first, and is woken to
 * the microsecond. Where the first is not allowed, it does without. */
static void be_prompt(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	sched_setscheduler(0, SCHED_FIFO, &first);
	prctl(PR_SET_TIMERSLACK, 1ul);
}

/* Signals come only while it waits, so that none is missed. */
static void hold_signals(sigset_t *ret_while_waiting)
{
	const struct sigaction end = { .sa_handler = on_end };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, ret_while_waiting);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
}

static int read_loss(const char *s, double *ret, struct err *err)
{
	char *end;

	*ret = strtod(s, &end) / 100;
	if (end == s || *end != '\0' || !(*ret >= 0 && *ret <= 1))
		return err_set(err, ERR_USAGE, "--loss '%s' is no percentage; use 0 to 100", s);
	return 0;
}

static int connect_hosts(
	struct line *line, const struct option_list *hosts, const char *name, struct err *err)
{
	int fds[2];

	for (size_t i = 0; i < 2; i++) {
		fds[i] = open_device(hosts->items[i], name, line->gso, err);
		if (fds[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < 2; i++) {
		line->directions[i].from = fds[i];
		line->directions[i].to = fds[1 - i];
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct line line = { .directions = { { .name = "up" }, { .name = "down" } } };
	struct option_list hosts = { 0 };
	const char *name = "wan", *loss = "0";
	uint64_t mbit = 0, delay_us = 0, queue_kb = 512, seed = 1;
	const struct option_row rows[] = {
		{ "host", 0, OPTION_LIST, &hosts, "NETNS", "path of a namespace; twice" },
		{ "device", 0, OPTION_TEXT, &name, "NAME", "of the device in both (default: wan)" },
		{ "mbit", 0, OPTION_SIZE, &mbit, "N", "megabits a second, in each direction" },
		{ "delay-us", 0, OPTION_SIZE, &delay_us, "N", "microseconds, in each direction" },
		{ "loss", 0, OPTION_TEXT, &loss, "PERCENT", "of the packets (default: 0)" },
		{ "queue-kb", 0, OPTION_SIZE, &queue_kb, "N",
			"KiB before the line (default: 512)" },
		{ "gso", 0, OPTION_FLAG, &line.gso, NULL, "take packets uncut; not with losses" },
		{ "seed", 0, OPTION_SIZE, &seed, "N", "the same one means the same losses" },
		{ 0 },
	};
	sigset_t while_waiting;
	struct err err;
	bool help = false;
	int n;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		goto failed;
	if (help) {
		printf("Usage: link --host NETNS --host NETNS --mbit N\n"
		       "Joins two network namespaces by a line.\n\n");
		options_print(rows);
		return 0;
	}
	if (n != 0 || hosts.n != 2 || mbit == 0) {
		err_set(&err, ERR_USAGE, "use link --host NETNS --host NETNS --mbit N");
		goto failed;
	}
	if (read_loss(loss, &line.loss, &err) != 0)
		goto failed;
	if (line.loss > 0 && line.gso) {
		err_set(&err, ERR_USAGE, "--loss does not go with --gso: all of a packet is lost");
		goto failed;
	}
	line.ns_per_byte = 8000.0 / (double)mbit;
	line.delay_ns = (int64_t)delay_us * 1000;
	line.queue_ns = (int64_t)((double)queue_kb * 1024 * line.ns_per_byte);
	for (size_t i = 0; i < 2; i++)
		line.directions[i].drawn = seed * 2 + i;
	hold_signals(&while_waiting);
	if (connect_hosts(&line, &hosts, name, &err) != 0)
		goto failed;
	be_prompt();
	printf("ready\n");
	fflush(stdout);
	if (run(&line, &while_waiting, &err) != 0)
		goto failed;
	for (size_t i = 0; i < 2; i++) {
		const struct direction *d = &line.directions[i];

		printf("%s packets=%" PRIu64 " bytes=%" PRIu64 " lost=%" PRIu64 " dropped=%" PRIu64
		       "\n",
			d->name, d->passed, d->bytes, d->lost, d->dropped);
	}
	return 0;
failed:
	fprintf(stderr, "link: %s\n", err.text);
	return err_exit_code(&err);
}
