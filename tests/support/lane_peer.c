/*
 * lane_peer TARGET: an agent whose lanes lie, against a live receiver. DRAY_CONFIG_DIR holds its
 * key. A line for each thing tried; exit code 1 when the receiver took what it should not.
 *
 * The happy path: a session, a right lane beside it, then wrong ones, each answered with FAIL, and
 * in the end a message that has no place on a lane, which ends the session.
 */
#include "client/client.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 5

struct peer {
	struct session *session;
	int fd;
};

static const struct target *target;
static const struct key_pair *key;
static int wrong;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "lane_peer: %s\n", what);
	exit(1);
}

static int dial(void)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char port[8];
	int fd;

	snprintf(port, sizeof(port), "%u", target->address.port);
	if (getaddrinfo(target->address.host, port, &hints, &found) != 0)
		give_up("no such host");
	fd = socket(found->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
		give_up("cannot connect");
	freeaddrinfo(found);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void flush(struct peer *p)
{
	const uint8_t *bytes;
	size_t n;

	while ((n = session_peek(p->session, &bytes)) > 0) {
		ssize_t done = send(p->fd, bytes, n, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		session_sent(p->session, (size_t)done);
	}
}

/* The next message; false at the connection's end. */
static bool next(struct peer *p, struct message *ret)
{
	uint8_t bytes[65536];
	struct err err;
	size_t taken;
	bool some;
	ssize_t n;

	for (;;) {
		flush(p);
		if (session_next(p->session, ret, &some, &err) != 0)
			return false;
		if (some)
			return true;
		n = recv(p->fd, bytes, sizeof(bytes), 0);
		if (n <= 0 || session_feed(p->session, bytes, (size_t)n, &taken, &err) != 0)
			return false;
	}
}

static struct peer open_peer(const struct lane_key *lane)
{
	struct session_config config = { .initiator = true, .own = key, .now_ms = now_ms() };
	struct peer p = { .fd = dial() };

	memcpy(config.peer_public_key, target->server_key, KEY_LEN);
	memcpy(config.psk, target->psk, KEY_LEN);
	if (lane)
		config.lane = *lane;
	p.session = session_new(&config);
	if (!p.session)
		give_up("out of memory");
	return p;
}

static void close_peer(struct peer *p)
{
	session_free(p->session);
	close(p->fd);
}

static void demand(bool holds, const char *sentence)
{
	printf("%s %s\n", holds ? "ok" : "not ok", sentence);
	wrong += !holds;
}

static bool is_refused(struct peer *p)
{
	struct message m;

	return next(p, &m) && m.type == MSG_FAIL && m.fail.job == UINT32_MAX &&
	       m.fail.code == ERR_REFUSED;
}

static void try_lie(const struct lane_key *lie, const char *sentence)
{
	struct peer p = open_peer(lie);

	demand(is_refused(&p), sentence);
	close_peer(&p);
}

static void try_lies(const struct lane_key *good)
{
	struct lane_key lie = *good;

	try_lie(&lie, "a number that is in use is refused");
	lie.number = 2;
	lie.secret[0] ^= 1;
	try_lie(&lie, "a lane with another secret is refused");
	lie = *good;
	lie.number = 2;
	lie.session[15] ^= 1;
	try_lie(&lie, "a lane of a session that is not open is refused");
}

int main(int argc, char **argv)
{
	struct message m, ack = { .type = MSG_ACK, .ack = { .number = 1 } };
	struct lane_key lane = { .number = 1 };
	struct peer session, good;
	struct key_pair *own;
	struct target *to;
	struct err err;

	if (argc != 2 || client_open(argv[1], &own, &to, &err) != 0)
		give_up(argc != 2 ? "which target?" : err.text);
	key = own;
	target = to;
	session = open_peer(NULL);
	if (!next(&session, &m) || m.type != MSG_WELCOME)
		give_up("not welcome");
	memcpy(lane.session, session_id(session.session), LANE_ID_LEN);
	memcpy(lane.secret, session_lane_secret(session.session), LANE_SECRET_LEN);
	good = open_peer(&lane);
	demand(next(&good, &m) && m.type == MSG_WELCOME && m.welcome.max_lanes == 0,
		"a right lane is welcome");
	try_lies(&lane);
	if (session_send(good.session, &ack, &err) != 0)
		give_up(err.text);
	demand(next(&good, &m) && m.type == MSG_FAIL, "what has no place on a lane ends it");
	close_peer(&good);
	close_peer(&session);
	client_close(own, to);
	return wrong ? 1 : 0;
}
