#include "tests/unit/cargo/answers.h"

#include <string.h>

static const char *const all[] = { "old-rich", "old-linked", "old-shares", "old-wide", "old-reset",
	"new-rich", "new-linked", "new-shares", "new-wide", "new-reset" };

static const json_t *config(const json_t *manifest, const char *key)
{
	return json_object_get(json_object_get(manifest, "config"), key);
}

static const json_t *mount(const json_t *manifest, const char *target)
{
	return container_find(json_object_get(manifest, "mounts"), "target", target);
}

static const json_t *network(const json_t *manifest, const char *name)
{
	return container_find(json_object_get(manifest, "networks"), "name", name);
}

/* A container with this Config and HostConfig on an image with this one. */
static json_t *made_of(const char *config_text, const char *host_text, const char *image_text)
{
	struct answers a = answers_read("old-reset");
	json_t *manifest;

	json_object_set_new(json_object_get(a.all, "container"), "Config", parsed(config_text));
	json_object_set_new(json_object_get(a.all, "container"), "HostConfig", parsed(host_text));
	json_object_set_new(json_object_get(a.all, "container"), "Mounts", json_array());
	json_object_set_new(json_object_get(a.all, "image"), "Config", parsed(image_text));
	manifest = answers_manifest(&a);
	answers_done(&a);
	return manifest;
}

static void assert_config(const char *config_text, const char *host_text, const char *image_text,
	const char *expected)
{
	json_t *manifest = made_of(config_text, host_text, image_text);

	assert_json(json_object_get(manifest, "config"), expected);
	json_decref(manifest);
}

/* --- recorded ones --- */

static void a_manifest_is_the_same_bytes_again_after_its_journey(void **state)
{
	struct err err = { 0 };
	struct buf first, second;

	(void)state;
	buf_init(&first, CONTAINER_MANIFEST_MAX);
	buf_init(&second, CONTAINER_MANIFEST_MAX);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		json_t *manifest = recorded(all[i]), *arrived;

		buf_clear(&first);
		buf_clear(&second);
		assert_ok(container_manifest_print(manifest, &first, &err), &err);
		assert_ok(container_manifest_parse(
				  buf_bytes(&first), buf_len(&first), &arrived, &err),
			&err);
		assert_ok(container_manifest_print(arrived, &second, &err), &err);
		assert_int_equal(buf_len(&first), buf_len(&second));
		assert_memory_equal(buf_bytes(&first), buf_bytes(&second), buf_len(&first));
		json_decref(arrived);
		json_decref(manifest);
	}
	buf_done(&second);
	buf_done(&first);
}

static void no_engines_version_shows_through(void **state)
{
	static const char *const parts[] = { "config", "networks" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		json_t *old = recorded("old-rich"), *new = recorded("new-rich");
		char *text = json_dumps(json_object_get(old, parts[i]), 0);

		assert_json(json_object_get(new, parts[i]), text);
		free(text);
		json_decref(old);
		json_decref(new);
	}
}

static void nothing_that_the_image_gives_is_the_containers_own(void **state)
{
	json_t *m = recorded("old-rich");
	json_t *env = json_deep_copy(config(m, "Env"));
	struct err err = { 0 };

	(void)state;
	assert_ok(json_sort_texts(env, &err), &err);
	assert_json(env, "[\"A=1\",\"EMPTY=\",\"KEEP=9\",\"PASSWORD=do-not-show\"]");
	assert_json(config(m, "Labels"),
		"{\"own\":\"2\",\"both\":\"container\",\"com.docker.compose.project\":\"p\"}");
	assert_true(json_has_text(json_at(m, "image.config.Env"), "KEEP=2"));
	json_decref(env);
	json_decref(m);
}

static void mounts_of_every_kind_are_there_once(void **state)
{
	json_t *m = recorded("old-rich");
	struct container_mount first = container_mount_at(m, 0);

	(void)state;
	assert_int_equal(container_mount_count(m), 9);
	assert_string_equal(first.target, "/anonymous");
	assert_true(first.anonymous && !first.read_only && strlen(first.source_volume) == 64);
	assert_memory_equal(first.volume + 5, first.source_volume, 32);
	assert_json(mount(m, "/data"),
		"{\"type\":\"volume\",\"form\":\"bind\",\"target\":\"/data\",\"volume\":\"data\","
		"\"read_only\":true,\"nocopy\":true}");
	assert_json(mount(m, "/bind"), "{\"type\":\"bind\",\"form\":\"bind\",\"target\":\"/"
				       "bind\",\"source\":\"/srv/engine/bind\","
				       "\"propagation\":\"rprivate\"}");
	assert_json(mount(m, "/tmpfs"),
		"{\"type\":\"tmpfs\",\"form\":\"mount\",\"target\":\"/tmpfs\",\"size\":1048576,"
		"\"mode\":448}");
	assert_json(json_object_get(container_find(json_object_get(m, "volumes"), "name", "memory"),
			    "options"),
		"{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m\"}");
	json_decref(m);
}

static void what_another_container_gives_is_listed_itself(void **state)
{
	json_t *m = recorded("old-linked");

	(void)state;
	assert_non_null(mount(m, "/image-volume"));
	assert_json(config(m, "HostConfig.Links"), "[\"plain:alias\"]");
	assert_json(json_at(network(m, "bridge"), "endpoint"), "{\"mac\":\"02:42:ac:11:00:99\"}");
	json_decref(m);
}

static void networks_have_what_was_asked_for_and_no_more(void **state)
{
	json_t *m = recorded("old-rich");

	(void)state;
	assert_json(json_object_get(network(m, "app-net"), "endpoint"),
		"{\"aliases\":[\"first\"],\"ipv4\":\"10.77.0.200\"}");
	assert_json(json_object_get(network(m, "internal-net"), "endpoint"),
		"{\"aliases\":[\"second\"],\"ipv6\":\"fd00:77::99\",\"links\":[\"plain:linked\"]}");
	assert_json(json_at(network(m, "app-net"), "ipam.config"),
		"[{\"subnet\":\"10.77.0.0/"
		"24\",\"gateway\":\"10.77.0.9\",\"ip_range\":\"10.77.0.128/"
		"25\",\"aux\":{\"other\":\"10.77.0.5\"}}]");
	json_decref(m);
}

static void another_containers_namespaces_go_by_its_name(void **state)
{
	json_t *m = recorded("new-shares");

	(void)state;
	assert_json(config(m, "HostConfig.NetworkMode"), "\"container:plain\"");
	assert_json(config(m, "HostConfig.PidMode"), "\"container:plain\"");
	assert_null(config(m, "Hostname"));
	assert_json(json_object_get(m, "networks"), "[]");
	json_decref(m);
}

static void what_is_to_be_asked_besides_is_listed(void **state)
{
	struct answers a = answers_read("new-shares");
	struct err err = { 0 };
	json_t *wants = NULL;

	(void)state;
	assert_ok(container_wants(a.source.container, &wants, &err), &err);
	assert_int_equal(json_array_size(json_object_get(wants, "containers")), 1);
	assert_int_equal(json_array_size(json_object_get(wants, "volumes")), 1);
	assert_memory_equal(json_text(wants, "image"), "sha256:", 7);
	json_decref(wants);
	answers_done(&a);
}

/* --- image and container --- */

static void an_entrypoint_that_was_taken_away_stays_away(void **state)
{
	(void)state;
	assert_config("{\"Image\":\"i\",\"Cmd\":[\"c\"]}", "{}", "{\"Entrypoint\":[\"e\"]}",
		"{\"Entrypoint\":[\"\"],\"Cmd\":[\"c\"]}");
	/* The same command as the image's is said, too: with an entrypoint it is not inherited. */
	assert_config("{\"Image\":\"i\",\"Cmd\":[\"c\"],\"Entrypoint\":[\"x\"]}", "{}",
		"{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}",
		"{\"Entrypoint\":[\"x\"],\"Cmd\":[\"c\"]}");
}

static void a_command_is_the_containers_own_where_it_differs(void **state)
{
	(void)state;
	assert_config("{\"Image\":\"i\",\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"]}", "{}",
		"{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}", "{}");
	assert_config("{\"Image\":\"i\",\"Cmd\":[\"d\"],\"Entrypoint\":[\"e\"]}", "{}",
		"{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}", "{\"Cmd\":[\"d\"]}");
	assert_config("{\"Image\":\"i\",\"Entrypoint\":[\"e\"]}", "{}",
		"{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}", "{\"Entrypoint\":[\"e\"]}");
	assert_config("{\"Image\":\"i\",\"Cmd\":[\"c\"]}", "{}", "{\"Cmd\":[\"c\"]}", "{}");
	assert_config("{\"Image\":\"i\",\"Cmd\":[\"c\"]}", "{}", "{}", "{\"Cmd\":[\"c\"]}");
}

static void what_a_container_shows_is_its_own_and_its_images(void **state)
{
	json_t *m = made_of("{\"Image\":\"i\",\"Cmd\":[\"c\"],\"Env\":[\"B=2\",\"A=1\",\"P=/\"],"
			    "\"ExposedPorts\":{\"80/tcp\":{},\"9/udp\":{}}}",
		"{}",
		"{\"Entrypoint\":[\"e\"],\"Env\":[\"A=0\",\"P=/\"],\"ExposedPorts\":{\"9/"
		"udp\":{}}}");
	static const struct {
		const char *request, *shown;
	} expected[] = {
		{ "Env", "[\"B=2\",\"A=1\",\"P=/\"]" },
		{ "ExposedPorts", "{\"80/tcp\":{},\"9/udp\":{}}" },
		{ "Cmd", "[\"c\"]" },
	};
	struct err err = { 0 };
	json_t *v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_ok(container_effective(m, container_field_of(expected[i].request), &v, &err),
			&err);
		assert_json(v, expected[i].shown);
		json_decref(v);
	}
	assert_ok(container_effective(m, container_field_of("Entrypoint"), &v, &err), &err);
	assert_null(v);
	json_decref(m);
}

static void without_its_image_all_is_the_containers_own(void **state)
{
	struct answers a = answers_read("new-rich");
	json_t *m;

	(void)state;
	a.source.image = NULL;
	m = answers_manifest(&a);
	assert_true(json_has_text(config(m, "Env"), "BASE=1"));
	assert_null(json_at(m, "image.config"));
	json_decref(m);
	answers_done(&a);
}

/* --- what engines fill in --- */

static void what_an_engine_fills_in_is_left_out(void **state)
{
	(void)state;
	assert_config("{\"Image\":\"i\",\"Hostname\":\"\"}",
		"{\"NetworkMode\":\"default\",\"IpcMode\":\"private\",\"CgroupnsMode\":\"host\","
		"\"Runtime\":\"runc\",\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
		"\"OomKillDisable\":false,\"PidsLimit\":0,\"MemorySwappiness\":-1,\"KernelMemory\":"
		"0,"
		"\"ConsoleSize\":[24,80],\"ContainerIDFile\":\"/x\",\"PortBindings\":{}}",
		"{}", "{}");
	assert_config("{\"Image\":\"i\"}",
		"{\"CgroupnsMode\":\"private\",\"OomKillDisable\":true,\"PidsLimit\":7,"
		"\"MemorySwappiness\":0,\"Init\":false}",
		"{}",
		"{\"HostConfig.CgroupnsMode\":\"private\",\"HostConfig.OomKillDisable\":true,"
		"\"HostConfig.PidsLimit\":7,\"HostConfig.MemorySwappiness\":0,"
		"\"HostConfig.Init\":false}");
}

static void the_words_of_podman_are_understood(void **state)
{
	struct answers a = answers_read("old-reset");
	json_t *m;

	(void)state;
	a.engine.podman = true;
	json_object_set_new(json_object_get(a.all, "container"), "HostConfig",
		parsed("{\"NanoCpus\":500000000,\"CpuPeriod\":100000,\"CpuQuota\":50000,"
		       "\"IpcMode\":\"shareable\",\"PidMode\":\"private\",\"UTSMode\":\"private\","
		       "\"Runtime\":\"oci\",\"MemorySwappiness\":-1,\"CapAdd\":[\"CAP_NET_ADMIN\"],"
		       "\"LogConfig\":{\"Type\":\"json-file\"},\"Binds\":[\"v:/"
		       "x:ro,rprivate,nosuid,"
		       "nodev,rbind\"],\"Ulimits\":[{\"Name\":\"RLIMIT_NOFILE\",\"Hard\":2,"
		       "\"Soft\":1}]}"));
	json_object_set_new(json_object_get(a.all, "container"), "Mounts",
		parsed("[{\"Type\":\"volume\",\"Name\":\"vol\",\"Destination\":\"/"
		       "x\",\"RW\":false}]"));
	json_object_set_new(
		json_object_get(a.all, "container"), "Config", parsed("{\"Image\":\"i\"}"));
	json_object_set_new(json_object_get(a.all, "image"), "Config", json_object());
	m = answers_manifest(&a);
	assert_json(json_object_get(m, "config"),
		"{\"HostConfig.NanoCpus\":500000000,\"HostConfig.CapAdd\":[\"NET_ADMIN\"],"
		"\"HostConfig.Ulimits\":[{\"Name\":\"nofile\",\"Hard\":2,\"Soft\":1}]}");
	assert_json(mount(m, "/x"),
		"{\"type\":\"volume\",\"form\":\"bind\",\"target\":\"/x\",\"volume\":\"vol\","
		"\"read_only\":true}");
	json_decref(m);
	answers_done(&a);
}

static void unmasked_paths_are_carried_and_an_engines_own_are_not(void **state)
{
	(void)state;
	assert_config("{\"Image\":\"i\"}", "{\"MaskedPaths\":[],\"ReadonlyPaths\":[]}", "{}",
		"{\"HostConfig.MaskedPaths\":[],\"HostConfig.ReadonlyPaths\":[]}");
	assert_config("{\"Image\":\"i\"}",
		"{\"MaskedPaths\":[\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\",\"/proc/"
		"timer_list\","
		"\"/proc/scsi\",\"/sys/firmware\",\"/proc/newer\"]}",
		"{}", "{}");
}

/* --- what arrives --- */

static void change(json_t *manifest, const char *path, const char *value)
{
	struct err err = { 0 };

	assert_ok(json_put(manifest, path, parsed(value), &err), &err);
}

static void assert_bad(const char *path, const char *value)
{
	json_t *m = recorded("old-reset");
	struct err err = { 0 };

	change(m, path, value);
	if (container_manifest_check(m, &err) != -1 || err.code != ERR_PROTOCOL)
		fail_msg("%s = %s was taken: %s", path, value, err.text);
	json_decref(m);
}

static void what_no_manifest_has_is_refused(void **state)
{
	(void)state;
	assert_bad("version", "2");
	assert_bad("new", "1");
	assert_bad("name", "\"a/b\"");
	assert_bad("name", "\"\"");
	assert_bad("id", "\"abc\"");
	assert_bad("config", "{\"HostConfig.New\":1}");
	assert_bad("config", "{\"HostConfig.Binds\":[\"/:/host\"]}");
	assert_bad("config", "{\"HostConfig.Memory\":\"1\"}");
	assert_bad("config", "{\"HostConfig.Memory\":null}");
	assert_bad("config", "{\"HostConfig.Devices\":[{\"New\":\"x\"}]}");
	assert_bad("image.config", "{\"HostConfig.Memory\":1}");
	assert_bad("state.new", "true");
	assert_bad("volumes", "[{\"name\":\"nobody-mounts-it\"}]");
}

static void mounts_that_say_more_than_they_may_are_refused(void **state)
{
	(void)state;
	assert_bad("mounts", "[{\"type\":\"volume\",\"form\":\"bind\",\"target\":\"/x\"}]");
	assert_bad("mounts", "[{\"type\":\"volume\",\"form\":\"bind\",\"target\":\"/x\","
			     "\"volume\":\"/etc\"}]");
	assert_bad("mounts", "[{\"type\":\"volume\",\"form\":\"bind\",\"target\":\"/x\","
			     "\"volume\":\"a:/b\"}]");
	assert_bad("mounts", "[{\"type\":\"volume\",\"form\":\"bind\",\"target\":\"/x:rw\","
			     "\"volume\":\"aa\"}]");
	assert_bad("mounts", "[{\"type\":\"bind\",\"form\":\"bind\",\"target\":\"/x\","
			     "\"source\":\"relative\"}]");
	assert_bad("mounts", "[{\"type\":\"bind\",\"form\":\"bind\",\"target\":\"/x\","
			     "\"source\":\"/a:/b\"}]");
	assert_bad("mounts", "[{\"type\":\"bind\",\"form\":\"bind\",\"target\":\"/x\","
			     "\"source\":\"/a\",\"propagation\":\"rw,z\"}]");
	assert_bad("mounts", "[{\"type\":\"npipe\",\"form\":\"mount\",\"target\":\"/x\","
			     "\"source\":\"/a\"}]");
	assert_bad("mounts", "[{\"type\":\"tmpfs\",\"form\":\"bind\",\"target\":\"/x\"}]");
}

static void networks_that_read_as_something_else_are_refused(void **state)
{
	(void)state;
	assert_bad("networks", "[{\"name\":\"a/b\"}]");
	assert_bad("networks", "[{\"name\":\"container:x\"}]");
	assert_bad("networks", "[{\"name\":\"..\"}]");
	assert_bad("networks", "[{\"name\":\"aa\"},{\"name\":\"aa\"}]");
	assert_bad("networks", "[{\"name\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
			       "0123456789abcdef\"}]");
}

static void no_json_repeated_keys_and_too_much_are_refused(void **state)
{
	static char big[CONTAINER_MANIFEST_MAX + 1];
	json_t *m;
	struct err err = { 0 };

	(void)state;
	assert_fails(container_manifest_parse("", 0, &m, &err), &err, ERR_PROTOCOL);
	assert_fails(container_manifest_parse("{", 1, &m, &err), &err, ERR_PROTOCOL);
	assert_fails(container_manifest_parse("[]", 2, &m, &err), &err, ERR_PROTOCOL);
	assert_fails(container_manifest_parse("{\"version\":1,\"version\":1}", 25, &m, &err), &err,
		ERR_PROTOCOL);
	memset(big, ' ', sizeof(big));
	assert_fails(container_manifest_parse(big, sizeof(big), &m, &err), &err, ERR_LIMIT);
}

static void a_container_that_is_too_large_to_describe_is_an_error(void **state)
{
	struct answers a = answers_read("old-reset");
	json_t *env = json_at(a.source.container, "Config.Env"), *m = NULL;
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 3000; i++)
		json_array_append_new(env, json_sprintf("VARIABLE_%d=%0100d", i, i));
	a.source.engine = &a.engine;
	assert_fails(container_manifest_build(&a.source, &m, &err), &err, ERR_LIMIT);
	answers_done(&a);
}

static void an_answer_of_another_kind_is_an_error(void **state)
{
	static const char *const bad[] = { "{}", "[]",
		"{\"Id\":7,\"Name\":\"x\",\"Image\":\"y\"}" };
	struct answers a = answers_read("old-reset");
	struct err err = { 0 };
	json_t *m = NULL;

	(void)state;
	a.source.engine = &a.engine;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *v = parsed(bad[i]);

		a.source.container = v;
		assert_fails(container_manifest_build(&a.source, &m, &err), &err, ERR_ENGINE);
		json_decref(v);
	}
	answers_done(&a);
}

RUN_TESTS(TEST(a_manifest_is_the_same_bytes_again_after_its_journey),
	TEST(no_engines_version_shows_through),
	TEST(nothing_that_the_image_gives_is_the_containers_own),
	TEST(mounts_of_every_kind_are_there_once),
	TEST(what_another_container_gives_is_listed_itself),
	TEST(networks_have_what_was_asked_for_and_no_more),
	TEST(another_containers_namespaces_go_by_its_name),
	TEST(what_is_to_be_asked_besides_is_listed),
	TEST(an_entrypoint_that_was_taken_away_stays_away),
	TEST(a_command_is_the_containers_own_where_it_differs),
	TEST(what_a_container_shows_is_its_own_and_its_images),
	TEST(without_its_image_all_is_the_containers_own),
	TEST(what_an_engine_fills_in_is_left_out), TEST(the_words_of_podman_are_understood),
	TEST(unmasked_paths_are_carried_and_an_engines_own_are_not),
	TEST(what_no_manifest_has_is_refused), TEST(mounts_that_say_more_than_they_may_are_refused),
	TEST(networks_that_read_as_something_else_are_refused),
	TEST(no_json_repeated_keys_and_too_much_are_refused),
	TEST(a_container_that_is_too_large_to_describe_is_an_error),
	TEST(an_answer_of_another_kind_is_an_error))
