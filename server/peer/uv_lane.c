#include "server/peer/uv_lane.h"

#include "common/base/log.h"
#include "protocol/limits.h"

#include <string.h>

/* The open session of that id that belongs to the same key. */
static struct uv_peer *find_session(const struct uv_peer *p, const struct lane_claim *claim)
{
	struct uv_peer *other = p->server->peers;

	while (other &&
		!(other != p && other->entry == p->entry && other->receiver && !other->ending &&
			memcmp(session_id(uv_conn_session(other->conn)), claim->session,
				LANE_ID_LEN) == 0))
		other = other->next;
	return other;
}

int uv_lane_join(struct uv_peer *p, struct err *err)
{
	struct session *s = uv_conn_session(p->conn);
	const struct lane_claim *claim = session_lane(s);
	struct uv_peer *main = find_session(p, claim);
	struct message m = { .type = MSG_WELCOME };

	if (!main ||
		!lane_check(claim, session_id(s), session_lane_secret(uv_conn_session(main->conn))))
		return err_set(err, ERR_REFUSED, "a lane of a session that is not open");
	if (main->lanes[claim->number])
		return err_set(err, ERR_REFUSED, "lane %u is there already", claim->number);
	main->lanes[claim->number] = p;
	p->main = main;
	p->lane = claim->number;
	log_debug("%s (%s): lane %u of %s", p->name, p->where, p->lane, main->where);
	m.welcome.grants = p->entry->grants;
	m.welcome.name = wire_text_of(p->name, strlen(p->name));
	if (main->paused)
		uv_conn_pause(p->conn);
	return uv_conn_send(p->conn, &m, err);
}

int uv_lane_message(struct uv_peer *p, const struct message *m, struct err *err)
{
	if (m->type != MSG_SEGMENT)
		return err_set(err, ERR_PROTOCOL, "%s on a lane", message_name(m->type));
	if (p->main && !p->main->ending)
		uv_peer_segment(p->main, m);
	return 0;
}

void uv_lane_pause(struct uv_peer *main)
{
	bool full = intake_full(main->intake);

	if (full == main->paused)
		return;
	main->paused = full;
	for (size_t i = 0; i < LANES_MAX; i++) {
		struct uv_peer *p = i == 0 ? main : main->lanes[i];

		if (p && full)
			uv_conn_pause(p->conn);
		else if (p)
			uv_conn_resume(p->conn);
	}
}

void uv_lane_leave(struct uv_peer *p)
{
	if (p->main)
		p->main->lanes[p->lane] = NULL;
	p->main = NULL;
	for (size_t i = 1; i < LANES_MAX; i++) {
		if (!p->lanes[i])
			continue;
		p->lanes[i]->main = NULL;
		uv_conn_close(p->lanes[i]->conn, NULL);
	}
}
