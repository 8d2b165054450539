/* The admin commands `keys` (who may do what, and which invitations wait; no secret is shown) and
 * `revoke`. */
#include "server/admin/admin_impl.h"

#include "common/base/text.h"
#include "protocol/grant.h"
#include "protocol/key_text.h"
#include "server/keys/keyring.h"

#include <string.h>
#include <time.h>

#define TIME_MAX 32
#define SHOWN_MAX 80

/* --- keys --- */

struct keys {
	uint64_t now;
	size_t keys, invites;
};

static char *print_time(uint64_t seconds, char ret[TIME_MAX])
{
	time_t t = (time_t)seconds;
	struct tm utc;

	if (!gmtime_r(&t, &utc) || strftime(ret, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		ret[0] = '\0';
	return ret;
}

static const char *or_all(const char *patterns)
{
	return patterns[0] ? patterns : "all";
}

static void show_key(void *ctx, const struct keyring_entry *e)
{
	char key[KEY_TEXT_LEN + 1], grants[GRANTS_TEXT_MAX], created[TIME_MAX];
	struct admin_call *c = ctx;
	struct keys *s = c->state;

	key_text_public(e->public_key, key);
	grants_print(e->grants, grants);
	print_time(e->created, created);
	s->keys++;
	if (c->json)
		admin_out_json(c, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "event",
					  "key", "name", e->name, "group", e->group, "grants",
					  grants, "images", e->images.text, "created", created,
					  "host", e->host, "public_key", key));
	else
		admin_out(c, "%s\n  may %s, images: %s, group: %s\n  paired %s%s%s\n  %s", e->name,
			grants[0] ? grants : "nothing", or_all(e->images.text), e->group, created,
			e->host[0] ? " with " : "", e->host, key);
}

static void show_invite(void *ctx, const struct keyring_invite *i)
{
	char grants[GRANTS_TEXT_MAX], expires[TIME_MAX], left[TEXT_SECONDS_MAX];
	struct admin_call *c = ctx;
	struct keys *s = c->state;

	grants_print(i->entry.grants, grants);
	print_time(i->expires, expires);
	s->invites++;
	if (c->json)
		admin_out_json(
			c, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "event", "invitation",
				   "name", i->entry.name, "group", i->entry.group, "grants", grants,
				   "images", i->entry.images.text, "expires", expires, "failures",
				   (int)i->failures));
	else
		admin_out(c, "%s (invited, expires in %s)\n  may %s, images: %s, group: %s",
			i->entry.name, text_seconds(left, (double)(i->expires - s->now)),
			grants[0] ? grants : "nothing", or_all(i->entry.images.text),
			i->entry.group);
}

static int run_keys(struct admin_call *c, struct err *err)
{
	struct keys *s = c->state;
	struct keyring *k;

	s->now = (uint64_t)time(NULL);
	if (admin_keyring(c, &k, err) != 0 || keyring_each(k, show_key, c, err) != 0 ||
		keyring_each_invite(k, s->now, show_invite, c, err) != 0)
		return -1;
	if (!c->json && s->keys + s->invites == 0)
		admin_note(c, "no keys and no invitations; drayd invite makes one");
	return 0;
}

static json_t *keys_totals(struct admin_call *c)
{
	struct keys *s = c->state;

	return json_pack("{s:i, s:i}", "keys", (int)s->keys, "invitations", (int)s->invites);
}

const struct admin_row admin_row_keys = {
	.name = "keys", .state_len = sizeof(struct keys), .run = run_keys, .totals = keys_totals
};

/* --- revoke --- */

struct revoke {
	char name[TEXT_NAME_MAX + 1];
};

static int take_revoke(struct admin_call *c, json_t *parameters, struct err *err)
{
	struct revoke *s = c->state;
	char shown[SHOWN_MAX];
	const char *name;
	json_error_t why;

	if (json_unpack_ex(parameters, &why, JSON_STRICT, "{s:s}", "name", &name) != 0)
		return err_set(err, ERR_USAGE, "revoke takes one name");
	if (!text_is_name(name, strlen(name)))
		return err_set(err, ERR_NOT_FOUND, "'%s' is no key's name; drayd keys lists them",
			text_escape(shown, sizeof(shown), name, strlen(name)));
	memcpy(s->name, name, strlen(name) + 1);
	return 0;
}

static int run_revoke(struct admin_call *c, struct err *err)
{
	struct revoke *s = c->state;
	struct keyring *k;

	if (admin_keyring(c, &k, err) != 0 || keyring_revoke(k, s->name, err) != 0)
		return -1;
	if (c->env->serving)
		c->env->revoked(c->env->ctx);
	admin_note(c, "%s is revoked", s->name);
	return 0;
}

const struct admin_row admin_row_revoke = { .name = "revoke",
	.changes = true,
	.state_len = sizeof(struct revoke),
	.take = take_revoke,
	.run = run_revoke };
