/*
 * The admin command `invite`: makes a token, keeps what it will grant, and says the token alone as
 * its result so that it can be piped. What a person wants to know goes to stderr.
 */
#include "server/admin/admin_impl.h"

#include "common/base/text.h"
#include "protocol/grant.h"
#include "protocol/invite.h"
#include "server/keys/keyring.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPIRES_MAX (30u * 86400u)
#define SHOWN_MAX 80

struct invite_state {
	struct keyring_invite kept;
	struct address given;					     /* --address; host "": none */
	char ipv4[ADDRESS_HOST_MAX + 1], ipv6[ADDRESS_HOST_MAX + 1]; /* the host's own; "": none */
	uint64_t expires;
	bool replaces; /* an earlier invitation for that name */
};

/* --- what is granted --- */

static int take_name(const char *option, const char *value, char *ret, struct err *err)
{
	char shown[SHOWN_MAX];

	if (!text_is_name(value, strlen(value)))
		return err_set(err, ERR_USAGE, "--%s: '%s' is no name: one has " TEXT_NAME_RULE,
			option, text_escape(shown, sizeof(shown), value, strlen(value)));
	memcpy(ret, value, strlen(value) + 1);
	return 0;
}

static int take_images(json_t *images, struct keyring_entry *e, struct err *err)
{
	const char *text;
	json_t *image;
	size_t i;

	json_array_foreach(images, i, image)
	{
		text = json_string_value(image);
		if (!text)
			return err_set(err, ERR_USAGE, "--image: a pattern is a text");
		if (pattern_list_add(&e->images, text, err) != 0)
			return err_wrap(err, "--image");
	}
	return 0;
}

static int take_address(const char *text, struct address *ret, struct err *err)
{
	if (address_parse(text, ret, err) != 0)
		return err_wrap(err, "--address");
	if (ret->host[0] == '\0')
		return err_set(err, ERR_USAGE, "--address: the host is missing");
	return 0;
}

static void take_own(const char *text, char ret[ADDRESS_HOST_MAX + 1])
{
	if (text && strlen(text) <= ADDRESS_HOST_MAX)
		memcpy(ret, text, strlen(text) + 1);
}

static int take_invite(struct admin_call *c, json_t *parameters, struct err *err)
{
	const char *name, *group = NULL, *allow = NULL, *address = NULL, *ipv4 = NULL, *ipv6 = NULL;
	struct invite_state *s = c->state;
	struct keyring_entry *e = &s->kept.entry;
	json_int_t expires = 0;
	json_t *images = NULL;
	json_error_t why;

	if (json_unpack_ex(parameters, &why, JSON_STRICT,
		    "{s:s, s:I, s?s, s?s, s?s, s?o, s?s, s?s}", "name", &name, "expires", &expires,
		    "group", &group, "allow", &allow, "address", &address, "images", &images,
		    "ipv4", &ipv4, "ipv6", &ipv6) != 0)
		return err_set(err, ERR_USAGE, "invite needs --name NAME, the client's name here");
	if (take_name("name", name, e->name, err) != 0 ||
		take_name("group", group ? group : name, e->group, err) != 0)
		return -1;
	if (expires < 1 || expires > EXPIRES_MAX)
		return err_set(err, ERR_USAGE, "--expires: from 1s to 30d");
	s->expires = (uint64_t)expires;
	e->grants = GRANTS_DEFAULT;
	if (allow && grants_parse(allow, &e->grants, err) != 0)
		return err_wrap(err, "--allow");
	take_own(ipv4, s->ipv4);
	take_own(ipv6, s->ipv6);
	if (address && take_address(address, &s->given, err) != 0)
		return -1;
	return take_images(images, e, err);
}

/* --- where the client finds this host --- */

static bool is_any(const char *host)
{
	return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* The address that others most likely reach among those that serve listens on: a certain one before
 * all of this host's, and loopback last. */
static const struct address *best_listening(const struct admin_env *env)
{
	const struct address *best = NULL;
	int best_rank = -1;

	for (size_t i = 0; i < env->n_listening; i++) {
		const struct address *a = &env->listening[i];
		int rank = is_any(a->host) ? 1 : is_loopback(a->host) ? 0 : 2;

		if (rank > best_rank) {
			best = a;
			best_rank = rank;
		}
	}
	return best;
}

static int choose_address(const struct admin_call *c, struct address *ret, struct err *err)
{
	const struct invite_state *s = c->state;
	const struct address *listening = c->env->serving ? best_listening(c->env) : NULL;
	const char *own = s->ipv4[0] ? s->ipv4 : s->ipv6;

	*ret = s->given;
	if (ret->host[0])
		return 0;
	if (listening)
		*ret = *listening;
	else
		ret->port = ADDRESS_PORT_DEFAULT;
	if (!is_any(ret->host))
		return 0;
	if (strcmp(ret->host, "0.0.0.0") == 0)
		own = s->ipv4;
	if (!own[0])
		return err_set(err, ERR_NOT_FOUND,
			"this host has no address that others can reach; give --address HOST:PORT");
	memcpy(ret->host, own, strlen(own) + 1);
	return 0;
}

/* --- making it --- */

/* The token's text is the only place where its secret stays. */
static int make_token(struct keyring *k, const char *address, struct keyring_invite *kept,
	uint64_t now, char ret[INVITE_TEXT_MAX], struct err *err)
{
	struct invite token = { .expires = (uint32_t)kept->expires };
	int r;

	memcpy(token.server_key, keyring_own_key(k)->public_key, KEY_LEN);
	snprintf(token.address, sizeof(token.address), "%s", address);
	randombytes_buf(token.token_id, sizeof(token.token_id));
	randombytes_buf(token.secret, sizeof(token.secret));
	invite_psk(&token, kept->entry.psk);
	r = keyring_add_invite(k, token.token_id, kept, now, err);
	if (r == 0)
		invite_print(&token, ret);
	sodium_memzero(&token, sizeof(token));
	return r;
}

static void look_for_earlier(void *ctx, const struct keyring_invite *i)
{
	struct invite_state *s = ctx;

	s->replaces = s->replaces || strcmp(i->entry.name, s->kept.entry.name) == 0;
}

static void tell(struct admin_call *c, const char *address)
{
	const struct invite_state *s = c->state;
	const struct keyring_entry *e = &s->kept.entry;
	char grants[GRANTS_TEXT_MAX], good[TEXT_SECONDS_MAX];

	if (s->replaces)
		admin_note(c, "the earlier invitation for %s is no longer valid", e->name);
	if (!s->given.host[0])
		admin_note(c, "the token says to connect to %s; choose another with --address",
			address);
	admin_note(c, "whoever pairs as %s within %s may: %s (images: %s; group: %s)", e->name,
		text_seconds(good, (double)s->expires), grants_print(e->grants, grants),
		e->images.text[0] ? e->images.text : "all", e->group);
}

static int run_invite(struct admin_call *c, struct err *err)
{
	struct invite_state *s = c->state;
	char address[ADDRESS_TEXT_MAX + 1], text[INVITE_TEXT_MAX];
	uint64_t now = (uint64_t)time(NULL);
	struct address where;
	struct keyring *k;

	s->kept.entry.created = now;
	s->kept.expires = now + s->expires;
	if (s->kept.expires > UINT32_MAX)
		return err_set(err, ERR_FAILED, "this host's clock is past the year 2106");
	if (choose_address(c, &where, err) != 0 || admin_keyring(c, &k, err) != 0 ||
		keyring_each_invite(k, now, look_for_earlier, s, err) != 0)
		return -1;
	address_print(&where, address);
	/* Room at once: what grows leaves copies of the secret behind. */
	buf_reserve(&c->replies, 4 * INVITE_TEXT_MAX + 2 * ERR_TEXT_MAX);
	if (make_token(k, address, &s->kept, now, text, err) != 0)
		return -1;
	tell(c, address);
	admin_out(c, "%s", text);
	sodium_memzero(text, sizeof(text));
	return 0;
}

static void done_invite(struct admin_call *c)
{
	sodium_memzero(c->state, sizeof(struct invite_state));
}

const struct admin_row admin_row_invite = { .name = "invite",
	.changes = true,
	.state_len = sizeof(struct invite_state),
	.take = take_invite,
	.run = run_invite,
	.done = done_invite };
