/*
 * Runs admin commands. Happy path: find the row, take the parameters, then either run it at once,
 * or step through one domain after the other; the result last. Failure modes: a domain that cannot
 * be opened or read is told and the others are still looked at; a call that is given up lets go of
 * what it holds in the store's thread and is then over.
 */
#include "server/admin/admin_impl.h"

#include "common/base/file.h"
#include "common/base/text.h"
#include "server/keys/keyring.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DOMAINS_MAX 65536u
#define SHOWN_MAX 80

static const struct admin_row *const rows[] = { &admin_row_invite, &admin_row_keys,
	&admin_row_revoke, &admin_row_check, &admin_row_prune, &admin_row_stats,
	&admin_row_snapshots, &admin_row_forget };

static const struct admin_row *find_row(const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i]->name, command) == 0)
			return rows[i];
	}
	return NULL;
}

bool admin_needs_store(const char *command)
{
	const struct admin_row *row = find_row(command);

	return row && row->step;
}

int admin_keyring(struct admin_call *c, struct keyring **ret, struct err *err)
{
	if (!c->env->keyring && keyring_open(c->env->state_dir, &c->env->keyring, err) != 0)
		return -1;
	*ret = c->env->keyring;
	return 0;
}

/* --- beginning --- */

/* "json" is every command's; what is left is the row's. */
static int take(struct admin_call *c, json_t *parameters, struct err *err)
{
	json_t *own = parameters ? json_copy(parameters) : json_object();
	json_t *json = json_object_get(own, "json");
	int r = 0;

	if (!own)
		return err_nomem(err);
	c->json = json_is_true(json);
	if (!json_is_object(own) || (json && !json_is_boolean(json)))
		r = err_set(err, ERR_USAGE, "%s: these are no parameters", c->row->name);
	json_object_del(own, "json");
	if (r == 0 && c->row->take)
		r = c->row->take(c, own, err);
	else if (r == 0 && json_object_size(own) > 0)
		r = err_set(err, ERR_USAGE, "%s takes no parameters", c->row->name);
	json_decref(own);
	return r;
}

int admin_begin(struct admin_env *env, const char *command, json_t *parameters,
	struct admin_call **ret, struct err *err)
{
	const struct admin_row *row = find_row(command);
	char shown[SHOWN_MAX];
	struct admin_call *c;

	if (!row)
		return err_set(err, ERR_USAGE,
			"the drayd that serves knows no command '%s'; is it of another version? "
			"restart it",
			text_escape(shown, sizeof(shown), command, strlen(command)));
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err);
	c->row = row;
	c->env = env;
	buf_init(&c->replies, ADMIN_REPLY_MAX);
	c->state = calloc(1, row->state_len + 1);
	if (!c->state || take(c, parameters, err) != 0) {
		if (!c->state)
			err_nomem(err);
		c->over = true;
		admin_free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void admin_free(struct admin_call *c)
{
	if (!c)
		return;
	assert(c->over);
	if (c->row->done && c->state)
		c->row->done(c);
	for (size_t i = 0; i < c->n_domains; i++)
		free(c->domains[i]);
	free(c->domains);
	free(c->state);
	buf_done(&c->replies);
	free(c);
}

/* --- which domains there are --- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_domain(struct admin_call *c, const char *name, struct err *err)
{
	char **more;

	if (c->n_domains == DOMAINS_MAX)
		return err_set(err, ERR_LIMIT, "%s holds more than %u domains", c->env->state_dir,
			DOMAINS_MAX);
	more = reallocarray(c->domains, c->n_domains + 1, sizeof(*more));
	if (!more)
		return err_nomem(err);
	c->domains = more;
	more[c->n_domains] = strdup(name);
	if (!more[c->n_domains])
		return err_nomem(err);
	c->n_domains++;
	return 0;
}

static int read_domains(struct admin_call *c, DIR *dir, struct err *err)
{
	struct dirent *e;
	struct stat st;

	while ((errno = 0, e = readdir(dir))) {
		if (!text_is_name(e->d_name, strlen(e->d_name)) ||
			fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
			!S_ISDIR(st.st_mode))
			continue;
		if (add_domain(c, e->d_name, err) != 0)
			return -1;
	}
	return errno == 0 ? 0 : err_errno(err, errno, "cannot read the list of domains");
}

/* Those on disk: a domain whose keys were all revoked counts, too. */
static int list_domains(struct admin_call *c, struct err *err)
{
	CLEANUP(cleanup_free) char *path = file_join(c->env->state_dir, "domains");
	DIR *dir;
	int r;

	if (!path)
		return err_nomem(err);
	dir = opendir(path);
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return err_errno(err, errno, "cannot read the directory %s", path);
	r = read_domains(c, dir, err);
	closedir(dir);
	if (r == 0 && c->n_domains > 1)
		qsort(c->domains, c->n_domains, sizeof(*c->domains), compare);
	return r;
}

/* --- going on --- */

/* The result line of --json, which a failure has, too. */
static void tell_result(struct admin_call *c)
{
	json_t *all = json_pack("{s:s, s:b, s:s}", "event", "result", "ok",
		c->result.code == ERR_NONE, "kind", c->row->name);

	if (c->row->totals)
		all = admin_merge(all, c->row->totals(c));
	if (c->result.code != ERR_NONE)
		all = admin_merge(
			all, json_pack("{s:s, s:s*}", "code", err_code_name(c->result.code),
				     "error", c->result.text));
	admin_out_json(c, all);
}

static void finish(struct admin_call *c, int r, const struct err *why)
{
	c->over = true;
	c->result = r == 0 ? (struct err){ 0 } : *why;
	if (c->json && !c->given_up)
		tell_result(c);
	if (!buf_ok(&c->replies)) {
		buf_clear(&c->replies);
		if (c->result.code == ERR_NONE)
			err_set(&c->result, ERR_LIMIT,
				"%s has more to say than fits, or memory ran out", c->row->name);
	}
	admin_put_done(&c->replies, &c->result);
}

static void tell_failed(struct admin_call *c)
{
	if (c->failed++ == 0)
		c->result = c->why; /* the first one is what the command ends with */
	if (c->json)
		admin_out_domain(c, false,
			json_pack("{s:s, s:s*}", "code", err_code_name(c->why.code), "error",
				c->why.text));
	else
		admin_note(c, "%s: %s", admin_domain(c), c->why.text);
}

static void leave_domain(struct admin_call *c)
{
	if (c->given_up)
		;
	else if (c->why.code != ERR_NONE)
		tell_failed(c);
	else
		c->row->tell(c);
	c->in_domain = false;
	c->at++;
}

static void end_walk(struct admin_call *c)
{
	struct err first = c->result, err = { 0 };
	int r = c->row->end(c, &err);

	if (r == 0 && c->failed > 0) {
		err_set(&err, first.code, "%zu of %zu domains failed; the first one: %s", c->failed,
			c->n_domains, first.text);
		r = -1;
	}
	finish(c, r, &err);
}

static void run_quick(struct admin_call *c)
{
	struct err err = { 0 };
	int r = c->row->run(c, &err);

	finish(c, r, &err);
}

const char *admin_turn(struct admin_call *c)
{
	struct err err = { 0 };

	if (c->over)
		return NULL;
	if (c->row->run) {
		run_quick(c);
		return NULL;
	}
	if (c->in_domain && c->domain_over)
		leave_domain(c);
	if (c->given_up && !c->in_domain) {
		err_set(&err, ERR_INTERRUPTED, "%s was given up", c->row->name);
		finish(c, -1, &err);
		return NULL;
	}
	if (!c->listed && list_domains(c, &err) != 0) {
		finish(c, -1, &err);
		return NULL;
	}
	c->listed = true;
	if (c->at == c->n_domains) {
		end_walk(c);
		return NULL;
	}
	if (!c->in_domain) {
		c->in_domain = true;
		c->domain_over = false;
		c->why = (struct err){ 0 };
	}
	return admin_domain(c);
}

void admin_step(struct admin_call *c, struct store *s)
{
	bool done = false;

	if (c->given_up || c->row->step(c, s, &done, &c->why) != 0)
		done = true;
	if (!done)
		return;
	if (c->row->let_go)
		c->row->let_go(c);
	c->domain_over = true;
}

void admin_not_open(struct admin_call *c, const struct err *why)
{
	c->why = *why;
	c->domain_over = true;
}

void admin_give_up(struct admin_call *c)
{
	c->given_up = true;
}

/* --- looking at it --- */

const struct err *admin_result(const struct admin_call *c)
{
	return &c->result;
}

struct buf *admin_replies(struct admin_call *c)
{
	return &c->replies;
}

bool admin_is_alone(const struct admin_call *c)
{
	return c->row->alone;
}

bool admin_changes(const struct admin_call *c)
{
	return c->row->changes;
}
