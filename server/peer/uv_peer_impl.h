/* What uv_peer.c (one connection) and uv_peers.c (all of them) share. */
#pragma once

#include "link/uv_address.h"
#include "link/uv_conn.h"
#include "server/depot/uv_intake.h"
#include "server/peer/peer_job.h"
#include "server/peer/uv_answers.h"
#include "server/peer/uv_peer.h"

#define JOBS_MAX 16
_Static_assert(JOBS_MAX <= INTAKE_PINS_MAX, "a segment is kept for every job");

struct uv_peer {
	struct uv_peer *next, **link; /* in server->peers */
	struct server *server;
	struct uv_conn *conn;
	struct sockaddr_storage address;
	char where[UV_ADDRESS_TEXT_MAX];
	bool admitted;			   /* counted by admission */
	bool ready;			   /* the handshake is done */
	const struct keyring_entry *entry; /* once ready; NULL while pairing */
	char name[KEY_NAME_MAX + 1];	   /* of the key */
	struct receiver *receiver;
	struct answers *answers;
	struct intake *intake;
	struct peer_job jobs[JOBS_MAX];
	size_t n_jobs;
	uint64_t stored;
	uint64_t sent_segments;		  /* of restores */
	bool paused;			  /* all connections of the session are */
	struct uv_peer *lanes[LANES_MAX]; /* by number, from 1; NULL: not open */
	struct uv_peer
		*main; /* of a lane: the session's first connection; NULL when that is gone */
	uint16_t lane; /* of a lane: its number; 0: no lane */
	bool ending;   /* FAIL was sent: what still comes is let pass */
};

/* Tells the client why, then closes. Once; later calls do nothing. */
void uv_peer_fail(struct uv_peer *p, const struct err *err);

/* A segment came, over whatever connection of the session. What is wrong with it ends the session.
 */
void uv_peer_segment(struct uv_peer *p, const struct message *m);

/* Sessions of this peer's key that have begun. */
size_t uv_peer_sessions(const struct uv_peer *p);

/* Sends it, or closes the connection. */
void uv_peer_send(void *peer, const struct message *m);

/* --- uv_peer_jobs.c --- */

/* NULL: there is none of that number (any more). Valid until a job begins or ends. */
const struct peer_job *uv_peer_find_job(const struct uv_peer *p, uint32_t number);

/* What begins a job, checked by the receiver: it begins, or is refused. */
void uv_peer_take_offer(struct uv_peer *p, const struct msg_image_offer *o);
void uv_peer_take_tree_offer(struct uv_peer *p, const struct msg_tree_offer *o);
void uv_peer_take_call(struct uv_peer *p, const struct msg_migrate *m);

/* --- uv_peer_store.c --- */

/* A message about backups, snapshots and restores; false: it is about something else. */
bool uv_peer_take_store(struct uv_peer *p, const struct message *m);

/* The connection takes more. */
void uv_peer_room(struct uv_peer *p);

/* --- uv_peer_jobs.c, for the above --- */

void uv_peer_add_job(struct uv_peer *p, struct peer_job job);

/* FAIL for a job that does not begin. */
void uv_peer_refuse_job(struct uv_peer *p, uint32_t job, const struct err *why);

/* A job is over, well or not; `what` is said of it when it was well. */
void uv_peer_job_over(struct uv_peer *p, const void *job, uint32_t number, const char *what,
	const struct err *err);

/* The client has given it up. */
void uv_peer_abort_job(struct uv_peer *p, struct peer_job job);
