/* Admin commands without a socket: what they take, what they say, and how they walk the stores. */
#include "common/base/log.h"
#include "protocol/grant.h"
#include "protocol/invite.h"
#include "server/admin/admin.h"
#include "server/admin/admin_local.h"
#include "server/keys/keyring.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#define SAID_MAX 65536u

/* A state directory, and what the last command said. */
struct world {
	char *dir;
	struct admin_env env;
	struct buf out, notes; /* each line with its newline, and a NUL at the end */
	struct err result, err;
	size_t steps, revoked;
};

static void on_revoked(void *ctx)
{
	struct world *w = ctx;

	w->revoked++;
}

static void sessions(void *ctx, admin_session_fn *fn, void *fn_ctx)
{
	(void)ctx;
	fn(fn_ctx, "laptop", "192.0.2.7:1234", 2);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_start("test", LOG_ERROR, false);
	w->dir = temp_dir_make();
	w->env = (struct admin_env){
		.state_dir = w->dir, .revoked = on_revoked, .sessions = sessions, .ctx = w
	};
	assert_ok(keyring_open(w->dir, &w->env.keyring, &w->err), &w->err);
	buf_init(&w->out, SAID_MAX);
	buf_init(&w->notes, SAID_MAX);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	keyring_close(w->env.keyring);
	buf_done(&w->out);
	buf_done(&w->notes);
	temp_dir_remove(w->dir);
	free(w);
	return 0;
}

static const char *in_state(const struct world *w, const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return path;
}

/* --- running a command --- */

static void hear(struct world *w, const struct admin_reply *r)
{
	struct buf *to = r->kind == ADMIN_OUT ? &w->out : &w->notes;

	if (r->kind == ADMIN_DONE)
		w->result = r->result;
	if (r->kind != ADMIN_OUT && r->kind != ADMIN_NOTE)
		return;
	buf_append(to, r->text, strlen(r->text));
	buf_append(to, "\n", 1);
}

static void take_replies(struct world *w, struct admin_call *c)
{
	struct buf *b = admin_replies(c);

	while (buf_len(b) > 0) {
		const uint8_t *newline = memchr(buf_bytes(b), '\n', buf_len(b));
		struct admin_reply reply;
		size_t n;

		assert_non_null(newline);
		n = (size_t)(newline - buf_bytes(b));
		assert_ok(admin_parse_reply((char *)buf_bytes(b), n, &reply, &w->err), &w->err);
		hear(w, &reply);
		json_decref(reply.json);
		buf_consume(b, n + 1);
	}
}

/* Steps through it as a serve would; `most` steps, then it is given up. */
static void walk(struct world *w, struct admin_call *c, size_t most)
{
	struct store *s = NULL;
	char at[300] = "", dir[300];
	const char *name;

	for (w->steps = 0; (name = admin_turn(c)); w->steps++) {
		snprintf(dir, sizeof(dir), "%s/domains/%s", w->dir, name);
		if (w->steps == most)
			admin_give_up(c);
		if (strcmp(at, dir) != 0) {
			store_close(s);
			s = NULL;
			memcpy(at, dir, sizeof(dir));
		}
		if (s || store_open(dir, &s, &w->err) == 0)
			admin_step(c, s);
		else
			admin_not_open(c, &w->err);
		take_replies(w, c);
	}
	store_close(s);
	take_replies(w, c);
}

static void run_some(struct world *w, const char *command, json_t *parameters, size_t most)
{
	struct admin_call *c;

	buf_clear(&w->out);
	buf_clear(&w->notes);
	assert_ok(admin_begin(&w->env, command, parameters, &c, &w->err), &w->err);
	json_decref(parameters);
	walk(w, c, most);
	assert_string_equal(err_code_name(admin_result(c)->code), err_code_name(w->result.code));
	admin_free(c);
	buf_append(&w->out, "", 1);
	buf_append(&w->notes, "", 1);
}

static void run(struct world *w, const char *command, json_t *parameters)
{
	run_some(w, command, parameters, SIZE_MAX);
}

static const char *out(const struct world *w)
{
	return (const char *)buf_bytes(&w->out);
}

static const char *notes(const struct world *w)
{
	return (const char *)buf_bytes(&w->notes);
}

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

/* The last line of --json. Caller json_decref. */
static json_t *result_of(const struct world *w)
{
	const char *at = strstr(out(w), "{\"event\":\"result\"");
	json_t *json = at ? json_loads(at, JSON_DISABLE_EOF_CHECK, NULL) : NULL;

	assert_non_null(json);
	return json;
}

static json_int_t field(const struct world *w, const char *name)
{
	json_t *result = result_of(w);
	json_int_t n = json_integer_value(json_object_get(result, name));

	json_decref(result);
	return n;
}

/* --- parameters --- */

static void what_is_no_command_or_no_parameter_is_refused(void **state)
{
	static const char *const wrong[][2] = { { "frobnicate", "{}" }, { "keys", "[]" },
		{ "keys", "{\"x\":1}" }, { "keys", "{\"json\":1}" }, { "check", "{\"read\":true}" },
		{ "check", "{\"read-data\":1}" }, { "prune", "{\"dry_run\":true}" },
		{ "revoke", "{}" }, { "revoke", "{\"name\":7}" }, { "invite", "{}" },
		{ "invite", "{\"name\":\"a\",\"expires\":900,\"images\":[1]}" },
		{ "invite", "{\"name\":\"a\",\"expires\":0}" },
		{ "invite", "{\"name\":\"a\",\"expires\":9000000}" },
		{ "invite", "{\"name\":\"a b\",\"expires\":900}" },
		{ "invite", "{\"name\":\"a\",\"expires\":900,\"group\":\"../x\"}" },
		{ "invite", "{\"name\":\"a\",\"expires\":900,\"address\":\":7\"}" },
		{ "invite", "{\"name\":\"a\",\"expires\":900,\"allow\":\"fly\"}" } };
	struct world *w = *state;
	struct admin_call *c;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		json_t *parameters = json_loads(wrong[i][1], 0, NULL);

		assert_fails(admin_begin(&w->env, wrong[i][0], parameters, &c, &w->err), &w->err,
			ERR_USAGE);
		json_decref(parameters);
	}
}

/* --- keys --- */

static json_t *invite_for(const char *name)
{
	return json_pack("{s:s, s:i, s:s, s:s}", "name", name, "expires", 900, "ipv4", "192.0.2.1",
		"ipv6", "2001:db8::1");
}

/* The address in the token that the command just printed, which is all that it printed. */
static void assert_token_says(const struct world *w, const char *address)
{
	struct invite token;
	struct err err;
	size_t n = strlen(out(w)) - 1;

	assert_int_equal(out(w)[n], '\n');
	assert_ok(invite_parse(out(w), n, &token, &err), &err);
	assert_string_equal(token.address, address);
}

static void a_token_says_where_serve_listens(void **state)
{
	static const struct {
		const char *listening[2], *says;
	} cases[] = { { { ":7750", NULL }, "192.0.2.1:7750" },
		{ { "0.0.0.0:7751", NULL }, "192.0.2.1:7751" },
		{ { "[::]:7752", NULL }, "192.0.2.1:7752" },
		{ { "198.51.100.3:80", NULL }, "198.51.100.3:80" },
		{ { "127.0.0.1:1", ":7753" }, "192.0.2.1:7753" },
		{ { ":7754", "[2001:db8::7]:7755" }, "[2001:db8::7]:7755" },
		{ { "127.0.0.1:7756", "[::1]:7757" }, "127.0.0.1:7756" } };
	struct world *w = *state;
	static struct address listening[2];

	w->env.serving = true;
	w->env.listening = listening;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		w->env.n_listening = 0;
		for (size_t k = 0; k < 2 && cases[i].listening[k]; k++)
			assert_ok(address_parse(cases[i].listening[k],
					  &listening[w->env.n_listening++], &w->err),
				&w->err);
		run(w, "invite", invite_for("laptop"));
		assert_int_equal(w->result.code, ERR_NONE);
		assert_token_says(w, cases[i].says);
		assert_says(notes(w), cases[i].says);
	}
}

static void a_token_without_a_serve_says_this_hosts_address_and_the_usual_port(void **state)
{
	struct world *w = *state;

	run(w, "invite", invite_for("laptop"));
	assert_token_says(w, "192.0.2.1:7747");
}

static void a_token_says_the_address_that_was_given(void **state)
{
	struct world *w = *state;
	json_t *parameters = invite_for("laptop");

	json_object_set_new(parameters, "address", json_string("dock.example:99"));
	run(w, "invite", parameters);
	assert_token_says(w, "dock.example:99");
	assert_null(strstr(notes(w), "dock.example"));
}

static void a_host_without_an_address_is_told_to_give_one(void **state)
{
	struct world *w = *state;

	run(w, "invite", json_pack("{s:s, s:i}", "name", "laptop", "expires", 900));
	assert_int_equal(w->result.code, ERR_NOT_FOUND);
	assert_says(w->result.text, "--address");
	assert_string_equal(out(w), "");
}

static void an_earlier_invitation_is_replaced_and_that_is_said(void **state)
{
	struct world *w = *state;

	run(w, "invite", invite_for("laptop"));
	assert_null(strstr(notes(w), "earlier"));
	run(w, "invite", invite_for("laptop"));
	assert_says(notes(w), "earlier invitation for laptop");
	run(w, "keys", json_pack("{s:b}", "json", 1));
	assert_int_equal(field(w, "invitations"), 1);
}

static void the_list_of_keys_shows_no_secret(void **state)
{
	struct world *w = *state;
	char token[INVITE_TEXT_MAX];

	run(w, "invite", invite_for("laptop"));
	snprintf(token, sizeof(token), "%.40s", out(w) + strlen("dray-invite1:"));
	assert_null(strstr(notes(w), token));
	run(w, "keys", NULL);
	assert_says(out(w), "laptop (invited, expires in 1");
	assert_null(strstr(out(w), token));
	assert_null(strstr(out(w), "psk"));
}

static void revoking_ends_the_sessions_of_a_serve(void **state)
{
	struct world *w = *state;

	run(w, "invite", invite_for("laptop"));
	w->env.serving = true;
	run(w, "revoke", json_pack("{s:s}", "name", "laptop"));
	assert_int_equal(w->result.code, ERR_NONE);
	assert_int_equal(w->revoked, 1);
	run(w, "revoke", json_pack("{s:s}", "name", "laptop"));
	assert_int_equal(w->result.code, ERR_NOT_FOUND);
	assert_int_equal(w->revoked, 1);
}

/* --- stores --- */

/* A domain with `n` records of ten chunks. */
static void make_domain(struct world *w, const char *name, uint64_t n)
{
	char dir[300];
	struct store *s;

	snprintf(dir, sizeof(dir), "%s/domains", w->dir);
	assert_true(mkdir(dir, 0700) == 0 || access(dir, F_OK) == 0);
	snprintf(dir, sizeof(dir), "%s/domains/%s", w->dir, name);
	s = fixture_open(dir);
	for (uint64_t i = 0; i < n; i++)
		sample_put(s, 2 * i + 1, 10, 2000);
	assert_ok(store_sync(s, &w->err), &w->err);
	store_close(s);
}

/* One byte of a chunk of its first record. */
static void damage_domain(struct world *w, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/domains/%s/" FIXTURE_PACK1, w->dir, name);
	fixture_flip(path, 15000, 0x10);
}

/* What cannot be opened: its lock is a directory. */
static void break_domain(struct world *w, const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/domains/%s", w->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/domains/%s/lock", w->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static json_t *check_all(void)
{
	return json_pack("{s:b, s:b}", "read-data", 1, "json", 1);
}

static void a_state_without_domains_has_nothing_to_look_at(void **state)
{
	static const char *const commands[] = { "check", "prune", "stats" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		run(w, commands[i], json_pack("{s:b}", "json", 1));
		assert_int_equal(w->result.code, ERR_NONE);
		assert_int_equal(field(w, "domains"), 0);
	}
}

static void every_domain_is_looked_at_in_order_and_summed_up(void **state)
{
	struct world *w = *state;
	const char *a, *b, *c;

	make_domain(w, "b", 2);
	make_domain(w, "c", 3);
	make_domain(w, "a", 1);
	assert_int_equal(mkdir(in_state(w, "domains/.hidden"), 0700), 0);
	assert_int_equal(close(open(in_state(w, "domains/file"), O_CREAT | O_WRONLY, 0600)), 0);
	run(w, "stats", json_pack("{s:b}", "json", 1));
	a = strstr(out(w), "\"name\":\"a\"");
	b = strstr(out(w), "\"name\":\"b\"");
	c = strstr(out(w), "\"name\":\"c\"");
	assert_true(a && b && c && a < b && b < c);
	assert_int_equal(field(w, "domains"), 3);
	assert_int_equal(field(w, "chunks"), 60);
	assert_int_equal(field(w, "raw_bytes"), 60 * 2000);
	run(w, "check", check_all());
	assert_int_equal(w->result.code, ERR_NONE);
	assert_int_equal(field(w, "domains"), 3);
	assert_int_equal(field(w, "segments"), 6);
	assert_int_equal(field(w, "chunks"), 60);
	assert_int_equal(field(w, "damaged_domains"), 0);
}

static void a_serve_tells_its_limits_and_its_sessions(void **state)
{
	struct store_limits limits = { .cache_max = 5000000000, .floor_free = 1000000 };
	struct world *w = *state;

	make_domain(w, "a", 1);
	w->env.serving = true;
	w->env.limits = &limits;
	run(w, "stats", NULL);
	assert_says(out(w), "cache limit: 5GB");
	assert_says(out(w), "kept free: 1MB");
	assert_says(out(w), "session of laptop (192.0.2.7:1234): 2 jobs");
	run(w, "stats", json_pack("{s:b}", "json", 1));
	assert_int_equal(field(w, "sessions"), 1);
	assert_int_equal(field(w, "cache_max"), 5000000000);
	assert_true(field(w, "free_bytes") > 0);
}

static void damage_is_what_a_check_fails_with(void **state)
{
	struct world *w = *state;

	make_domain(w, "a", 2);
	make_domain(w, "b", 2);
	damage_domain(w, "a");
	run(w, "check", check_all());
	assert_int_equal(w->result.code, ERR_CORRUPT);
	assert_int_equal(err_exit_code(&w->result), 7);
	assert_says(w->result.text, "1 of 2 domains");
	assert_int_equal(field(w, "domains"), 2);
	assert_int_equal(field(w, "damaged_domains"), 1);
	assert_int_equal(field(w, "damaged_segments"), 1);
	assert_int_equal(field(w, "damaged_chunks"), 10);
	assert_says(out(w), "{\"event\":\"problem\",\"domain\":\"a\"");
	assert_says(out(w), "\"ok\":false,\"kind\":\"check\"");
	assert_says(out(w), "\"code\":\"corrupt\"");
}

static void a_domain_that_cannot_be_opened_does_not_hide_the_others(void **state)
{
	struct world *w = *state;

	make_domain(w, "a", 1);
	break_domain(w, "b");
	make_domain(w, "c", 1);
	run(w, "check", check_all());
	assert_int_equal(w->result.code, ERR_IO);
	assert_says(w->result.text, "1 of 3 domains");
	assert_int_equal(field(w, "domains"), 2);
	assert_says(out(w), "\"name\":\"b\",\"ok\":false,\"code\":\"io\"");
	run(w, "stats", NULL);
	assert_int_equal(w->result.code, ERR_IO);
	assert_says(notes(w), "b: ");
	assert_says(out(w), "c: ");
}

static void a_prune_says_what_it_would_give_up_before_it_does(void **state)
{
	struct world *w = *state;
	json_int_t freed;

	make_domain(w, "a", 4);
	run(w, "prune", json_pack("{s:b, s:b}", "json", 1, "dry-run", 1));
	freed = field(w, "bytes_freed");
	assert_true(freed > 0);
	run(w, "stats", json_pack("{s:b}", "json", 1));
	assert_int_equal(field(w, "chunks"), 40);
	run(w, "prune", json_pack("{s:b}", "json", 1));
	assert_int_equal(field(w, "bytes_freed"), freed);
	run(w, "stats", json_pack("{s:b}", "json", 1));
	assert_int_equal(field(w, "chunks"), 0);
}

static void an_index_that_is_made_anew_knows_what_the_old_one_knew(void **state)
{
	struct world *w = *state;

	make_domain(w, "a", 3);
	run(w, "check", json_pack("{s:b, s:b}", "json", 1, "rebuild-index", 1));
	assert_int_equal(w->result.code, ERR_NONE);
	run(w, "stats", json_pack("{s:b}", "json", 1));
	assert_int_equal(field(w, "chunks"), 30);
}

static void damage_that_the_new_index_passes_over_is_told_once(void **state)
{
	struct world *w = *state;

	make_domain(w, "a", 3);
	damage_domain(w, "a");
	run(w, "check", json_pack("{s:b, s:b}", "json", 1, "rebuild-index", 1));
	assert_int_equal(w->result.code, ERR_CORRUPT);
	assert_int_equal(field(w, "damaged_segments"), 1);
	run(w, "check", json_pack("{s:b, s:b}", "json", 1, "rebuild-index", 1));
	assert_int_equal(w->result.code, ERR_NONE);
}

/* Whatever is held is let go of; a leak checker watches. */
static void a_check_can_be_given_up_at_any_step(void **state)
{
	struct world *w = *state;
	size_t whole;

	make_domain(w, "a", 3);
	make_domain(w, "b", 3);
	run(w, "check", check_all());
	whole = w->steps;
	assert_true(whole >= 4);
	for (size_t most = 0; most < whole; most++) {
		run_some(w, "check", check_all(), most);
		assert_int_equal(w->result.code, ERR_INTERRUPTED);
		assert_int_equal(w->steps, most + 1);
	}
}

/* --- lines --- */

static void every_error_survives_the_socket(void **state)
{
	struct admin_reply reply;
	struct buf b;
	struct err err, sent;

	(void)state;
	for (int code = 0; code < ERR_CODE_COUNT; code++) {
		buf_init(&b, 1000);
		err_set(&sent, (enum err_code)code, "why \"%d\" \\ \n", code);
		admin_put_done(&b, &sent);
		assert_true(buf_ok(&b));
		assert_ok(
			admin_parse_reply((char *)buf_bytes(&b), buf_len(&b), &reply, &err), &err);
		assert_int_equal(reply.kind, ADMIN_DONE);
		assert_int_equal(reply.result.code, code);
		if (code != ERR_NONE)
			assert_string_equal(reply.result.text, sent.text);
		json_decref(reply.json);
		buf_done(&b);
	}
}

static void text_that_is_not_utf_8_arrives_escaped(void **state)
{
	struct admin_reply reply;
	struct buf b;
	struct err err;

	(void)state;
	buf_init(&b, 1000);
	admin_put_line(&b, "note", "a\xff\xfe/b");
	assert_ok(admin_parse_reply((char *)buf_bytes(&b), buf_len(&b), &reply, &err), &err);
	assert_int_equal(reply.kind, ADMIN_NOTE);
	assert_string_equal(reply.text, "a\\xff\\xfe/b");
	json_decref(reply.json);
	buf_done(&b);
}

static void what_is_no_reply_is_refused(void **state)
{
	static const char *const wrong[] = { "", "{", "[]", "7", "{}", "{\"out\":7}",
		"{\"done\":\"perhaps\"}", "{\"done\":\"none\",\"done\":\"io\"}", "{\"in\":\"x\"}" };
	struct admin_reply reply;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_fails(admin_parse_reply(wrong[i], strlen(wrong[i]), &reply, &err), &err,
			ERR_PROTOCOL);
}

static void replies_may_be_cut_anywhere(void **state)
{
	static const char lines[] =
		"{\"progress\":\"half\"}\n{\"done\":\"full\",\"error\":\"x\"}\n";
	struct admin_show show;
	struct err err;

	(void)state;
	for (size_t cut = 0; cut < sizeof(lines); cut++) {
		admin_show_init(&show);
		assert_ok(admin_show_take(&show, lines, cut, &err), &err);
		assert_ok(admin_show_take(&show, lines + cut, strlen(lines) - cut, &err), &err);
		assert_true(show.over);
		assert_int_equal(show.result.code, ERR_FULL);
		assert_fails(
			admin_show_take(&show, lines, strlen(lines), &err), &err, ERR_PROTOCOL);
		admin_show_done(&show);
	}
}

#define CASE(name) TEST_WITH(name, set_up, tear_down)

RUN_TESTS(CASE(what_is_no_command_or_no_parameter_is_refused),
	CASE(a_token_says_where_serve_listens),
	CASE(a_token_without_a_serve_says_this_hosts_address_and_the_usual_port),
	CASE(a_token_says_the_address_that_was_given),
	CASE(a_host_without_an_address_is_told_to_give_one),
	CASE(an_earlier_invitation_is_replaced_and_that_is_said),
	CASE(the_list_of_keys_shows_no_secret), CASE(revoking_ends_the_sessions_of_a_serve),
	CASE(a_state_without_domains_has_nothing_to_look_at),
	CASE(every_domain_is_looked_at_in_order_and_summed_up),
	CASE(a_serve_tells_its_limits_and_its_sessions), CASE(damage_is_what_a_check_fails_with),
	CASE(a_domain_that_cannot_be_opened_does_not_hide_the_others),
	CASE(a_prune_says_what_it_would_give_up_before_it_does),
	CASE(an_index_that_is_made_anew_knows_what_the_old_one_knew),
	CASE(damage_that_the_new_index_passes_over_is_told_once),
	CASE(a_check_can_be_given_up_at_any_step), TEST(every_error_survives_the_socket),
	TEST(text_that_is_not_utf_8_arrives_escaped), TEST(what_is_no_reply_is_refused),
	TEST(replies_may_be_cut_anywhere))
