/*
 * `drayd invite`: makes a token, keeps what it will grant, and prints the token alone on stdout so
 * that it can be piped. What a person wants to know goes to stderr.
 */
#include "server/cmd.h"

#include "common/base/log.h"
#include "common/base/program.h"
#include "common/base/text.h"
#include "protocol/grant.h"
#include "protocol/invite.h"
#include "server/keyring.h"
#include "server/own_address.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EXPIRES_DEFAULT 900u
#define EXPIRES_MAX (30u * 86400u)
#define NOT_YET                                                                                    \
	3 /* rows of options that are refused: they come first, and --help leaves them out */
#define SHOWN_MAX 80

struct invite_options {
	const char *name, *address, *allow, *group, *state;
	struct option_list images;
	uint64_t expires;
	const char *quota;
	struct option_list volumes;
	bool append_only;
};

static const char invite_text[] =
	"Prints a token with which one client can pair, once. Give it to `dray pair` there.\n";

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

static int check_options(const struct invite_options *o, struct err *err)
{
	const char *not_yet = o->quota	       ? "quota"
			      : o->volumes.n   ? "volume"
			      : o->append_only ? "append-only"
					       : NULL;

	if (not_yet)
		return err_set(err, ERR_USAGE,
			"--%s cannot be enforced by this version, so it is not accepted", not_yet);
	if (!o->name)
		return err_set(err, ERR_USAGE, "invite needs --name NAME, the client's name here");
	if (o->expires == 0 || o->expires > EXPIRES_MAX)
		return err_set(err, ERR_USAGE, "--expires: from 1s to 30d");
	return 0;
}

static int take_grants(const struct invite_options *o, struct keyring_entry *e, struct err *err)
{
	if (take_name("name", o->name, e->name, err) != 0 ||
		take_name("group", o->group ? o->group : o->name, e->group, err) != 0)
		return -1;
	e->grants = GRANTS_DEFAULT;
	if (o->allow && grants_parse(o->allow, &e->grants, err) != 0)
		return err_wrap(err, "--allow");
	for (size_t i = 0; i < o->images.n; i++) {
		if (pattern_list_add(&e->images, o->images.items[i], err) != 0)
			return err_wrap(err, "--image");
	}
	return 0;
}

static int choose_address(const char *given, char ret[ADDRESS_TEXT_MAX + 1], struct err *err)
{
	struct address a;

	if (given) {
		if (address_parse(given, &a, err) != 0)
			return err_wrap(err, "--address");
		if (a.host[0] == '\0')
			return err_set(err, ERR_USAGE, "--address: the host is missing");
		address_print(&a, ret);
		return 0;
	}
	if (own_address_find(&a, err) != 0)
		return -1;
	log_info("the token says to connect to %s; choose another with --address",
		address_print(&a, ret));
	return 0;
}

static void tell(const struct keyring_invite *invite, uint64_t seconds)
{
	char grants[GRANTS_TEXT_MAX], good[TEXT_SECONDS_MAX];
	const struct keyring_entry *e = &invite->entry;

	log_info("whoever pairs as %s within %s may: %s (images: %s; group: %s)", e->name,
		text_seconds(good, (double)seconds), grants_print(e->grants, grants),
		e->images.text[0] ? e->images.text : "all", e->group);
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

static int invite(const struct invite_options *o, struct err *err)
{
	struct keyring_invite kept;
	char address[ADDRESS_TEXT_MAX + 1], text[INVITE_TEXT_MAX];
	uint64_t now = (uint64_t)time(NULL);
	struct keyring *k;
	int r;

	memset(&kept, 0, sizeof(kept));
	if (check_options(o, err) != 0 || take_grants(o, &kept.entry, err) != 0 ||
		choose_address(o->address, address, err) != 0)
		return -1;
	kept.entry.created = now;
	kept.expires = now + o->expires;
	if (kept.expires > UINT32_MAX)
		return err_set(err, ERR_FAILED, "this host's clock is past the year 2106");
	if (keyring_open(o->state, &k, err) != 0)
		return -1;
	r = make_token(k, address, &kept, now, text, err);
	keyring_close(k);
	if (r == 0) {
		tell(&kept, o->expires);
		puts(text);
	}
	sodium_memzero(text, sizeof(text));
	sodium_memzero(&kept, sizeof(kept));
	return r;
}

int cmd_invite(int argc, char **argv)
{
	struct invite_options o = { .state = cmd_state_dir(), .expires = EXPIRES_DEFAULT };
	const struct option_row rows[] = {
		{ "quota", 0, OPTION_TEXT, &o.quota, "SIZE", "" },
		{ "volume", 0, OPTION_LIST, &o.volumes, "PATTERN", "" },
		{ "append-only", 0, OPTION_FLAG, &o.append_only, NULL, "" },
		{ "name", 0, OPTION_TEXT, &o.name, "NAME", "the client's name here (required)" },
		{ "address", 0, OPTION_TEXT, &o.address, "HOST:PORT",
			"where the client finds this host (default: its first address)" },
		{ "allow", 0, OPTION_TEXT, &o.allow, "LIST", "what it may do (default: push)" },
		{ "image", 0, OPTION_LIST, &o.images, "PATTERN",
			"which images: web/*, registry.lan/**, !web/base (repeatable; default "
			"all)" },
		{ "group", 0, OPTION_TEXT, &o.group, "GROUP",
			"keys of one group share what is stored (default: one of its own)" },
		{ "expires", 0, OPTION_SECONDS, &o.expires, "TIME",
			"how long the token is good (default 15m)" },
		{ "state", 0, OPTION_TEXT, &o.state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	bool help = false;
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		return program_fail(&err);
	if (help) {
		program_help("invite --name NAME [OPTION]...", invite_text, rows + NOT_YET);
		return 0;
	}
	if (n > 0) {
		err_set(&err, ERR_USAGE, "invite takes options only; see drayd invite --help");
		return program_fail(&err);
	}
	return invite(&o, &err) == 0 ? 0 : program_fail(&err);
}
