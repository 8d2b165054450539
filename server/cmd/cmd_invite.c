/* `drayd invite`: prints a token, alone on stdout so that it can be piped, with which one client
 * can pair. What is wrong with what it grants is said by admin_invite.c. */
#include "server/cmd/cmd.h"

#include "common/base/program.h"
#include "common/base/text.h"
#include "server/admin/admin_client.h"
#include "server/cmd/own_address.h"

#include <string.h>
#include <sys/socket.h>

#define EXPIRES_DEFAULT 900u
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
	if (o->expires > INT64_MAX)
		return err_set(err, ERR_USAGE, "--expires: from 1s to 30d");
	return 0;
}

/* Every text as it was typed; one that is not even UTF-8 is no name, pattern or address. */
static int set_text(json_t *to, const char *option, const char *text, struct err *err)
{
	json_t *json = json_string(text);
	char shown[SHOWN_MAX];

	if (!json)
		return err_set(err, ERR_USAGE, "--%s: '%s' is not UTF-8", option,
			text_escape(shown, sizeof(shown), text, strlen(text)));
	return json_object_set_new(to, option, json) == 0 ? 0 : err_nomem(err);
}

static int set_images(json_t *to, const struct option_list *images, struct err *err)
{
	json_t *list = json_array(), *one = json_object();
	int r = list && one ? json_object_set_new(to, "images", list) : err_nomem(err);

	for (size_t i = 0; i < images->n && r == 0; i++) {
		r = set_text(one, "image", images->items[i], err);
		if (r == 0 && json_array_append(list, json_object_get(one, "image")) != 0)
			r = err_nomem(err);
	}
	json_decref(one);
	return r;
}

/* This host's own addresses are looked for here: serve, in its sandbox, cannot. */
static int set_own(json_t *to, struct err *err)
{
	char host[ADDRESS_HOST_MAX + 1];

	if (own_address_find(AF_INET, host) && set_text(to, "ipv4", host, err) != 0)
		return -1;
	return own_address_find(AF_INET6, host) ? set_text(to, "ipv6", host, err) : 0;
}

static int set_parameters(json_t *to, const struct invite_options *o, struct err *err)
{
	if (set_text(to, "name", o->name, err) != 0 ||
		(o->group && set_text(to, "group", o->group, err) != 0) ||
		(o->allow && set_text(to, "allow", o->allow, err) != 0) ||
		set_images(to, &o->images, err) != 0)
		return -1;
	if (json_object_set_new(to, "expires", json_integer((json_int_t)o->expires)) != 0)
		return err_nomem(err);
	return o->address ? set_text(to, "address", o->address, err) : set_own(to, err);
}

static int invite(const struct invite_options *o)
{
	json_t *parameters = json_object();
	struct err err;

	if (!parameters)
		err_nomem(&err);
	else if (check_options(o, &err) == 0 && set_parameters(parameters, o, &err) == 0)
		return admin_client_run(o->state, "invite", parameters, false);
	json_decref(parameters);
	return program_fail(&err);
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
			"where the client finds this host (default: where serve listens)" },
		{ "allow", 0, OPTION_TEXT, &o.allow, "LIST",
			"what it may do (default: push,migrate)" },
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
	return invite(&o);
}
