#include "server/admin/admin_local.h"

#include "common/base/file.h"
#include "common/base/secret_file.h"
#include "server/keys/keyring.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The store of the domain whose turn it is. */
struct open_store {
	const char *name; /* NULL: none */
	struct store *store;
};

static char *domain_dir(const char *state, const char *name)
{
	char *path;

	return asprintf(&path, "%s/domains/%s", state, name) < 0 ? NULL : path;
}

static void leave_store(struct open_store *o)
{
	store_close(o->store);
	*o = (struct open_store){ 0 };
}

/* One store at a time is open. */
static void step_in(
	struct admin_call *call, struct open_store *o, const char *state, const char *name)
{
	CLEANUP(cleanup_free) char *dir = NULL;
	struct err err;

	if (o->name != name) {
		leave_store(o);
		dir = domain_dir(state, name);
		if (!dir)
			err_nomem(&err);
		if (!dir || store_open(dir, &o->store, &err) != 0) {
			admin_not_open(call, &err);
			return;
		}
		o->name = name;
	}
	admin_step(call, o->store);
}

static int show_replies(struct admin_call *call, struct admin_show *show, struct err *err)
{
	struct buf *replies = admin_replies(call);
	int r = admin_show_take(show, buf_bytes(replies), buf_len(replies), err);

	if (buf_len(replies) > 0)
		explicit_bzero(buf_bytes(replies), buf_len(replies));
	buf_clear(replies);
	return r;
}

int admin_local_run(const char *state, const char *command, json_t *parameters,
	struct admin_show *show, struct err *err)
{
	struct admin_env env = { .state_dir = state };
	struct open_store open = { 0 };
	struct admin_call *call;
	const char *name;
	int r = 0;

	if (admin_begin(&env, command, parameters, &call, err) != 0)
		return -1;
	while ((name = admin_turn(call))) {
		step_in(call, &open, state, name);
		if (r == 0)
			r = show_replies(call, show, err);
		if (r != 0)
			admin_give_up(call);
	}
	if (r == 0)
		r = show_replies(call, show, err);
	leave_store(&open);
	admin_free(call);
	keyring_close(env.keyring);
	return r;
}

int admin_local_become_owner(const char *state, struct err *err)
{
	struct stat st;

	if (geteuid() != 0 || stat(state, &st) != 0 || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
		return err_errno(err, errno, "cannot go on as user %lu, whose %s is",
			(unsigned long)st.st_uid, state);
	return 0;
}
