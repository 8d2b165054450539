/* What is told before and after. */
#include "common/cargo/container_compare.h"
#include "common/cargo/container_findings.h"
#include "tests/unit/cargo/answers.h"

#include <string.h>

static const struct container_target new = { .api = 51 };
static const struct container_choice as_it_was = { 0 };

static const struct fidelity_row *row_of(const struct fidelity *f, const char *field)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->rows[i].field, field) == 0)
			return &f->rows[i];
	fail_msg("no row for %s", field);
	return NULL;
}

static void assert_row(const struct fidelity *f, const char *field, enum fidelity_outcome outcome,
	const char *reason)
{
	const struct fidelity_row *row = row_of(f, field);

	if (row->outcome != outcome || !strstr(row->reason, reason))
		fail_msg("%s: %s: %s", field, fidelity_outcome_name(row->outcome), row->reason);
}

static void change(json_t *manifest, const char *key, const char *value)
{
	json_object_set_new(json_object_get(manifest, "config"), key, parsed(value));
}

static struct fidelity compared(
	const json_t *was, const json_t *now, const struct container_choice *choice)
{
	struct fidelity f = { 0 };
	struct err err = { 0 };

	assert_ok(container_compare(was, now, &new, choice, &f, &err), &err);
	return f;
}

static struct fidelity found(json_t *manifest, const struct container_target *target,
	const struct container_choice *choice)
{
	struct fidelity f = { 0 };
	struct err err = { 0 };

	assert_ok(container_findings(manifest, target, choice, &f, &err), &err);
	return f;
}

/* --- afterwards --- */

static void the_same_container_is_carried_in_full(void **state)
{
	static const char *const pairs[][2] = { { "old-linked", "new-linked" },
		{ "old-shares", "new-shares" }, { "old-reset", "new-reset" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		json_t *was = recorded(pairs[i][0]);
		struct fidelity f = compared(was, was, &as_it_was);

		assert_true(fidelity_full(&f));
		assert_true(f.n > 5);
		fidelity_done(&f);
		json_decref(was);
	}
}

static void a_changed_value_is_told_with_both(void **state)
{
	json_t *was = recorded("old-rich"), *now = recorded("old-rich");
	struct fidelity f;

	(void)state;
	change(now, "HostConfig.Memory", "1024");
	json_object_del(json_object_get(now, "config"), "HostConfig.ShmSize");
	change(now, "HostConfig.Privileged", "true");
	f = compared(was, now, &as_it_was);
	assert_row(&f, "HostConfig.Memory", FIDELITY_CHANGED, "the target's engine");
	assert_string_equal(row_of(&f, "HostConfig.Memory")->was, "67108864");
	assert_string_equal(row_of(&f, "HostConfig.Memory")->now, "1024");
	assert_row(&f, "HostConfig.ShmSize", FIDELITY_NOT_CARRIED, "");
	assert_row(&f, "HostConfig.Privileged", FIDELITY_CHANGED, "");
	assert_int_equal(fidelity_count(&f, FIDELITY_CARRIED), f.n - 3);
	assert_false(fidelity_full(&f));
	fidelity_done(&f);
	json_decref(now);
	json_decref(was);
}

static void variables_are_told_by_name_and_never_by_value(void **state)
{
	json_t *was = recorded("old-rich"), *now = recorded("old-rich");
	struct fidelity f;
	char *text;
	json_t *report;

	(void)state;
	change(now, "Env",
		"[\"A=1\",\"KEEP=9\",\"EMPTY=\",\"PASSWORD=another\",\"MORE=unwanted\"]");
	change(now, "Cmd", "[\"--password=other\"]");
	f = compared(was, now, &as_it_was);
	assert_row(&f, "Config.Env PASSWORD", FIDELITY_CHANGED, "not shown");
	assert_row(&f, "Config.Env MORE", FIDELITY_CHANGED, "image");
	assert_row(&f, "Config.Cmd", FIDELITY_CHANGED, "not shown");
	report = fidelity_json(&f);
	text = json_dumps(report, 0);
	assert_null(strstr(text, "do-not-show"));
	assert_null(strstr(text, "another"));
	assert_null(strstr(text, "unwanted"));
	assert_null(strstr(text, "--password"));
	free(text);
	json_decref(report);
	fidelity_done(&f);
	json_decref(now);
	json_decref(was);
}

static void what_was_asked_to_be_different_says_so(void **state)
{
	json_t *was = recorded("old-rich"), *now = recorded("old-rich");
	struct container_path_map map = { "/srv/engine", "/mnt" };
	struct container_choice choice = {
		.name = "other", .no_restart = true, .maps = &map, .n_maps = 1
	};
	struct fidelity f;
	json_t *mount;
	size_t i;

	(void)state;
	json_object_set_new(now, "name", json_string("other"));
	json_object_del(json_object_get(now, "config"), "HostConfig.RestartPolicy");
	json_array_foreach(json_object_get(now, "mounts"), i, mount)
	{
		if (strcmp(json_text(mount, "target"), "/bind") == 0)
			json_object_set_new(mount, "source", json_string("/mnt/bind"));
	}
	f = compared(was, now, &choice);
	assert_row(&f, "Name", FIDELITY_CHANGED, "--name");
	assert_row(&f, "Mounts /bind", FIDELITY_CHANGED, "--map");
	assert_row(&f, "HostConfig.RestartPolicy", FIDELITY_CARRIED, "when it starts");
	assert_int_equal(fidelity_count(&f, FIDELITY_CARRIED), f.n - 2);
	fidelity_done(&f);
	json_decref(now);
	json_decref(was);
}

static void lost_mounts_networks_and_volumes_are_told(void **state)
{
	json_t *was = recorded("old-rich"), *now = recorded("old-rich");
	struct fidelity f;

	(void)state;
	json_object_set_new(now, "mounts", json_array());
	json_object_set_new(now, "volumes", json_array());
	json_object_set_new(now, "networks", parsed("[{\"name\":\"app-net\"}]"));
	f = compared(was, now, &as_it_was);
	assert_row(&f, "Mounts /data", FIDELITY_NOT_CARRIED, "");
	assert_row(&f, "volume data", FIDELITY_NOT_CARRIED, "");
	assert_row(&f, "NetworkSettings.Networks internal-net", FIDELITY_NOT_CARRIED, "");
	assert_row(&f, "NetworkSettings.Networks app-net", FIDELITY_CHANGED, "");
	fidelity_done(&f);
	json_decref(now);
	json_decref(was);
}

/* --- before --- */

static void contents_of_binds_stay_unless_they_are_wanted(void **state)
{
	json_t *m = recorded("old-rich");
	struct container_choice with_binds = { .binds = true };
	struct fidelity f = found(m, &new, &as_it_was);

	(void)state;
	assert_row(&f, "Mounts /bind", FIDELITY_NOT_CARRIED, "--binds");
	fidelity_done(&f);
	f = found(m, &new, &with_binds);
	assert_row(&f, "Mounts /bind", FIDELITY_CARRIED, "comes along");
	fidelity_done(&f);
	json_decref(m);
}

static void what_is_every_hosts_own_is_not_copied(void **state)
{
	(void)state;
	assert_true(container_bind_is_hosts("/var/run/docker.sock"));
	assert_true(container_bind_is_hosts("/dev"));
	assert_true(container_bind_is_hosts("/proc/sys"));
	assert_true(container_bind_is_hosts("/"));
	assert_false(container_bind_is_hosts("/devices"));
	assert_false(container_bind_is_hosts("/srv/data"));
}

static void what_the_target_has_not_is_told(void **state)
{
	json_t *m = recorded("old-wide");
	struct container_target poor = {
		.api = 41, .runtimes = parsed("[\"runc\"]"), .log_drivers = parsed("[]")
	};
	struct fidelity f;

	(void)state;
	change(m, "HostConfig.Annotations", "{\"a\":\"b\"}");
	f = found(m, &poor, &as_it_was);
	assert_row(&f, "HostConfig.Runtime", FIDELITY_CHANGED, "no such runtime");
	assert_row(&f, "HostConfig.LogConfig", FIDELITY_CHANGED, "no such log driver");
	assert_row(&f, "HostConfig.Annotations", FIDELITY_NOT_CARRIED, "too old");
	assert_row(&f, "HostConfig.CgroupParent", FIDELITY_CARRIED, "must allow");
	assert_row(&f, "HostConfig.BlkioDeviceReadBps /dev/zero", FIDELITY_CARRIED, "device");
	fidelity_done(&f);
	container_target_done(&poor);
	json_decref(m);
}

static void what_hangs_on_others_is_told(void **state)
{
	json_t *m = recorded("new-shares");
	struct fidelity f;

	(void)state;
	change(m, "HostConfig.PortBindings",
		"{\"80/tcp\":[{\"HostIp\":\"192.0.2.1\"}],"
		"\"81/tcp\":[{\"HostIp\":\"127.0.0.1\"}]}");
	change(m, "HostConfig.Links", "[\"db:db\"]");
	change(m, "HostConfig.AutoRemove", "true");
	change(m, "HostConfig.SecurityOpt", "[\"apparmor=mine\",\"seccomp=/etc/s.json\"]");
	change(m, "Labels", "{\"com.docker.swarm.task.id\":\"x\"}");
	json_object_set_new(m, "networks",
		parsed("[{\"name\":\"lan\",\"driver\":\"macvlan\",\"options\":{\"parent\":\"eth0\"}"
		       "},"
		       "{\"name\":\"swarm\",\"driver\":\"overlay\",\"scope\":\"swarm\"}]"));
	f = found(m, NULL, &as_it_was);
	assert_row(&f, "HostConfig.NetworkMode", FIDELITY_CARRIED, "'plain'");
	assert_row(&f, "HostConfig.PortBindings 80/tcp", FIDELITY_CARRIED, "192.0.2.1");
	assert_row(&f, "HostConfig.Links db:db", FIDELITY_CARRIED, "");
	assert_row(&f, "HostConfig.AutoRemove", FIDELITY_CARRIED, "no way back");
	assert_row(&f, "HostConfig.SecurityOpt apparmor=mine", FIDELITY_CARRIED, "profile");
	assert_row(&f, "HostConfig.SecurityOpt seccomp=/etc/s.json", FIDELITY_CARRIED, "file");
	assert_row(&f, "Config.Labels com.docker.swarm.task.id", FIDELITY_CHANGED, "swarm");
	assert_row(&f, "NetworkSettings.Networks lan", FIDELITY_CARRIED, "eth0");
	assert_row(&f, "NetworkSettings.Networks swarm", FIDELITY_NOT_CARRIED, "");
	for (size_t i = 0; i < f.n; i++)
		assert_string_not_equal(f.rows[i].field, "HostConfig.PortBindings 81/tcp");
	fidelity_done(&f);
	json_decref(m);
}

/* --- the report itself --- */

static void a_report_arrives_as_it_was_sent(void **state)
{
	struct fidelity sent = { 0 }, got;
	json_t *was = parsed("{\"a\":[1]}"), *report, *again;
	struct err err = { 0 };
	char *text;

	(void)state;
	assert_ok(fidelity_add(&sent, "A", FIDELITY_CARRIED, "", NULL, NULL, &err), &err);
	assert_ok(fidelity_add(&sent, "B", FIDELITY_CHANGED, "why", was, NULL, &err), &err);
	report = fidelity_json(&sent);
	assert_json(report, "[{\"field\":\"A\",\"outcome\":\"carried\",\"reason\":\"\"},{\"field\":"
			    "\"B\",\"outcome\":\"changed\",\"reason\":\"why\",\"was\":\"{\\\"a\\\":"
			    "[1]}\"}]");
	assert_ok(fidelity_parse(report, &got, &err), &err);
	again = fidelity_json(&got);
	text = json_dumps(report, 0);
	assert_json(again, text);
	free(text);
	json_decref(again);
	json_decref(report);
	json_decref(was);
	fidelity_done(&sent);
	fidelity_done(&got);
}

static void a_report_of_another_kind_is_refused(void **state)
{
	static const char *const bad[] = { "{}", "[{\"outcome\":\"lost\"}]", "[{\"field\":1}]",
		"[{\"outcome\":\"carried\",\"x\":1}]", "[1]" };
	struct fidelity got;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *v = parsed(bad[i]);

		assert_fails(fidelity_parse(v, &got, &err), &err, ERR_PROTOCOL);
		json_decref(v);
	}
}

static void a_line_for_a_terminal_has_nothing_that_moves_it(void **state)
{
	struct fidelity f = { 0 };
	struct err err = { 0 };
	json_t *was = json_string("\x1b[2J"), *now = json_integer(2);
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_ok(fidelity_add(&f, "Mounts /\x1b[0m", FIDELITY_CHANGED, "why\nnot", was, now, &err),
		&err);
	fidelity_line(&f.rows[0], &b);
	buf_u8(&b, 0);
	assert_string_equal((char *)buf_bytes(&b),
		"changed     Mounts /\\x1b[0m: \"\\x5cu001B[2J\", now 2: why\\x0anot");
	buf_done(&b);
	fidelity_done(&f);
	json_decref(was);
	json_decref(now);
}

static void a_report_has_a_limit_and_cuts_what_is_long(void **state)
{
	struct fidelity f = { 0 };
	struct err err = { 0 };
	char text[2 * FIDELITY_TEXT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < FIDELITY_ROWS_MAX; i++)
		assert_ok(fidelity_add(&f, i ? "x" : text, FIDELITY_CARRIED, "", NULL, NULL, &err),
			&err);
	assert_int_equal(strlen(f.rows[0].field), FIDELITY_TEXT_MAX);
	assert_fails(
		fidelity_add(&f, "x", FIDELITY_CARRIED, "", NULL, NULL, &err), &err, ERR_LIMIT);
	fidelity_done(&f);
}

/* --- the target --- */

static void what_a_target_can_take_travels(void **state)
{
	struct answers a = answers_read("new-reset");
	json_t *sent = container_target_json(&a.engine), *again;
	struct container_target got;
	struct err err = { 0 };
	char *text = json_dumps(sent, 0);

	(void)state;
	assert_true(a.engine.api >= 44 && !a.engine.podman);
	assert_string_equal(a.engine.host_name, "machine");
	assert_true(json_has_text(a.engine.log_drivers, "json-file"));
	assert_true(json_has_text(a.engine.runtimes, "runc"));
	assert_ok(container_target_parse(sent, &got, &err), &err);
	again = container_target_json(&got);
	assert_json(again, text);
	json_object_set_new(sent, "new", json_true());
	container_target_done(&got);
	assert_fails(container_target_parse(sent, &got, &err), &err, ERR_PROTOCOL);
	free(text);
	json_decref(again);
	json_decref(sent);
	answers_done(&a);
}

RUN_TESTS(TEST(the_same_container_is_carried_in_full), TEST(a_changed_value_is_told_with_both),
	TEST(variables_are_told_by_name_and_never_by_value),
	TEST(what_was_asked_to_be_different_says_so),
	TEST(lost_mounts_networks_and_volumes_are_told),
	TEST(contents_of_binds_stay_unless_they_are_wanted),
	TEST(what_is_every_hosts_own_is_not_copied), TEST(what_the_target_has_not_is_told),
	TEST(what_hangs_on_others_is_told), TEST(a_report_arrives_as_it_was_sent),
	TEST(a_report_of_another_kind_is_refused),
	TEST(a_line_for_a_terminal_has_nothing_that_moves_it),
	TEST(a_report_has_a_limit_and_cuts_what_is_long), TEST(what_a_target_can_take_travels))
