#include "server/container/migrate_call.h"

#include "protocol/migrate.h"
#include "server/container/container_grants.h"

#include <stdlib.h>
#include <string.h>

struct migrate_call {
	struct migrate_call_config c;
	uint32_t number;
};

static void over(struct migrate_call *c, const struct message *m, const struct err *err)
{
	c->c.ops->send(c->c.ctx, m);
	c->c.ops->over(c->c.ctx, c, err);
	free(c);
}

static void fail(struct migrate_call *c, const struct err *err)
{
	struct message m = message_fail(c->number, err);

	over(c, &m, err);
}

static int check(uint32_t grants, const struct msg_migrate *m, struct err *err)
{
	struct container_order order;
	int r;

	if (!(grants & GRANT_MIGRATE))
		return err_set(err, ERR_REFUSED, "this key may not migrate containers");
	if (m->verb != MIGRATE_OFFER)
		return 0;
	if (container_order_parse(m->manifest.p, m->manifest.n, &order, err) != 0)
		return -1;
	r = container_grants_check(grants, &order, err);
	container_order_done(&order);
	return r;
}

int migrate_call_start(const struct migrate_call_config *config, const struct msg_migrate *m,
	struct migrate_call **ret, struct err *err)
{
	struct port_message p = { .type = PORT_MIGRATE };
	struct migrate_call *c;

	if (check(config->grants, m, err) != 0)
		return -1;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err);
	c->c = *config;
	c->number = m->job;
	p.migrate.job = config->port_job;
	p.migrate.key = wire_text_of(config->key, strlen(config->key));
	p.migrate.migration = m->migration;
	p.migrate.verb = m->verb;
	p.migrate.flags = m->flags;
	p.migrate.seconds = m->seconds;
	p.migrate.image = m->image;
	p.migrate.manifest = m->manifest;
	if (engine_port_send(config->port, &p, err) != 0) {
		free(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void migrate_call_abort(struct migrate_call *c)
{
	free(c);
}

uint32_t migrate_call_number(const struct migrate_call *c)
{
	return c->number;
}

uint32_t migrate_call_port_number(const struct migrate_call *c)
{
	return c->c.port_job;
}

static void take_answer(struct migrate_call *c, const struct port_migrated *p)
{
	struct message m = { .type = MSG_MIGRATED };

	m.migrated.job = c->number;
	m.migrated.stage = p->stage;
	m.migrated.up_ms = p->up_ms;
	m.migrated.container = p->container;
	m.migrated.report = p->report;
	over(c, &m, NULL);
}

void migrate_call_port(struct migrate_call *c, const struct port_message *m)
{
	struct err err;

	if (m->type == PORT_MIGRATED) {
		take_answer(c, &m->migrated);
	} else if (m->type == PORT_FAILED) {
		port_failure(&m->failed, &err);
		fail(c, &err);
	}
}

void migrate_call_engine_lost(struct migrate_call *c)
{
	struct err err;

	err_set(&err, ERR_AGAIN,
		"the receiver's engine process stopped; the same call again finds what it did");
	fail(c, &err);
}
