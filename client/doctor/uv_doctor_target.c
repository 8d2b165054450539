/*
 * Owns, one after the other, a look-up, a dialling and a connection. Happy path: the target's
 * addresses -> the first that answers -> handshake -> WELCOME -> an offer of an image without
 * layers, which makes the target ask its engine and leaves nothing behind -> goodbye. Failure
 * modes: each is the problem that ends the checks.
 */
#include "client/client.h"
#include "client/clock.h"
#include "client/doctor/doctor.h"
#include "client/push/offer.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "link/uv_conn.h"
#include "link/uv_dial.h"
#include "link/uv_lookup.h"
#include "protocol/grant.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CLOCK_OFF_MS 5000
#define LONG_WAY_MS 20.0 /* a round trip from which on the congestion control matters */
#define ALGORITHMS "/proc/sys/net/ipv4/tcp_available_congestion_control"

struct visit {
	struct checks *checks;
	const struct target *target;
	struct key_pair *key;
	uv_loop_t loop;
	struct uv_lookup *lookup;
	struct addrinfo *addresses, *at;
	struct uv_dial *dial;
	char host[NI_MAXHOST]; /* the address that is tried */
	struct uv_conn *conn;
	int fd; /* the connection's, while it is open */
	double since;
	double round_trip; /* ms */
	bool welcomed, asked, done;
};

static double elapsed_ms(const struct visit *v)
{
	return (clock_seconds() - v->since) * 1e3;
}

static void measured(struct check *c, double ms)
{
	c->unit = "ms";
	c->value = ms;
}

static void problem(struct visit *v, const char *name, const struct err *err, const char *advice)
{
	struct check c = { .name = name, .mark = MARK_PROBLEM };

	check_text(&c, "%s", err->text);
	check_advice(&c, "%s", advice);
	checks_tell(v->checks, &c);
	v->done = true;
}

/* --- the link, once it stands --- */

/* Right after connecting TCP knows it best: its first packets are answered by the other system's
 * TCP at once. */
static double round_trip_ms(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return (double)info.tcpi_rtt / 1e3;
}

static void check_round_trip(struct visit *v)
{
	struct check c = { .name = "round trip", .mark = MARK_FACT };

	measured(&c, v->round_trip);
	check_text(&c, "%.2f ms, as TCP measured it when it connected", v->round_trip);
	checks_tell(v->checks, &c);
	c = (struct check){ .name = "throughput", .mark = MARK_FACT };
	check_text(&c,
		"not measured: there is nothing to send that the target would not keep; dray "
		"push --json tells bytes_sent and seconds");
	checks_tell(v->checks, &c);
}

static bool has_bbr(void)
{
	CLEANUP(buf_done) struct buf list;
	bool found = false;

	buf_init(&list, 4096);
	if (file_read(ALGORITHMS, &list, NULL) != 0)
		return false;
	for (size_t i = 0; i + 3 <= buf_len(&list) && !found; i++)
		found = memcmp(buf_bytes(&list) + i, "bbr", 3) == 0;
	return found;
}

static void check_congestion(struct visit *v)
{
	struct check c = { .name = "congestion", .mark = MARK_OK };
	char name[32] = "", shown[4 * sizeof(name)];
	socklen_t len = sizeof(name) - 1;
	bool bbr = has_bbr(), used;

	if (getsockopt(v->fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) != 0)
		snprintf(name, sizeof(name), "unknown");
	used = strcmp(name, "bbr") == 0;
	text_escape(shown, sizeof(shown), name, strlen(name));
	check_text(&c, "%s is used%s", shown,
		used  ? ""
		: bbr ? "; bbr is there, too"
		      : "; bbr is not there");
	if (!used && v->round_trip >= LONG_WAY_MS) {
		c.mark = MARK_NOTE;
		check_advice(&c,
			"where packets get lost on such a long way bbr is faster: %ssysctl "
			"net.ipv4.tcp_congestion_control=bbr",
			bbr ? "" : "modprobe tcp_bbr; ");
	}
	checks_tell(v->checks, &c);
}

/* --- what the target says --- */

static void check_grants(struct visit *v, const struct msg_welcome *w)
{
	static const struct {
		uint32_t grant;
		const char *what;
	} words[] = { { GRANT_PUSH, "send images" }, { GRANT_MIGRATE, "create containers" },
		{ GRANT_BACKUP, "add backups" }, { GRANT_RESTORE, "read its backups" },
		{ GRANT_FORGET, "remove its backups" }, { GRANT_BIND, "with bind mounts" },
		{ GRANT_DEVICE, "with devices" }, { GRANT_HOSTNS, "in the host's namespaces" },
		{ GRANT_PRIVILEGED, "privileged ones" } };
	struct check c = { .name = "grants", .mark = MARK_OK };
	char name[TEXT_NAME_MAX * 4 + 1], list[300] = "";
	size_t n = 0;

	text_escape(name, sizeof(name), w->name.s, w->name.n);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (w->grants & words[i].grant)
			n += (size_t)snprintf(
				list + n, sizeof(list) - n, "%s%s", n ? ", " : "", words[i].what);
	}
	check_text(&c, "known there as %s; it may %s", name, n ? list : "do nothing");
	if (!(w->grants & GRANT_PUSH)) {
		c.mark = MARK_PROBLEM;
		check_advice(
			&c, "drayd revoke %s there, and a new invitation with --allow push", name);
	}
	checks_tell(v->checks, &c);
}

static void check_clock(struct visit *v, const struct msg_welcome *w)
{
	struct check c = { .name = "clock", .mark = MARK_OK };
	struct timespec t;
	char text[TEXT_SECONDS_MAX];
	double off;

	clock_gettime(CLOCK_REALTIME, &t);
	off = (double)w->time_ms + v->round_trip / 2 -
	      ((double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
	measured(&c, off);
	text_seconds(text, (off < 0 ? -off : off) / 1e3);
	check_text(&c, "the target's is %s %s this one's", text, off < 0 ? "behind" : "before");
	if (off < CLOCK_OFF_MS && off > -CLOCK_OFF_MS) {
		check_text(&c, "the target's shows the same, %.0f ms apart", off < 0 ? -off : off);
	} else {
		c.mark = MARK_NOTE;
		check_advice(&c, "let both ends keep their time (NTP): logs and ages are compared");
	}
	checks_tell(v->checks, &c);
}

static void finish(struct visit *v)
{
	v->done = true;
	check_round_trip(v);
	check_congestion(v);
	uv_conn_finish(v->conn);
}

/* An image that cannot be there, of nothing: to answer, the target must ask its engine. */
static int ask_engine(struct visit *v, struct err *err)
{
	struct engine_image nothing = { 0 };
	struct offer offer;
	int r;

	randombytes_buf(nothing.id.bytes, sizeof(nothing.id.bytes));
	r = offer_build(&offer, 0, &nothing, NULL, NULL, 0, err);
	if (r == 0)
		r = uv_conn_send(v->conn, &offer.message, err);
	offer_done(&offer);
	v->asked = r == 0;
	v->since = clock_seconds();
	return r;
}

static int take_welcome(struct visit *v, const struct msg_welcome *w, struct err *err)
{
	struct check c = { .name = "handshake", .mark = MARK_OK };

	v->welcomed = true;
	measured(&c, elapsed_ms(v));
	check_text(&c, "%.1f ms: both ends have proved their keys", c.value);
	checks_tell(v->checks, &c);
	check_grants(v, w);
	check_clock(v, w);
	if (w->grants & GRANT_PUSH)
		return ask_engine(v, err);
	finish(v);
	return 0;
}

static void take_answer(struct visit *v, const struct message *m)
{
	struct check c = { .name = "its engine", .mark = MARK_OK };
	struct err err;

	if (m->type == MSG_FAIL) {
		message_failure(&m->fail, "the target", &err);
		problem(v, "its engine", &err, "see to the engine there, and to drayd's -H");
	} else {
		measured(&c, elapsed_ms(v));
		check_text(&c, "asked through the target, it answers in %.1f ms", c.value);
		checks_tell(v->checks, &c);
	}
	finish(v);
}

/* --- getting there --- */

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	struct visit *v = ctx;

	if (v->done)
		return 0;
	if (m->type == MSG_WELCOME && !v->welcomed)
		return take_welcome(v, &m->welcome, err);
	if (v->asked && (m->type == MSG_IMAGE_STATE || (m->type == MSG_FAIL && m->fail.job == 0))) {
		take_answer(v, m);
		return 0;
	}
	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "the target", err);
	return err_set(err, ERR_PROTOCOL, "%s out of place", message_name(m->type));
}

static void on_closed(void *ctx, const struct err *err)
{
	struct visit *v = ctx;
	struct err why;

	v->conn = NULL;
	if (v->done)
		return;
	if (err)
		why = *err;
	else
		err_set(&why, ERR_UNREACHABLE, "the target closed the connection");
	problem(v, v->welcomed ? "session" : "handshake", &why,
		why.code == ERR_REFUSED
			? "drayd keys on the target lists whom it knows; pair again if need be"
			: "is it drayd that listens there? its log says why it closes connections");
}

static int open_session(struct visit *v, int fd, struct err *err)
{
	static const struct uv_conn_ops ops = { .message = on_message, .closed = on_closed };
	struct session_config config = { .initiator = true, .own = v->key };
	char where[ADDRESS_TEXT_MAX + 1];
	int r;

	memcpy(config.peer_public_key, v->target->server_key, sizeof(config.peer_public_key));
	memcpy(config.psk, v->target->psk, sizeof(config.psk));
	v->fd = fd;
	v->since = clock_seconds();
	r = uv_conn_open(&v->loop, fd, address_print(&v->target->address, where), &config, &ops, v,
		&v->conn, err);
	sodium_memzero(config.psk, sizeof(config.psk));
	return r;
}

static void try_address(struct visit *v);

static void on_dialled(void *ctx, int fd, const struct err *dial_err)
{
	struct visit *v = ctx;
	struct check c = { .name = "connection", .mark = MARK_OK };
	struct err err;

	v->dial = NULL;
	if (fd < 0 && v->at->ai_next) {
		c.mark = MARK_NOTE;
		check_text(&c, "%s", dial_err->text);
		check_advice(&c, "the target has other addresses; that one costs time");
		checks_tell(v->checks, &c);
		v->at = v->at->ai_next;
		try_address(v);
		return;
	}
	if (fd < 0) {
		problem(v, "connection", dial_err,
			"is drayd running there, and does a firewall let this host through?");
		return;
	}
	v->round_trip = round_trip_ms(fd);
	measured(&c, elapsed_ms(v));
	check_text(&c, "to %s port %u in %.1f ms", v->host, v->target->address.port, c.value);
	checks_tell(v->checks, &c);
	if (open_session(v, fd, &err) != 0)
		problem(v, "connection", &err, "");
}

static void try_address(struct visit *v)
{
	struct err err;
	int r = getnameinfo(v->at->ai_addr, v->at->ai_addrlen, v->host, sizeof(v->host), NULL, 0,
		NI_NUMERICHOST);

	v->since = clock_seconds();
	if (r != 0)
		err_set(&err, ERR_FAILED, "an address cannot be shown: %s", gai_strerror(r));
	else
		r = uv_dial_start(
			&v->loop, v->host, v->target->address.port, on_dialled, v, &v->dial, &err);
	if (r != 0)
		problem(v, "connection", &err, "");
}

static void on_looked_up(void *ctx, int code, const char *why, struct addrinfo *found)
{
	struct visit *v = ctx;
	struct check c = { .name = "look-up", .mark = MARK_OK };
	char where[ADDRESS_TEXT_MAX + 1];
	size_t n = 0;
	struct err err;

	v->lookup = NULL;
	address_print(&v->target->address, where);
	if (code != 0) {
		err_set(&err, ERR_UNREACHABLE, "cannot find the address of %s: %s", where, why);
		problem(v, "look-up", &err, "is the name right, and does a name server answer?");
		return;
	}
	v->addresses = v->at = found;
	for (const struct addrinfo *a = found; a; a = a->ai_next)
		n++;
	measured(&c, elapsed_ms(v));
	check_text(&c, "%s is at %s: %zu address%s in %.1f ms", v->target->name, where, n,
		n == 1 ? "" : "es", c.value);
	checks_tell(v->checks, &c);
	try_address(v);
}

static void visit(struct visit *v)
{
	struct err err;
	int left;

	uv_loop_init(&v->loop);
	v->since = clock_seconds();
	if (uv_lookup_start(&v->loop, v->target->address.host, v->target->address.port,
		    on_looked_up, v, &v->lookup, &err) != 0)
		problem(v, "look-up", &err, "");
	uv_run(&v->loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&v->loop);
	assert(left == 0);
	(void)left;
	if (v->addresses)
		freeaddrinfo(v->addresses);
}

void doctor_target(struct checks *checks, const struct target *target)
{
	struct visit v = { .checks = checks, .target = target, .fd = -1 };
	struct err err;

	if (client_key(&v.key, &err) != 0) {
		problem(&v, "handshake", &err, "without this host's key no target knows it");
		return;
	}
	visit(&v);
	client_close(v.key, NULL);
}
