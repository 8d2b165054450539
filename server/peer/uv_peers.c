/* What concerns all connections at once. */
#include "server/peer/uv_peer_impl.h"

#include "common/base/log.h"

size_t uv_peer_sessions(const struct uv_peer *p)
{
	size_t n = 0;

	for (const struct uv_peer *other = p->server->peers; other; other = other->next)
		n += other->entry == p->entry && other->receiver && !other->ending;
	return n;
}

void uv_peer_dispatch(struct server *server, const struct port_message *m)
{
	/* Every message of the engine side begins with its job. */
	uint32_t number = m->credit.job;

	for (struct uv_peer *p = server->peers; p; p = p->next) {
		for (size_t i = 0; i < p->n_jobs; i++) {
			uint32_t its;

			if (peer_job_port_number(&p->jobs[i], &its) && its == number) {
				peer_job_port(p->jobs[i], m);
				return;
			}
		}
	}
}

/* A job that ends leaves its peer's list. */
static unsigned lose_jobs(struct uv_peer *p)
{
	unsigned lost = 0;
	size_t i = 0;

	while (i < p->n_jobs) {
		if (peer_job_engine_lost(p->jobs[i]))
			lost++;
		else
			i++;
	}
	return lost;
}

unsigned uv_peer_engine_lost(struct server *server)
{
	unsigned lost = 0;

	for (struct uv_peer *p = server->peers; p; p = p->next)
		lost += lose_jobs(p);
	return lost;
}

unsigned uv_peer_jobs(const struct server *server)
{
	size_t n = 0;

	for (const struct uv_peer *p = server->peers; p; p = p->next)
		n += p->n_jobs;
	return (unsigned)n;
}

void uv_peer_each_session(const struct server *server,
	void (*fn)(void *ctx, const char *key, const char *where, size_t jobs), void *ctx)
{
	for (const struct uv_peer *p = server->peers; p; p = p->next) {
		if (p->receiver && !p->ending)
			fn(ctx, p->name, p->where, p->n_jobs);
	}
}

void uv_peer_stop(struct server *server, bool now)
{
	struct err err;

	err_set(&err, ERR_AGAIN, "the receiver is stopping");
	for (struct uv_peer *p = server->peers; p; p = p->next) {
		if (!p->ready)
			uv_conn_close(p->conn, &err);
		else if (now || (p->receiver && p->n_jobs == 0))
			uv_peer_fail(p, &err);
	}
}

void uv_peer_close_revoked(struct server *server)
{
	struct err err;

	if (keyring_reload(server->keyring, &err) != 0)
		log_warn("%s", err.text); /* and every key counts as revoked */
	err_set(&err, ERR_REFUSED, "the key was revoked");
	for (struct uv_peer *p = server->peers; p; p = p->next) {
		if (p->entry && p->entry->revoked)
			uv_peer_fail(p, &err);
	}
}

void uv_peer_close_all(struct server *server)
{
	struct err err;

	err_set(&err, ERR_AGAIN, "the receiver is stopping");
	for (struct uv_peer *p = server->peers; p; p = p->next)
		uv_conn_close(p->conn, &err);
}
