/* What a message must be by itself, whatever came before it. */
#include "protocol/receiver_check.h"

#include "protocol/limits.h"
#include "protocol/migrate.h"

#include <string.h>

static int refuse(struct err *err, const struct message *m, const char *why)
{
	return err_set(err, ERR_PROTOCOL, "%s: %s", message_name(m->type), why);
}

static bool is_text(const wire_text *t, bool may_be_empty)
{
	return (t->n > 0 || may_be_empty) && t->n <= BACKUP_TEXT_MAX &&
	       (t->n == 0 || !memchr(t->s, '\0', t->n));
}

static int check_image(const struct message *m, struct err *err)
{
	const struct msg_image_offer *o = &m->image_offer;
	const uint8_t *at = o->tags.raw;
	wire_text tag;

	if (o->diff_ids.n > OFFER_LAYERS_MAX)
		return refuse(err, m, "too many layers");
	if (o->sizes.n != 0 && o->sizes.n != o->diff_ids.n)
		return refuse(err, m, "not one size for each layer");
	if (o->tags.n > OFFER_TAGS_MAX)
		return refuse(err, m, "too many tags");
	while (wire_texts_next(&o->tags, &at, &tag)) {
		if (tag.n == 0 || tag.n > TAG_LEN_MAX || memchr(tag.s, '\0', tag.n))
			return refuse(err, m, "a tag is empty, too long or holds a NUL");
	}
	return 0;
}

static int check_migrate(const struct message *m, struct err *err)
{
	const struct msg_migrate *g = &m->migrate;
	bool offer = g->verb == MIGRATE_OFFER;
	uint8_t flags = offer			    ? MIGRATE_OVERWRITE
			: g->verb == MIGRATE_COMMIT ? MIGRATE_NO_START
						    : 0;

	if (g->verb == 0 || g->verb >= MIGRATE_VERBS_END)
		return refuse(err, m, "unknown verb");
	if (g->flags & ~flags)
		return refuse(err, m, "unknown flags");
	if (offer != (g->manifest.n > 0) || g->manifest.n > MANIFEST_MAX)
		return refuse(err, m, "a manifest that is missing, out of place or too large");
	if (g->seconds > HEALTH_SECONDS_MAX)
		return refuse(err, m, "too long a time");
	return 0;
}

static int check_tree(const struct message *m, struct err *err)
{
	const wire_text *v = &m->tree_offer.volume;

	if (v->n == 0 || v->n > VOLUME_NAME_MAX || memchr(v->s, '\0', v->n))
		return refuse(err, m, "a volume's name that is empty, too long or holds a NUL");
	return 0;
}

static int check_backup(const struct message *m, struct err *err)
{
	const struct msg_backup_offer *o = &m->backup_offer;

	if (!is_text(&o->kind, false) || !is_text(&o->name, false) || !is_text(&o->host, false))
		return refuse(err, m, "a text that is empty, too long or holds a NUL");
	if (o->blobs.n > BACKUP_BLOBS_MAX)
		return refuse(err, m, "too many blobs");
	return 0;
}

static int check_snapshots(const struct message *m, struct err *err)
{
	const struct msg_snapshots *s = &m->snapshots;

	if (!is_text(&s->kind, true) || !is_text(&s->name, true) || !is_text(&s->host, true))
		return refuse(err, m, "a text that is too long or holds a NUL");
	return 0;
}

static int check_forget(const struct message *m, struct err *err)
{
	const struct msg_forget *f = &m->forget;

	if (f->snapshots.n == 0 || f->snapshots.n > FORGET_MAX)
		return refuse(err, m, "no snapshots or too many");
	return 0;
}

static int check_backup_commit(const struct message *m, struct err *err)
{
	const struct msg_backup_commit *c = &m->backup_commit;
	const uint8_t *at = c->roles.raw;
	wire_text role;

	if (c->blobs.n == 0 || c->blobs.n > BACKUP_BLOBS_MAX || c->roles.n != c->blobs.n)
		return refuse(err, m, "no blobs, too many, or not a role for each");
	while (wire_texts_next(&c->roles, &at, &role)) {
		if (!is_text(&role, false))
			return refuse(err, m, "a role that is empty, too long or holds a NUL");
	}
	if (c->artifact.n == 0 || c->artifact.n > BACKUP_ARTIFACT_MAX)
		return refuse(err, m, "an artifact that is empty or too large");
	return 0;
}

int receiver_check(const struct message *m, struct err *err)
{
	switch ((int)m->type) {
	case MSG_IMAGE_OFFER:
		return check_image(m, err);
	case MSG_MIGRATE:
		return check_migrate(m, err);
	case MSG_TREE_OFFER:
		return check_tree(m, err);
	case MSG_BACKUP_OFFER:
		return check_backup(m, err);
	case MSG_BACKUP_COMMIT:
		return check_backup_commit(m, err);
	case MSG_SNAPSHOTS:
		return check_snapshots(m, err);
	case MSG_FORGET:
		return check_forget(m, err);
	default:
		return 0;
	}
}
