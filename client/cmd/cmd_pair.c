/*
 * `dray pair`: reads an invite's token from stdin, meets the receiver, and keeps it as a target.
 * Happy path: token -> connect
 * -> PAIR_OK with the key's own psk -> kept on disk -> PAIR_DONE, which burns the token. A crash in
 * between is mended by pairing again with the same token.
 */
#include "client/cmd/cmd.h"

#include "client/targets.h"
#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "link/uv_reach.h"
#include "protocol/invite.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pairing {
	uv_loop_t loop;
	struct uv_reach *reach;
	struct target *target;
	bool kept;
	struct err err;
};

static const char pair_text[] = "Reads the token that `drayd invite` printed from stdin and keeps "
				"the receiver as TARGET.\n";

/* The token, from stdin: a line or the whole of it. Wiped by the caller. */
static int read_token(char ret[INVITE_TEXT_MAX], struct err *err)
{
	size_t n = 0;
	ssize_t got;

	if (isatty(STDIN_FILENO) == 1)
		fputs("Paste the token that `drayd invite` printed, then press Enter:\n", stderr);
	while (n < INVITE_TEXT_MAX - 1 && !memchr(ret, '\n', n)) {
		got = read(STDIN_FILENO, ret + n, INVITE_TEXT_MAX - 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "cannot read the token from stdin");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	ret[n] = '\0';
	ret[strcspn(ret, " \t\r\n")] = '\0';
	if (ret[0] == '\0')
		return err_set(err, ERR_USAGE,
			"no token on stdin (drayd invite … on the receiver prints one)");
	return 0;
}

static int on_pair_ok(struct pairing *p, const struct msg_pair_ok *m, struct err *err)
{
	struct message done = { .type = MSG_PAIR_DONE };

	text_escape(p->target->key_name, sizeof(p->target->key_name), m->name.s, m->name.n);
	memcpy(p->target->psk, m->psk.bytes, sizeof(p->target->psk));
	if (targets_save(p->target, err) != 0)
		return -1;
	p->kept = true;
	if (uv_conn_send(uv_reach_conn(p->reach), &done, err) != 0)
		return -1;
	uv_conn_finish(uv_reach_conn(p->reach));
	return 0;
}

static int on_message(void *ctx, const struct message *m, struct err *err)
{
	if (m->type == MSG_PAIR_OK)
		return on_pair_ok(ctx, &m->pair_ok, err);
	if (m->type == MSG_FAIL)
		return message_failure(&m->fail, "the receiver", err);
	return err_set(err, ERR_PROTOCOL, "%s instead of PAIR_OK", message_name(m->type));
}

static void on_closed(void *ctx, const struct err *err)
{
	struct pairing *p = ctx;

	p->reach = NULL;
	if (err)
		p->err = *err;
	else if (!p->kept)
		err_set(&p->err, ERR_UNREACHABLE, "the receiver closed the connection");
}

static int meet(
	struct pairing *p, const struct key_pair *key, const struct invite *invite, struct err *err)
{
	static const struct uv_conn_ops ops = { .message = on_message, .closed = on_closed };
	struct session_config config = { .initiator = true, .own = key, .pairing = true };
	char label[KEY_NAME_MAX + 1] = "";
	int left;

	gethostname(label, sizeof(label) - 1);
	config.label = label;
	memcpy(config.peer_public_key, invite->server_key, KEY_LEN);
	memcpy(config.token_id, invite->token_id, TOKEN_ID_LEN);
	invite_psk(invite, config.psk);
	uv_loop_init(&p->loop);
	if (uv_reach_start(&p->loop, &p->target->address, &config, &ops, p, &p->reach, err) != 0)
		p->err = *err;
	sodium_memzero(config.psk, sizeof(config.psk));
	uv_run(&p->loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&p->loop);
	assert(left == 0);
	(void)left;
	if (p->err.code == ERR_NONE)
		return 0;
	*err = p->err;
	return -1;
}

static int pair(const char *name, struct err *err)
{
	struct pairing *p = calloc(1, sizeof(*p));
	char token[INVITE_TEXT_MAX] = "";
	struct invite invite;
	struct key_pair *key = NULL;
	int r = -1;

	if (!p)
		return err_nomem(err);
	if (client_key(&key, err) == 0 && read_token(token, err) == 0 &&
		invite_parse(token, strlen(token), &invite, err) == 0 &&
		target_new(name, invite.address, invite.server_key, &p->target, err) == 0)
		r = meet(p, key, &invite, err);
	if (r == 0)
		log_info("%s is paired: %s knows this host as %s", name, invite.address,
			p->target->key_name);
	sodium_memzero(token, sizeof(token));
	sodium_memzero(&invite, sizeof(invite));
	client_close(key, p->target);
	free(p);
	return r;
}

int cmd_pair(int argc, char **argv)
{
	bool help = false;
	const struct option_row rows[] = { { 0 } };
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		return program_fail(&err);
	if (help) {
		program_help("pair TARGET", pair_text, rows);
		return 0;
	}
	if (n != 1)
		err_set(&err, ERR_USAGE,
			"pair takes the name to keep the receiver as (dray pair TARGET)");
	if (n != 1 || pair(argv[1], &err) != 0)
		return program_fail(&err);
	return 0;
}
