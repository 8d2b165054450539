/*
 * Owns a snapshot writer and copies of all texts. Happy path: a call that begins it -> a call for
 * each step, behind what others posted meanwhile -> the snapshot is durable. Failure modes: a blob
 * that is not complete, a full store; nobody wants it any more: one more call lets the writer go.
 */
#include "server/backup/snapshot_making.h"

#include <stdlib.h>
#include <string.h>

struct snapshot_making {
	struct depot_call call; /* first */
	struct depot_domain *domain;
	const struct uv_pin *pin;
	char *key, *kind, *name, *host, *artifact;
	struct snapshot_part *parts; /* with owned roles */
	size_t n_parts;
	snapshot_making_fn *fn; /* NULL when nobody wants it any more */
	void *ctx;
	/* the store's thread, while a call is under way: */
	struct snapshot_writer *writer;
	bool stop, done;
	struct snapshot_made made;
};

static void making_free(struct snapshot_making *m)
{
	for (size_t i = 0; m->parts && i < m->n_parts; i++)
		free((char *)m->parts[i].role);
	free(m->parts);
	free(m->key);
	free(m->kind);
	free(m->name);
	free(m->host);
	free(m->artifact);
	free(m);
}

/* --- the store's thread --- */

static int begin(struct snapshot_making *m, struct store *store, struct err *err)
{
	const struct store_pin *pin = uv_pin_of(m->pin);
	const struct snapshot_new what = { .kind = m->kind,
		.name = m->name,
		.host = m->host,
		.key = m->key,
		.artifact = m->artifact,
		.parts = m->parts,
		.n_parts = m->n_parts,
		.bytes_new = pin ? store_pin_new_bytes(pin) : 0 };

	m->made.bytes_new = what.bytes_new;
	for (size_t i = 0; i < m->n_parts; i++) {
		struct blob_record record = { 0 };
		bool found;

		if (store_blob_find(store, &m->parts[i].blob, NULL, &record, &found, err) != 0)
			return -1;
		if (found)
			m->made.bytes_total += record.size;
		blob_record_done(&record);
	}
	return snapshot_writer_new(store, &what, &m->writer, err);
}

static int run(struct depot_call *c, struct store *store, struct err *err)
{
	struct snapshot_making *m = (struct snapshot_making *)c;
	int r = 0;

	if (!m->stop && !m->writer)
		r = begin(m, store, err);
	else if (!m->stop)
		r = snapshot_writer_step(m->writer, &m->made.id, &m->done, err);
	if (r == 0 && !m->stop && !m->done)
		return 0;
	snapshot_writer_free(m->writer);
	m->writer = NULL;
	return r;
}

/* --- the loop's --- */

static void done(struct depot_call *c)
{
	struct snapshot_making *m = (struct snapshot_making *)c;
	struct depot_domain *domain = m->domain;

	if (c->result == 0 && !m->done && !m->stop) {
		m->stop = m->fn == NULL;
		depot_post(domain, &m->call);
		return;
	}
	if (m->fn)
		m->fn(m->ctx, &m->made, c->result == 0 ? NULL : &c->err);
	making_free(m);
	depot_let_go(domain);
}

static int copy_parts(
	struct snapshot_making *m, const struct msg_backup_commit *commit, struct err *err)
{
	const uint8_t *at = commit->roles.raw;
	wire_text role;

	m->parts = calloc(commit->blobs.n, sizeof(*m->parts));
	m->artifact = strndup((const char *)commit->artifact.p, commit->artifact.n);
	if (!m->parts || !m->artifact)
		return err_nomem(err);
	while (m->n_parts < commit->blobs.n && wire_texts_next(&commit->roles, &at, &role)) {
		struct snapshot_part *p = &m->parts[m->n_parts++];

		p->blob = commit->blobs.at[m->n_parts - 1];
		p->role = wire_text_dup(&role);
		if (!p->role)
			return err_nomem(err);
	}
	return 0;
}

int snapshot_making_start(struct depot_domain *domain, const struct uv_pin *pin, const char *key,
	const char *kind, const char *name, const char *host,
	const struct msg_backup_commit *commit, snapshot_making_fn *fn, void *ctx,
	struct snapshot_making **ret, struct err *err)
{
	struct snapshot_making *m = calloc(1, sizeof(*m));

	if (!m)
		return err_nomem(err);
	m->key = strdup(key);
	m->kind = strdup(kind);
	m->name = strdup(name);
	m->host = strdup(host);
	if (!m->key || !m->kind || !m->name || !m->host || copy_parts(m, commit, err) != 0) {
		making_free(m);
		return err_nomem(err);
	}
	m->domain = domain;
	m->pin = pin;
	m->fn = fn;
	m->ctx = ctx;
	m->call = (struct depot_call){ .run = run, .done = done };
	depot_hold(domain);
	depot_post(domain, &m->call);
	*ret = m;
	return 0;
}

void snapshot_making_forget(struct snapshot_making *m)
{
	if (m)
		m->fn = NULL;
}
