/*
 * Two live engines: live_engine unix://A unix://B IMAGE [STATE_DIR]
 *
 * Saves IMAGE out of A and loads it into B through the engine side's port, over and over: with
 * wrong bytes, broken off, whole or without the layers that B has, and with B's engine killed (when
 * LIVE_ENGINE_KILL names its pid; this goes last). Prints a line for each case and exits with 0
 * when all held. B must not have the image at first, may have one of its lower layers, and must
 * have an image "other:1". Uses the docker client.
 */
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/engine/engine.h"
#include "server/engine/engine_host.h"
#include "server/engine/engine_undo.h"
#include "server/engine/load_journal.h"
#include "server/engine/uv_engine_port.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAYER_SIZE_MAX (512u << 20)

static uv_loop_t loop;
static bool waiting;
static struct err last_err;
static bool failed;

static void check(bool good, const char *what)
{
	printf("%s  %s\n", good ? "ok  " : "FAIL", what);
	fflush(stdout);
	if (!good)
		failed = true;
}

static void wait_for_loop(void)
{
	waiting = true;
	while (waiting)
		uv_run(&loop, UV_RUN_ONCE);
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, last_err.text);
	exit(1);
}

/* Addresses live as long as the engines. */
static struct engine_address addresses[4];

static const struct engine_address *address_of(const char *host)
{
	struct engine_address *a = addresses;

	while (a->shown && strcmp(a->shown, host) != 0)
		a++;
	assert(a < addresses + ARRAY_LEN(addresses));
	if (!a->shown && engine_address_parse(host, a, &last_err) != 0)
		die("address");
	return a;
}

static int open_engine(const char *host, struct engine **ret, struct err *err)
{
	return engine_open(&loop, address_of(host), ret, err);
}

static void on_done(void *ctx, const struct err *err)
{
	(void)ctx;
	last_err = err ? *err : (struct err){ 0 };
	waiting = false;
}

static void on_closed(void *ctx)
{
	(void)ctx;
	waiting = false;
}

static void turn_loop(uv_timer_t *timer)
{
	waiting = false;
	uv_close((uv_handle_t *)timer, NULL);
}

/* Runs the loop for so long. */
static void wait_ms(uint64_t ms)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, turn_loop, ms, 0);
	wait_for_loop();
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* --- images --- */

static struct engine_image found;
static size_t found_tags;

static void on_image(void *ctx, const struct engine_image *image, const struct err *err)
{
	on_done(ctx, err);
	engine_image_done(&found);
	if (!image)
		return;
	found_tags = image->n_tags;
	if (engine_image_copy(&found, image, NULL) != 0)
		exit(1);
}

static bool inspect(struct engine *e, const char *name)
{
	engine_inspect_image(e, name, on_image, NULL);
	wait_for_loop();
	return last_err.code == ERR_NONE;
}

static bool inspect_id(struct engine *e, const struct digest *id)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(id, text);
	return inspect(e, text);
}

/* --- saving --- */

struct saved {
	size_t n;
	struct digest *diff_ids;
	struct buf *layers;
	struct buf config;
	const struct digest *wanted; /* NULL: all */
	size_t at, delivered, unnamed;
	unsigned slow; /* pieces that take 200 ms each */
	struct hasher *hasher;
};

static bool save_wants(void *ctx, const struct digest *diff_id)
{
	struct saved *s = ctx;

	return !s->wanted || digest_equal(s->wanted, diff_id);
}

static int save_layer(void *ctx, const struct digest *diff_id, uint64_t size, struct err *err)
{
	struct saved *s = ctx;

	s->delivered++;
	s->unnamed += diff_id == NULL;
	if (!diff_id || size > LAYER_SIZE_MAX)
		return err_set(err, ERR_FAILED, "a layer without a name");
	for (s->at = 0; !digest_equal(&s->diff_ids[s->at], diff_id); s->at++)
		;
	return 0;
}

static int save_bytes(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct saved *s = ctx;

	(void)err;
	if (s->slow > 0) {
		s->slow--;
		uv_sleep(200);
	}
	hasher_update(s->hasher, bytes, n);
	buf_append(&s->layers[s->at], bytes, n);
	return 0;
}

static int save_layer_end(void *ctx, struct err *err)
{
	struct saved *s = ctx;
	struct digest got = hasher_end(s->hasher);

	return digest_equal(&got, &s->diff_ids[s->at])
		       ? 0
		       : err_set(err, ERR_VERIFY, "a layer was given the wrong name");
}

static int save_config(void *ctx, const void *bytes, size_t n, struct err *err)
{
	struct saved *s = ctx;

	(void)err;
	buf_append(&s->config, bytes, n);
	return 0;
}

static void save_note(void *ctx, const char *text)
{
	(void)ctx;
	printf("      note: %s\n", text);
}

static const struct engine_save_sink sink = { .wants = save_wants,
	.layer = save_layer,
	.bytes = save_bytes,
	.layer_end = save_layer_end,
	.config = save_config,
	.note = save_note };

static void on_saved(void *ctx, const struct err *err)
{
	(void)ctx;
	on_done(NULL, err);
}

static void saved_init(struct saved *s, const struct engine_image *image)
{
	*s = (struct saved){ .n = image->n_diff_ids };
	s->diff_ids = calloc(s->n + 1, sizeof(s->diff_ids[0]));
	s->layers = calloc(s->n + 1, sizeof(s->layers[0]));
	s->hasher = hasher_new();
	if (!s->diff_ids || !s->layers || !s->hasher)
		exit(1);
	memcpy(s->diff_ids, image->diff_ids, s->n * sizeof(s->diff_ids[0]));
	for (size_t i = 0; i < s->n; i++)
		buf_init(&s->layers[i], LAYER_SIZE_MAX);
	buf_init(&s->config, ENGINE_CONFIG_MAX);
}

static void saved_done(struct saved *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_done(&s->layers[i]);
	buf_done(&s->config);
	hasher_free(s->hasher);
	free(s->layers);
	free(s->diff_ids);
}

static void save(struct engine *e, const struct engine_image *image, struct saved *s)
{
	struct engine_save *handle;

	if (engine_save_start(e, image, &sink, s, on_saved, s, &handle, &last_err) != 0)
		die("save");
	wait_for_loop();
}

/* --- the net side of the port, as simple as can be --- */

struct net {
	struct engine_port *port;
	struct digest image;
	const struct saved *saved;
	const bool *leave_out; /* by layer; NULL: send all */
	bool by_hash;	       /* send layers without their numbers */
	size_t corrupt;	       /* the layer whose first byte is changed, or n */
	uint64_t abort_at;     /* bytes; UINT64_MAX: never */
	uint64_t kill_at;
	uint64_t stop_at;    /* nothing more is sent, and the waiting ends */
	bool abort_applying; /* an ABORT when the engine has everything */
	bool stop_applying;  /* the waiting ends then */
	bool untagged;

	size_t member, member_at;
	bool member_open, committed;
	uint32_t job, credit;
	uint64_t sent;
	size_t matched;
	unsigned loaded, failed;
	enum err_code code;
	char text[512];
	uint8_t have[256];
	bool image_present, over;
};

static struct net net, other; /* `other`: a second job, beside */
static struct engine_host *engine_host_now;
static unsigned lost;
static pid_t kill_pid;

static void net_send(struct port_message *m)
{
	if (engine_port_send(net.port, m, &last_err) != 0)
		die("port");
}

static bool left_out(size_t i)
{
	/* Equal layers go once. */
	for (size_t k = 0; k < i && i < net.saved->n; k++)
		if (digest_equal(&net.saved->diff_ids[i], &net.saved->diff_ids[k]))
			return true;
	return i < net.saved->n && net.leave_out && net.leave_out[i];
}

static void begin_member(void)
{
	struct port_message m = { .type = PORT_MEMBER };
	const struct saved *s = net.saved;

	m.member.job = net.job;
	m.member.index = (uint16_t)(net.by_hash && net.member < s->n ? PORT_MEMBER_UNKNOWN
								     : net.member);
	m.member.size = buf_len(net.member < s->n ? &s->layers[net.member] : &s->config);
	net_send(&m);
	net.member_open = true;
	net.member_at = 0;
}

static void send_data(const struct buf *from)
{
	struct port_message m = { .type = PORT_DATA };
	uint8_t bytes[PORT_DATA_MAX];
	size_t n = min_size(buf_len(from) - net.member_at, min_size(net.credit, PORT_DATA_MAX));

	memcpy(bytes, buf_bytes(from) + net.member_at, n);
	if (net.member == net.corrupt && net.member_at == 0)
		bytes[0] ^= 1;
	m.data.job = net.job;
	m.data.bytes = (wire_bytes){ .p = bytes, .n = (uint32_t)n };
	net_send(&m);
	net.member_at += n;
	net.credit -= (uint32_t)n;
	net.sent += n;
}

static void net_abort(void)
{
	struct port_message m = { .type = PORT_ABORT, .abort = { net.job } };

	net_send(&m);
	net.over = true;
	waiting = false;
}

static void pump(void)
{
	struct port_message m = { .type = PORT_COMMIT };
	const struct saved *s = net.saved;

	while (!net.over && net.member <= s->n && net.credit > 0) {
		const struct buf *from = net.member < s->n ? &s->layers[net.member] : &s->config;

		if (left_out(net.member)) {
			net.member++;
			continue;
		}
		if (!net.member_open)
			begin_member();
		send_data(from);
		if (net.sent >= net.abort_at) {
			net_abort();
			return;
		}
		if (net.sent >= net.stop_at) {
			net.over = true;
			waiting = false;
			return;
		}
		if (net.sent >= net.kill_at) {
			kill(kill_pid, SIGKILL);
			net.kill_at = UINT64_MAX;
		}
		if (net.member_at == buf_len(from)) {
			net.member_open = false;
			net.member++;
		}
	}
	if (!net.over && net.member > s->n && !net.committed) {
		net.committed = true;
		m.commit.job = net.job;
		net_send(&m);
	}
}

static void take_reply(const struct port_message *m)
{
	switch (m->type) {
	case PORT_CREDIT:
		net.credit += m->credit.bytes;
		if (net.credit > ENGINE_CREDIT_MAX)
			check(false, "credit stays under its limit");
		pump();
		break;
	case PORT_MATCHED:
		net.matched++;
		break;
	case PORT_LOADED:
		net.loaded++;
		waiting = false;
		break;
	case PORT_FAILED:
		net.failed++;
		net.over = true;
		net.code = (enum err_code)m->failed.code;
		snprintf(net.text, sizeof(net.text), "%.*s", (int)m->failed.text.n,
			m->failed.text.s);
		printf("      failed: %s\n", net.text);
		waiting = false;
		break;
	case PORT_MIGRATE:
	case PORT_TREE:
	case PORT_MIGRATED:
	case PORT_FILLED:
		break; /* not asked here */
	case PORT_HAVE_REPLY:
		memcpy(net.have, m->have_reply.layers.p, m->have_reply.layers.n);
		net.image_present = m->have_reply.image_present;
		waiting = false;
		break;
	case PORT_PHASE:
		if (net.abort_applying && m->phase.phase == PHASE_APPLYING)
			net_abort();
		if (net.stop_applying && m->phase.phase == PHASE_APPLYING)
			waiting = false;
		break;
	case PORT_HAVE:
	case PORT_OPEN:
	case PORT_MEMBER:
	case PORT_DATA:
	case PORT_COMMIT:
	case PORT_TAG:
	case PORT_ABORT:
		break;
	}
}

static void swap_jobs(void)
{
	struct net kept = net;

	net = other;
	other = kept;
}

/* Every message begins with its job; those of an earlier one may be on their way still. */
static void on_port(void *ctx, const struct port_message *m)
{
	(void)ctx;
	if (m->credit.job == net.job) {
		take_reply(m);
	} else if (m->credit.job == other.job) {
		swap_jobs();
		take_reply(m);
		swap_jobs();
	}
}

static void net_reset(const struct saved *s, const struct digest *image)
{
	static uint32_t jobs;

	net = (struct net){ .port = net.port,
		.image = *image,
		.saved = s,
		.corrupt = SIZE_MAX,
		.abort_at = UINT64_MAX,
		.kill_at = UINT64_MAX,
		.stop_at = UINT64_MAX,
		.job = ++jobs };
}

static const char *key = "test"; /* that the network side names */
static const char *const wanted_tags[] = { "dray-live:1", "dray-live.test/a/b:2" };

static void send_open(void)
{
	struct port_message m = { .type = PORT_OPEN };
	CLEANUP(buf_done) struct buf tags;

	buf_init(&tags, 4096);
	m.open.job = net.job;
	m.open.key = wire_text_of(key, strlen(key));
	m.open.image = net.image;
	m.open.diff_ids = (wire_digests){ .at = net.saved->diff_ids, .n = (uint32_t)net.saved->n };
	m.open.tags = wire_texts_of(&tags, wanted_tags, net.untagged ? 0 : ARRAY_LEN(wanted_tags));
	net_send(&m);
}

static void net_open(void)
{
	send_open();
	wait_for_loop();
}

static void net_have(void)
{
	struct port_message m = { .type = PORT_HAVE };
	const struct saved *s = net.saved;

	m.have.job = net.job;
	m.have.key = wire_text_of(key, strlen(key));
	m.have.image = net.image;
	m.have.diff_ids = (wire_digests){ .at = s->diff_ids, .n = (uint32_t)s->n };
	net_send(&m);
	wait_for_loop();
}

static void net_tag(const char *tag)
{
	struct port_message m = { .type = PORT_TAG };
	CLEANUP(buf_done) struct buf tags;

	buf_init(&tags, 4096);
	m.tag.job = net.job;
	m.tag.key = wire_text_of(key, strlen(key));
	m.tag.image = net.image;
	m.tag.tags = wire_texts_of(&tags, &tag, 1);
	net_send(&m);
	wait_for_loop();
}

static bool may_tag(void *ctx, const char *whose, const char *tag)
{
	(void)ctx;
	return strcmp(whose, "test") == 0 && strncmp(tag, "dray-live", 9) == 0;
}

static bool hidden; /* all images, from the key */

static uint32_t grants_of(void *ctx, const char *whose)
{
	(void)ctx;
	(void)whose;
	return 0; /* nothing here asks */
}

static bool may_see(void *ctx, const char *whose, const char *const *tags, size_t n)
{
	(void)ctx;
	(void)whose;
	(void)tags;
	(void)n;
	return !hidden;
}

/* --- the cases --- */

static size_t journal_entries(const char *state)
{
	CLEANUP(cleanup_free) char *dir = file_join(state, "loads");
	struct load_entry *entries;
	size_t n, odd;

	if (!dir || load_journal_list(dir, &entries, &n, &odd, &last_err) != 0)
		die("journal");
	free(entries);
	return n + odd;
}

static void on_lost(void *ctx, const struct err *why)
{
	(void)ctx;
	(void)why;
	lost++;
	waiting = false;
}

/* As at the start, or when the network process was started anew. */
static void join(void)
{
	int control[2], bodies[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0 ||
		pipe2(bodies, O_CLOEXEC) != 0)
		die("descriptors");
	engine_port_attach(net.port, control[0], bodies[1]);
	engine_host_attach(engine_host_now, control[1], bodies[0]);
}

static void start_host(const char *host, const char *state)
{
	static const struct engine_port_ops ops = { .message = on_port, .lost = on_lost };

	if (engine_host_start(&loop, address_of(host), state, may_tag, may_see, grants_of, NULL,
		    &engine_host_now, &last_err) != 0 ||
		engine_port_new(&loop, PORT_END_NET, &ops, NULL, &net.port, &last_err) != 0)
		die("engine side");
	join();
}

static void on_end(void *ctx)
{
	*(bool *)ctx = true;
}

/* Whatever else is told meanwhile. */
static void wait_for(const bool *end)
{
	while (!*end)
		uv_run(&loop, UV_RUN_ONCE);
}

static void stop_host(void)
{
	bool host = false, port = false;

	engine_host_close(engine_host_now, on_end, &host);
	wait_for(&host);
	engine_port_close(net.port, on_end, &port);
	wait_for(&port);
}

static void case_reading(struct engine *a, const struct engine_image *image, struct saved *s)
{
	struct saved one;
	size_t distinct = 0;

	save(a, image, s);
	if (last_err.code != ERR_NONE)
		die("save");
	for (size_t i = 0; i < s->n; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again = again || digest_equal(&s->diff_ids[i], &s->diff_ids[k]);
		distinct += !again;
	}
	check(s->unnamed == 0 && s->delivered == distinct,
		"every layer comes once, by name, and hashes to it");
	saved_init(&one, image);
	one.wanted = &one.diff_ids[one.n - 1];
	save(a, image, &one);
	check(last_err.code == ERR_NONE && one.delivered == 1 && buf_len(&one.config) > 0,
		"only the top layer when only that is wanted");
	saved_done(&one);
	saved_init(&one, image);
	if (one.n > 1) {
		one.wanted = &one.diff_ids[0];
		save(a, image, &one);
		check(last_err.code == ERR_NONE && one.delivered == 1, "only the lowest layer");
	}
	saved_done(&one);
}

static void case_cancel(struct engine *a, const struct engine_image *image)
{
	struct engine_save *handle;
	struct saved s;

	saved_init(&s, image);
	if (engine_save_start(a, image, &sink, &s, on_saved, &s, &handle, &last_err) != 0)
		die("save");
	engine_save_cancel(handle);
	wait_for_loop();
	check(last_err.code == ERR_INTERRUPTED, "a cancelled save says so");
	saved_done(&s);
}

static void on_engine_closed(void *ctx)
{
	bool *closed = ctx;

	*closed = true;
}

/* An engine that is closed while a slow reader reads. */
static void case_slow(const char *host, const struct engine_image *image)
{
	struct engine *e;
	struct engine_save *handle;
	struct saved s;
	clock_t before;
	bool closed = false;

	saved_init(&s, image);
	s.slow = 5;
	if (open_engine(host, &e, &last_err) != 0 ||
		engine_save_start(e, image, &sink, &s, on_saved, &s, &handle, &last_err) != 0)
		die("save");
	while (s.delivered == 0)
		uv_run(&loop, UV_RUN_ONCE);
	before = clock();
	wait_ms(700);
	check(clock() - before < CLOCKS_PER_SEC / 4, "a slow reader takes no processor time");
	engine_close(e, on_engine_closed, &closed);
	while (!closed)
		uv_run(&loop, UV_RUN_ONCE);
	check(last_err.code == ERR_INTERRUPTED || last_err.code == ERR_NONE,
		"closing waits for the reader");
	saved_done(&s);
}

static void case_errors(struct engine *a)
{
	struct engine *none;

	inspect(a, "no/such:image");
	check(last_err.code == ERR_NOT_FOUND, last_err.text);
	inspect(a, "../../containers");
	check(last_err.code != ERR_NONE, last_err.text);
	inspect(a, "");
	check(last_err.code == ERR_NOT_FOUND, last_err.text);
	if (open_engine("unix:///nonexistent/docker.sock", &none, &last_err) != 0)
		die("open");
	inspect(none, "x");
	check(last_err.code == ERR_UNREACHABLE, last_err.text);
	engine_close(none, on_closed, NULL);
	wait_for_loop();
}

static void docker(const char *host, const char *verb, const char *one, const char *two)
{
	extern char **environ;
	const char *argv[] = { "docker", "-H", host, verb, one, two, NULL };
	pid_t pid;
	int status = -1;

	if (posix_spawn(&pid, "/usr/bin/docker", NULL, NULL, (char *const *)argv, environ) != 0 ||
		waitpid(pid, &status, 0) < 0 || status != 0)
		check(false, "the docker client works");
}

/* Moves all its tags to another image. */
static void untag(const char *host)
{
	docker(host, "tag", "other:1", wanted_tags[0]);
	docker(host, "tag", "other:1", wanted_tags[1]);
	docker(host, "tag", "other:1", "dray-live:again");
}

static void case_bad(
	struct engine *b, const struct saved *s, const struct digest *id, const char *state)
{
	bool leave_out[256] = { false };

	net_reset(s, id);
	net.corrupt = 0;
	net_open();
	check(net.failed == 1 && net.code == ERR_VERIFY, "a wrong byte in a layer fails");
	check(!inspect_id(b, id), "and leaves nothing in the engine");
	check(journal_entries(state) == 0, "nor in the journal");
	net_reset(s, id);
	net.corrupt = s->n;
	net_open();
	check(net.failed == 1 && net.code == ERR_VERIFY && !inspect_id(b, id),
		"a wrong byte in the config fails too");
	/* Layers equal to the top one may be there. */
	net_reset(s, id);
	net_have();
	if (net.have[s->n - 1] == 0) {
		net_reset(s, id);
		for (size_t i = 0; i < s->n; i++)
			leave_out[i] = digest_equal(&s->diff_ids[i], &s->diff_ids[s->n - 1]);
		net.leave_out = leave_out;
		net_open();
		check(net.failed == 1 && net.code == ERR_AGAIN && !inspect_id(b, id),
			"a layer that neither came nor is there fails");
	}
	net_reset(s, id);
	net.abort_at = 1;
	net_open();
	for (int i = 0; i < 100 && journal_entries(state) > 0; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		uv_sleep(10);
	}
	check(net.failed == 0 && net.loaded == 0 && journal_entries(state) == 0,
		"an aborted load is forgotten without a word");
	check(!inspect_id(b, id), "and leaves nothing in the engine");
}

static void case_broken_off(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	clock_t before;

	net_reset(s, id);
	net.abort_applying = true;
	net_open();
	for (int i = 0; i < 100 && journal_entries(state) > 0; i++)
		wait_ms(50);
	check(net.failed == 0 && net.loaded == 0 && journal_entries(state) == 0 &&
			!inspect_id(b, id),
		"a load aborted while the engine applies it is removed when it has landed");
	net_reset(s, id);
	net.stop_at = 1;
	net_open();
	before = clock();
	wait_ms(1000);
	check(clock() - before < CLOCKS_PER_SEC / 10, "a load that waits takes no processor time");
	stop_host();
	check(journal_entries(state) == 1, "a stop in a load keeps its journal entry");
	start_host(host, state);
	for (int i = 0; i < 100 && journal_entries(state) > 0; i++)
		wait_ms(50);
	check(journal_entries(state) == 0 && !inspect_id(b, id), "and the next start clears it");
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void case_good(
	struct engine *b, const struct saved *s, const struct digest *id, const char *state)
{
	double from = seconds();
	bool there[256] = { false };
	size_t n = 0;

	net_reset(s, id);
	net_have();
	check(!net.image_present, "the target does not have the image");
	for (size_t i = 0; i < s->n; i++) {
		there[i] = net.have[i] == 1;
		n += there[i];
	}
	printf("      it has %zu of %zu layers\n", n, s->n);
	net_reset(s, id);
	net.leave_out = there;
	net_open();
	printf("      %.1f MB in %.2f s\n", (double)net.sent / 1e6, seconds() - from);
	check(net.loaded == 1 && net.failed == 0, "a load of what it lacks succeeds");
	check(inspect_id(b, id) && found_tags == ARRAY_LEN(wanted_tags), "with both tags");
	check(inspect(b, wanted_tags[1]) && digest_equal(&found.id, id), "and the same ID");
	check(journal_entries(state) == 0, "and no journal entry is left");
	net_reset(s, id);
	net_have();
	check(net.image_present && memchr(net.have, 0, s->n) == NULL, "now all of it is there");
	net_reset(s, id);
	net_tag("dray-live:again");
	check(net.loaded == 1 && inspect_id(b, id) && found_tags == 3, "a tag alone is given");
	net_reset(s, id);
	net_tag("forbidden:1");
	check(net.failed == 1 && net.code == ERR_REFUSED, "a tag that the key may not give is not");
	hidden = true;
	net_reset(s, id);
	net_tag("dray-live:hidden");
	hidden = false;
	check(net.failed == 1 && net.code == ERR_AGAIN && inspect_id(b, id) && found_tags == 3,
		"nor one to an image that the key may not see");
	net_reset(s, id);
	net.by_hash = true;
	net_open();
	check(net.loaded == 1, "a load of what is there, layers by hash, is harmless");
}

static void case_thin(const struct saved *s, const struct digest *id)
{
	bool all_but_first[256] = { false };

	memset(all_but_first, true, s->n);
	net_reset(s, id);
	net.leave_out = all_but_first;
	net_open();
	check(net.loaded == 1 && net.sent == buf_len(&s->config),
		"with every layer there, only the config is sent");
	all_but_first[s->n - 1] = false;
	net_reset(s, id);
	net.leave_out = all_but_first;
	net.by_hash = true;
	net_open();
	check(net.loaded == 1, "a mix of sent and present layers");
}

static void wait_journal_empty(const char *state)
{
	for (int i = 0; i < 200 && journal_entries(state) > 0; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		uv_sleep(10);
	}
}

static void case_replay(
	struct engine *b, const char *host, const struct digest *id, const char *state)
{
	CLEANUP(cleanup_free) char *dir = file_join(state, "loads");
	CLEANUP(cleanup_free) char *half = file_join(state, "loads/half.json.tmp.abcdef");
	struct load_entry entry = { .image = *id, .id = *id, .id_known = true, .job = 7 };

	/* As if killed between load and tags. */
	untag(host);
	check(inspect_id(b, id) && found_tags == 0, "the image has lost its tags");
	if (!dir || !half || load_journal_write(dir, &entry, &last_err) != 0 ||
		file_replace(half, 0600, "{", 1, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	wait_journal_empty(state);
	check(journal_entries(state) == 0 && !inspect_id(b, id),
		"a start cleans up what an earlier run left");
	check(access(half, F_OK) != 0, "and what it was killed in writing");
}

/* A tagged image, or one that was there before, is never deleted. */
static void case_kept(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	CLEANUP(cleanup_free) char *dir = file_join(state, "loads");
	struct load_entry entry = { .image = *id, .id = *id, .id_known = true, .job = 8 };

	net_reset(s, id);
	net_open();
	check(net.loaded == 1, "loaded again");
	if (!dir || load_journal_write(dir, &entry, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	wait_journal_empty(state);
	check(inspect_id(b, id), "a start keeps a tagged image");
	untag(host);
	entry.existed = true;
	if (load_journal_write(dir, &entry, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	wait_journal_empty(state);
	check(inspect_id(b, id), "and one that was there before");
	net_reset(s, id);
	net.corrupt = 0;
	net_open();
	check(net.failed == 1 && inspect_id(b, id), "also when a load of it fails");
	entry.existed = false;
	if (load_journal_write(dir, &entry, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	net_reset(s, id);
	net_tag(wanted_tags[0]);
	check(net.failed == 1 && net.code == ERR_AGAIN && !inspect_id(b, id),
		"a tag that comes during the clean-up waits and finds the image gone");
	/* A load that comes then is not taken for an old one. */
	if (load_journal_write(dir, &entry, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	net_reset(s, id);
	net_open();
	check(net.loaded == 1 && inspect_id(b, id), "a load that comes then waits and succeeds");
	untag(host);
}

static bool over(const struct net *n)
{
	return n->loaded + n->failed > 0;
}

/* Two jobs for the same image at once; the second one's first layer, or none, is damaged. */
static void load_twice(const struct saved *s, const struct digest *id, bool untagged, bool damaged)
{
	net_reset(s, id);
	net.untagged = untagged;
	other = net;
	swap_jobs();
	net_reset(s, id);
	net.untagged = untagged;
	swap_jobs();
	other.corrupt = damaged ? 0 : SIZE_MAX;
	send_open();
	swap_jobs();
	send_open();
	swap_jobs();
	while (!over(&net) || !over(&other))
		wait_for_loop();
}

static void remove_image(const char *host, const struct digest *id)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(id, text);
	docker(host, "rmi", "-f", text);
}

static void case_at_once(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	remove_image(host, id);
	load_twice(s, id, false, false);
	check(net.loaded == 1 && other.loaded == 1, "two loads of one image at once both succeed");
	wait_ms(50);
	check(inspect_id(b, id) && found_tags == 2 && journal_entries(state) == 0,
		"with its tags, and no journal entry is left");
	remove_image(host, id);
	load_twice(s, id, true, true);
	check(net.loaded == 1 && other.failed == 1 && other.code == ERR_VERIFY,
		"one of two that is damaged fails alone");
	wait_ms(50);
	check(inspect_id(b, id) && journal_entries(state) == 0,
		"and does not remove what the other loaded, though it has no tag");
	remove_image(host, id);
	other = (struct net){ 0 };
}

/* What an interrupted load left may be removed only until the image is wanted again. */
static void case_wanted_again(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	CLEANUP(cleanup_free) char *dir = file_join(state, "loads");
	struct load_entry late = { .image = *id,
		.id = *id,
		.id_known = true,
		.job = 9,
		.committed = (uint64_t)time(NULL) };

	if (!dir || load_journal_write(dir, &late, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	wait_ms(200);
	check(journal_entries(state) == 1,
		"an engine may come late with an image: the entry is kept");
	net_reset(s, id);
	net.untagged = true;
	net_open();
	check(net.loaded == 1 && journal_entries(state) == 0, "until the image is loaded again");
	wait_ms(2500);
	check(inspect_id(b, id), "which then stays, though it has no tag");
	remove_image(host, id);
}

/* The only entry, as if the engine had had the archive for long; returns what it said. */
static uint64_t make_old(const char *state)
{
	CLEANUP(cleanup_free) char *dir = file_join(state, "loads");
	struct load_entry *entries;
	uint64_t committed;
	size_t n, odd;

	if (!dir || load_journal_list(dir, &entries, &n, &odd, &last_err) != 0 || n != 1)
		die("journal");
	committed = entries[0].committed;
	entries[0].committed -= 2 * UNDO_LATE_SECONDS;
	if (load_journal_write(dir, &entries[0], &last_err) != 0)
		die("journal");
	free(entries);
	return committed;
}

/* The engine applies for longer than it may come late, and its process ends meanwhile. */
static void case_late(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	CLEANUP(cleanup_free) char *dir = file_join(state, "loads");
	struct load_entry old = { .image = *id,
		.id = *id,
		.id_known = true,
		.job = 10,
		.committed = (uint64_t)time(NULL) - 2 * UNDO_LATE_SECONDS };
	uint64_t from;

	net_reset(s, id);
	net.stop_applying = true;
	net_open();
	wait_ms(150); /* the rest of the archive is on its way */
	from = make_old(state);
	check(from > 0, "the journal says when the engine had everything");
	stop_host();
	check(make_old(state) >= from, "and when it was left alone with that");
	start_host(host, state);
	for (int i = 0; i < 200 && journal_entries(state) > 0; i++)
		wait_ms(50);
	check(!inspect_id(b, id), "what it makes of it after long is removed, too");
	check(journal_entries(state) == 0, "and then its entry");
	if (!dir || load_journal_write(dir, &old, &last_err) != 0)
		die("journal");
	stop_host();
	start_host(host, state);
	wait_ms(200);
	check(journal_entries(state) == 1, "until then the entry is kept");
	stop_host();
	if (load_journal_remove(dir, id, old.job, &last_err) != 0)
		die("journal");
	start_host(host, state);
}

/* Another network process comes in the middle of a load and asks for the same image. */
static void case_joined_anew(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	for (int applying = 0; applying < 2; applying++) {
		net_reset(s, id);
		net.stop_at = applying ? UINT64_MAX : 1;
		net.stop_applying = applying;
		net_open();
		lost = 0;
		join();
		net_reset(s, id);
		net.job = 1; /* a new process begins anew */
		net_have();
		check(lost == 1 && net.failed == 0, "a new network process is heard at once");
		net_reset(s, id);
		net.job = 2;
		net_open();
		check(net.loaded == 1, "and its load of the same image succeeds");
		for (int i = 0; i < 100 && journal_entries(state) > 0; i++)
			wait_ms(50);
		check(inspect_id(b, id) && found_tags == 2 && journal_entries(state) == 0,
			"with its tags, while that of the old one is forgotten");
		remove_image(host, id);
	}
	net_reset(s, id);
	net.stop_applying = true;
	net_open();
	join();
	for (int i = 0; i < 200 && journal_entries(state) > 0; i++)
		wait_ms(50);
	check(!inspect_id(b, id) && journal_entries(state) == 0,
		"a load that nobody waits for any more leaves nothing");
}

/* Loads that begin and go no further. */
static void case_greedy(
	struct engine *b, const struct saved *s, const struct digest *id, const char *state)
{
	for (unsigned i = 0; i < ENGINE_JOBS_OF_KEY_MAX; i++) {
		net_reset(s, id);
		net.stop_at = 1;
		net_open();
	}
	check(net.failed == 0, "a key may have 16 loads under way");
	net_reset(s, id);
	net_have();
	check(net.failed == 1 && net.code == ERR_AGAIN, "and then has to wait");
	key = "other";
	net_reset(s, id);
	net_have();
	key = "test";
	check(net.failed == 0, "but no other key has");
	join();
	wait_journal_empty(state);
	check(!inspect_id(b, id), "all of them are cleaned up");
}

static void on_host_idle(void *ctx)
{
	bool *idle = ctx;

	*idle = true;
	waiting = false;
}

static void case_stopped(struct engine *b, const char *host, const struct saved *s,
	const struct digest *id, const char *state)
{
	bool idle = false;

	net_reset(s, id);
	net.stop_at = 1;
	net_open();
	engine_host_stop(engine_host_now, false, on_host_idle, &idle);
	wait_ms(100);
	check(!idle, "a stop waits for the load that is under way");
	other = net;
	net_reset(s, id);
	net_have();
	check(net.failed == 1 && net.code == ERR_AGAIN, "and takes no new job");
	engine_host_stop(engine_host_now, true, on_host_idle, &idle);
	while (!idle)
		wait_for_loop();
	check(journal_entries(state) == 0 && !inspect_id(b, id), "an urgent stop cleans up, too");
	other = (struct net){ 0 };
	stop_host();
	start_host(host, state);
}

static void case_killed(
	const char *host, const struct saved *s, const struct digest *id, const char *state)
{
	const char *pid = getenv("LIVE_ENGINE_KILL");

	if (!pid)
		return;
	kill_pid = (pid_t)strtol(pid, NULL, 10);
	net_reset(s, id);
	net.kill_at = 100000;
	net_open();
	check(net.failed == 1 && net.code == ERR_AGAIN && strstr(net.text, host),
		"an engine killed in a load is told");
	check(journal_entries(state) == 1, "and the journal's entry is kept");
	net_reset(s, id);
	net_open();
	check(net.failed == 1 && net.code == ERR_AGAIN, "a load without an engine fails");
	stop_host();
	start_host(host, state);
	stop_host();
	check(journal_entries(state) == 1, "and is kept by a start without an engine");
	start_host(host, state);
}

int main(int argc, char **argv)
{
	struct engine *a, *b;
	struct engine_image image;
	struct saved s;
	const char *state = argc > 4 ? argv[4] : "/tmp/live-engine-state";

	if (argc < 4) {
		fprintf(stderr, "usage: %s unix://A unix://B IMAGE [STATE_DIR]\n", argv[0]);
		return 2;
	}
	log_start("live-engine", LOG_INFO, false);
	uv_loop_init(&loop);
	if (open_engine(argv[1], &a, &last_err) != 0 || open_engine(argv[2], &b, &last_err) != 0)
		die("open");
	if (!inspect(a, argv[3]))
		die("inspect");
	image = found;
	found = (struct engine_image){ 0 };
	saved_init(&s, &image);
	case_errors(a);
	case_cancel(a, &image);
	case_slow(argv[1], &image);
	case_reading(a, &image, &s);
	start_host(argv[2], state);
	case_bad(b, &s, &image.config, state);
	case_broken_off(b, argv[2], &s, &image.config, state);
	case_good(b, &s, &image.config, state);
	case_thin(&s, &image.id);
	case_replay(b, argv[2], &image.config, state);
	case_kept(b, argv[2], &s, &image.config, state);
	case_at_once(b, argv[2], &s, &image.config, state);
	case_wanted_again(b, argv[2], &s, &image.config, state);
	case_late(b, argv[2], &s, &image.config, state);
	case_joined_anew(b, argv[2], &s, &image.config, state);
	case_greedy(b, &s, &image.config, state);
	case_stopped(b, argv[2], &s, &image.config, state);
	case_killed(argv[2], &s, &image.config, state);
	stop_host();
	engine_close(a, on_closed, NULL);
	wait_for_loop();
	engine_close(b, on_closed, NULL);
	wait_for_loop();
	check(uv_loop_close(&loop) == 0, "the loop is empty at the end");
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++)
		engine_address_done(&addresses[i]);
	saved_done(&s);
	engine_image_done(&image);
	engine_image_done(&found);
	printf("%s\n", failed ? "some failed" : "all good");
	return failed;
}
