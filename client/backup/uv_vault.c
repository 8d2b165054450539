#include "client/backup/uv_vault.h"

#include "common/base/log.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void on_retrying(void *ctx, const struct err *err, uint64_t wait_ms)
{
	const struct vault *v = ctx;

	if (!v->quiet)
		log_warn("%s: %s; trying again in %.1fs", v->target, err->text,
			(double)wait_ms / 1000);
}

static void on_signal(uv_signal_t *signal, int signum)
{
	struct vault *v = signal->data;
	struct err err;

	(void)signum;
	if (v->stopping || v->closing)
		return;
	v->stopping = true;
	err_set(&err, ERR_INTERRUPTED, "interrupted");
	if (v->line)
		line_break_off(v->line, &err);
}

int vault_target(
	const char *name, struct key_pair **ret_key, struct vault_options *to, struct err *err)
{
	if (client_open(name, ret_key, &to->target, err) != 0) {
		/* "Not found" is for what is backed up. */
		if (err->code == ERR_NOT_FOUND)
			err->code = ERR_USAGE;
		return -1;
	}
	to->key = *ret_key;
	return 0;
}

int vault_open(struct vault *v, const struct vault_options *o, struct err *err)
{
	static const int signums[] = { SIGINT, SIGTERM };
	const struct line_config line = { .loop = &v->loop,
		.target = o->target,
		.key = o->key,
		.lanes = &o->lanes,
		.level = o->level,
		.retry_for_ms = o->retry_for_ms,
		.grants = o->grants,
		.needs = o->needs,
		.retrying = on_retrying,
		.ctx = v };

	*v = (struct vault){ .quiet = o->quiet, .target = o->target->name };
	uv_loop_init(&v->loop);
	for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
		uv_signal_init(&v->loop, &v->signals[i]);
		v->signals[i].data = v;
		uv_signal_start(&v->signals[i], on_signal, signums[i]);
	}
	if (o->with_engine && (client_engine(o->engine, &v->address, err) != 0 ||
				      engine_open(&v->loop, &v->address, &v->engine, err) != 0))
		return -1;
	return line_new(&line, &v->line, err);
}

static void line_closed(void *ctx)
{
	struct vault *v = ctx;

	v->line = NULL;
}

void vault_leave(struct vault *v)
{
	if (v->closing)
		return;
	v->closing = true;
	for (size_t i = 0; i < ARRAY_LEN(v->signals); i++)
		uv_close((uv_handle_t *)&v->signals[i], NULL);
	if (v->line)
		line_close(v->line, line_closed, v);
	if (v->engine)
		engine_close(v->engine, NULL, NULL);
}

void vault_run(struct vault *v)
{
	int left;

	uv_run(&v->loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&v->loop);
	assert(left == 0);
	(void)left;
	engine_address_done(&v->address);
}

int vault_check(const struct vault *v, struct err *err)
{
	return v->stopping ? err_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

int vault_host(char ret[SNAPSHOT_HOST_MAX + 1], struct err *err)
{
	if (gethostname(ret, SNAPSHOT_HOST_MAX) != 0)
		return err_errno(err, errno, "cannot tell the name of this host");
	ret[SNAPSHOT_HOST_MAX] = '\0';
	return ret[0] ? 0 : err_set(err, ERR_FAILED, "this host has no name");
}
