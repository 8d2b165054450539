#include "server/image/image_port.h"

#include <string.h>

static wire_text key_text(const struct image_port *p)
{
	return wire_text_of(p->key, strlen(p->key));
}

int image_port_have(const struct image_port *p, const struct digest *image,
	const struct digest *diff_ids, uint32_t n, struct err *err)
{
	struct port_message m = { .type = PORT_HAVE };

	m.have.job = p->job;
	m.have.key = key_text(p);
	m.have.image = *image;
	m.have.diff_ids = (wire_digests){ .at = diff_ids, .n = n };
	return engine_port_send(p->port, &m, err);
}

int image_port_open(const struct image_port *p, const struct digest *image,
	const struct digest *diff_ids, uint32_t n, uint32_t there, const wire_texts *tags,
	struct err *err)
{
	struct port_message m = { .type = PORT_OPEN };

	m.open.job = p->job;
	m.open.key = key_text(p);
	m.open.image = *image;
	m.open.diff_ids = (wire_digests){ .at = diff_ids, .n = n };
	m.open.there = (uint16_t)there;
	m.open.tags = *tags;
	return engine_port_send(p->port, &m, err);
}

int image_port_tag(const struct image_port *p, const struct digest *image, const wire_texts *tags,
	struct err *err)
{
	struct port_message m = { .type = PORT_TAG };

	m.tag.job = p->job;
	m.tag.key = key_text(p);
	m.tag.image = *image;
	m.tag.tags = *tags;
	return engine_port_send(p->port, &m, err);
}

int image_port_commit(const struct image_port *p, struct err *err)
{
	struct port_message m = { .type = PORT_COMMIT, .commit = { .job = p->job } };

	return engine_port_send(p->port, &m, err);
}

void image_port_abort(const struct image_port *p, bool again)
{
	struct port_message m = { .type = PORT_ABORT, .abort = { .job = p->job, .again = again } };
	struct err gone;

	if (engine_port_send(p->port, &m, &gone) != 0)
		return;
}
