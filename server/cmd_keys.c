/* `drayd keys`: who may do what, and which invitations wait. No secret is shown. */
#include "server/cmd.h"

#include "common/base/program.h"
#include "common/base/text.h"
#include "protocol/grant.h"
#include "protocol/key_text.h"
#include "server/keyring.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIME_MAX 32

struct show {
	bool json, failed;
	uint64_t now;
	size_t keys, invites;
};

static const char keys_text[] = "Lists the keys that may connect, and invitations that wait.\n";

static char *print_time(uint64_t seconds, char ret[TIME_MAX])
{
	time_t t = (time_t)seconds;
	struct tm utc;

	if (!gmtime_r(&t, &utc) || strftime(ret, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		ret[0] = '\0';
	return ret;
}

/* Prints and frees the object. */
static void print_json(struct show *s, json_t *object)
{
	char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (line)
		puts(line);
	else
		s->failed = true;
	free(line);
	json_decref(object);
}

static void show_key(void *ctx, const struct keyring_entry *e)
{
	char key[KEY_TEXT_LEN + 1], grants[GRANTS_TEXT_MAX], created[TIME_MAX];
	struct show *s = ctx;

	key_text_public(e->public_key, key);
	grants_print(e->grants, grants);
	print_time(e->created, created);
	s->keys++;
	if (s->json)
		print_json(s, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "event", "key",
				      "name", e->name, "group", e->group, "grants", grants,
				      "images", e->images.text, "created", created, "host", e->host,
				      "public_key", key));
	else
		printf("%s\n  may %s, images: %s, group: %s\n  paired %s%s%s\n  %s\n", e->name,
			grants[0] ? grants : "nothing", e->images.text[0] ? e->images.text : "all",
			e->group, created, e->host[0] ? " with " : "", e->host, key);
}

static void show_invite(void *ctx, const struct keyring_invite *i)
{
	char grants[GRANTS_TEXT_MAX], expires[TIME_MAX], left[TEXT_SECONDS_MAX];
	struct show *s = ctx;

	grants_print(i->entry.grants, grants);
	print_time(i->expires, expires);
	s->invites++;
	if (s->json)
		print_json(s, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "event",
				      "invitation", "name", i->entry.name, "group", i->entry.group,
				      "grants", grants, "images", i->entry.images.text, "expires",
				      expires, "failures", (int)i->failures));
	else
		printf("%s (invited, expires in %s)\n  may %s, images: %s, group: %s\n",
			i->entry.name, text_seconds(left, (double)(i->expires - s->now)),
			grants[0] ? grants : "nothing",
			i->entry.images.text[0] ? i->entry.images.text : "all", i->entry.group);
}

static int keys(const char *state, bool json, struct err *err)
{
	struct show s = { .json = json, .now = (uint64_t)time(NULL) };
	struct keyring *k;
	int r;

	if (!keyring_exists(state))
		return err_set(err, ERR_NOT_FOUND,
			"%s holds no state of drayd; choose another with --state, or begin with "
			"drayd invite",
			state);
	if (keyring_open(state, &k, err) != 0)
		return -1;
	r = keyring_each(k, show_key, &s, err);
	if (r == 0)
		r = keyring_each_invite(k, s.now, show_invite, &s, err);
	keyring_close(k);
	if (r == 0 && json)
		print_json(&s,
			json_pack("{s:s, s:b, s:s, s:i, s:i}", "event", "result", "ok", 1, "kind",
				"keys", "keys", (int)s.keys, "invitations", (int)s.invites));
	else if (r == 0 && s.keys + s.invites == 0)
		fputs("no keys and no invitations; drayd invite makes one\n", stderr);
	return r == 0 && s.failed ? err_nomem(err) : r;
}

int cmd_keys(int argc, char **argv)
{
	const char *state = cmd_state_dir();
	bool json = false, help = false;
	const struct option_row rows[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "one JSON object a line" },
		{ "state", 0, OPTION_TEXT, &state, "DIR",
			"state directory (default DRAYD_STATE_DIR or /var/lib/dray)" },
		{ 0 },
	};
	struct err err;
	int n;

	if (options_parse(rows, argc, argv, &n, &help, &err) != 0)
		return program_fail(&err);
	if (help) {
		program_help("keys [OPTION]...", keys_text, rows);
		return 0;
	}
	if (n > 0) {
		err_set(&err, ERR_USAGE, "keys takes options only; see drayd keys --help");
		return program_fail(&err);
	}
	return keys(state, json, &err) == 0 ? 0 : program_fail(&err);
}
