/* Requests, the powers that they ask for, and networks. */
#include "common/cargo/container_powers.h"
#include "common/cargo/network_plan.h"
#include "tests/unit/cargo/answers.h"

#include <string.h>

static const struct container_target old = { .api = 41 };
static const struct container_target new = { .api = 51 };
static const struct container_choice as_it_was = { 0 };

static struct container_request request_of(const json_t *manifest,
	const struct container_target *target, const struct container_choice *choice)
{
	struct container_request r;
	struct err err = { 0 };

	assert_ok(container_request_build(manifest, target, choice, &r, &err), &err);
	return r;
}

static void change(json_t *manifest, const char *key, const char *value)
{
	json_object_set_new(json_object_get(manifest, "config"), key, parsed(value));
}

static void put(json_t *manifest, const char *key, const char *value)
{
	json_object_set_new(manifest, key, parsed(value));
}

/* --- requests --- */

static void an_old_engine_is_connected_afterwards(void **state)
{
	json_t *m = recorded("new-rich"), *body;
	struct container_request r = request_of(m, &old, &as_it_was);

	(void)state;
	assert_json(json_at(r.create, "NetworkingConfig.EndpointsConfig"),
		"{\"app-net\":{\"Aliases\":[\"first\"],\"IPAMConfig\":{\"IPv4Address\":\"10.77.0."
		"200\"}"
		"}}");
	assert_int_equal(json_array_size(r.connects), 1);
	body = container_connect_body(&r, 0, "id");
	assert_json(body,
		"{\"Container\":\"id\",\"EndpointConfig\":{\"Aliases\":[\"second\"],\"Links\":"
		"[\"plain:linked\"],\"IPAMConfig\":{\"IPv6Address\":\"fd00:77::99\"}}}");
	json_decref(body);
	container_request_done(&r);
	json_decref(m);
}

static void a_newer_engine_gets_all_networks_at_once(void **state)
{
	json_t *m = recorded("old-rich");
	struct container_request r = request_of(m, &new, &as_it_was);

	(void)state;
	assert_int_equal(json_array_size(r.connects), 0);
	assert_int_equal(
		json_object_size(json_at(r.create, "NetworkingConfig.EndpointsConfig")), 2);
	container_request_done(&r);
	json_decref(m);
}

static void a_mac_address_goes_where_the_engine_looks_for_it(void **state)
{
	json_t *m = recorded("new-linked");
	struct container_request r = request_of(m, &old, &as_it_was);

	(void)state;
	assert_string_equal(json_text(r.create, "MacAddress"), "02:42:ac:11:00:99");
	container_request_done(&r);
	r = request_of(m, &new, &as_it_was);
	assert_null(json_object_get(r.create, "MacAddress"));
	assert_json(json_at(r.create, "NetworkingConfig.EndpointsConfig"),
		"{\"bridge\":{\"MacAddress\":\"02:42:ac:11:00:99\"}}");
	container_request_done(&r);
	json_decref(m);
}

static void an_anonymous_volume_is_mounted_by_the_name_it_gets(void **state)
{
	json_t *m = recorded("old-linked");
	struct container_request r = request_of(m, &new, &as_it_was);
	struct container_mount anonymous = container_mount_at(m, 0);
	char bind[100];

	(void)state;
	snprintf(bind, sizeof(bind), "%s:/anonymous", anonymous.volume);
	assert_true(json_has_text(json_at(r.create, "HostConfig.Binds"), bind));
	assert_non_null(container_find(r.volumes, "Name", anonymous.volume));
	container_request_done(&r);
	json_decref(m);
}

static void what_the_engine_is_too_old_or_too_new_for_is_left_out(void **state)
{
	json_t *m = recorded("old-wide");
	struct container_target small = { .api = 41,
		.cgroup_v2 = true,
		.runtimes = parsed("[\"runc\"]"),
		.log_drivers = parsed("[\"local\"]") };
	struct container_request r;

	(void)state;
	change(m, "HostConfig.Annotations", "{\"a\":\"b\"}");
	change(m, "HostConfig.KernelMemory", "9");
	r = request_of(m, &new, &as_it_was);
	assert_non_null(json_at(r.create, "HostConfig.Annotations"));
	assert_non_null(json_at(r.create, "HostConfig.LogConfig"));
	assert_null(json_at(r.create, "HostConfig.KernelMemory"));
	container_request_done(&r);
	r = request_of(m, &small, &as_it_was);
	assert_null(json_at(r.create, "HostConfig.Annotations"));
	assert_null(json_at(r.create, "HostConfig.Runtime"));
	assert_null(json_at(r.create, "HostConfig.LogConfig"));
	assert_null(json_at(r.create, "HostConfig.OomKillDisable"));
	assert_non_null(json_at(r.create, "HostConfig.KernelMemory"));
	container_request_done(&r);
	container_target_done(&small);
	json_decref(m);
}

static void what_the_user_chose_is_in_the_request(void **state)
{
	json_t *m = recorded("old-rich");
	struct container_path_map maps[] = { { "/srv", "/other" }, { "/srv/engine", "/mnt" } };
	struct container_choice choice = { .name = "new-name",
		.image = "sha256:abc",
		.no_restart = true,
		.maps = maps,
		.n_maps = 2 };
	struct container_request r = request_of(m, &old, &choice);

	(void)state;
	assert_string_equal(r.name, "new-name");
	assert_string_equal(json_text(r.create, "Image"), "sha256:abc");
	assert_null(json_at(r.create, "HostConfig.RestartPolicy"));
	assert_true(
		json_has_text(json_at(r.create, "HostConfig.Binds"), "/mnt/bind:/bind:rprivate"));
	container_request_done(&r);
	json_decref(m);
}

static void assert_mapped(const char *from, const char *to, const char *path, const char *expected)
{
	struct container_path_map map = { from, to };
	struct container_choice choice = { .maps = &map, .n_maps = 1 };
	struct buf b;

	buf_init(&b, 1000);
	container_map_path(&choice, path, &b);
	assert_string_equal((const char *)buf_bytes(&b), expected);
	buf_done(&b);
}

static void a_path_is_mapped_by_whole_names(void **state)
{
	(void)state;
	assert_mapped("/a", "/b", "/a", "/b");
	assert_mapped("/a", "/b", "/a/c", "/b/c");
	assert_mapped("/a", "/b", "/ab", "/ab");
	assert_mapped("/", "/b", "/a", "/b/a");
	assert_mapped("/a", "/", "/a", "/");
	assert_mapped("/a", "/", "/a/c", "/c");
}

static void a_map_is_two_absolute_paths(void **state)
{
	char good[] = "/a/b=/c", *const bad[] = { strdup("/a"), strdup("a=/b"), strdup("/a=b"),
		strdup("/a/=/b"), strdup("/a=/b:c"), strdup("=") };
	struct container_path_map map;
	struct err err = { 0 };

	(void)state;
	assert_ok(container_path_map_parse(good, &map, &err), &err);
	assert_string_equal(map.from, "/a/b");
	assert_string_equal(map.to, "/c");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_fails(container_path_map_parse(bad[i], &map, &err), &err, ERR_USAGE);
		free(bad[i]);
	}
}

static void a_name_that_reads_as_an_id_is_refused(void **state)
{
	json_t *m = recorded("old-reset");
	struct container_choice choice = { .name = "0123456789ab" };
	struct container_request r;
	struct err err = { 0 };

	(void)state;
	assert_fails(container_request_build(m, &old, &choice, &r, &err), &err, ERR_USAGE);
	json_decref(m);
}

/* --- powers --- */

static void assert_needs(json_t *m, uint32_t expected)
{
	struct err err = { 0 };

	assert_int_equal(container_powers(m, NULL), expected);
	assert_ok(container_powers_check(m, expected, &err), &err);
	if (expected)
		assert_fails(container_powers_check(m, CONTAINER_POWERS & ~expected, &err), &err,
			ERR_REFUSED);
	json_decref(m);
}

static json_t *harmless(void)
{
	return recorded("old-reset");
}

static json_t *with(const char *key, const char *value)
{
	json_t *m = harmless();

	change(m, key, value);
	return m;
}

static void what_gives_no_host_away_needs_no_power(void **state)
{
	(void)state;
	assert_needs(harmless(), 0);
	assert_needs(with("HostConfig.CapAdd", "[\"NET_ADMIN\",\"SYS_TIME\"]"), 0);
	assert_needs(with("HostConfig.SecurityOpt", "[\"no-new-privileges\"]"), 0);
	assert_needs(with("HostConfig.IpcMode", "\"shareable\""), 0);
	assert_needs(with("HostConfig.NetworkMode", "\"none\""), 0);
	assert_needs(with("HostConfig.Runtime", "\"runsc\""), 0);
}

static void every_way_to_the_host_needs_its_power(void **state)
{
	static const struct {
		const char *key, *value;
		uint32_t power;
	} ways[] = {
		{ "HostConfig.Privileged", "true", POWER_PRIVILEGED },
		{ "HostConfig.CapAdd", "[\"SYS_ADMIN\"]", POWER_PRIVILEGED },
		{ "HostConfig.CapAdd", "[\"cap_sys_module\"]", POWER_PRIVILEGED },
		{ "HostConfig.CapAdd", "[\"CAP_SYS_RAWIO\"]", POWER_PRIVILEGED },
		{ "HostConfig.CapAdd", "[\"DAC_READ_SEARCH\"]", POWER_PRIVILEGED },
		{ "HostConfig.CapAdd", "[\"NET_RAW\",\"all\"]", POWER_PRIVILEGED },
		{ "HostConfig.SecurityOpt", "[\"seccomp=unconfined\"]", POWER_PRIVILEGED },
		{ "HostConfig.SecurityOpt", "[\"seccomp={}\"]", POWER_PRIVILEGED },
		{ "HostConfig.SecurityOpt", "[\"apparmor=unconfined\"]", POWER_PRIVILEGED },
		{ "HostConfig.SecurityOpt", "[\"label=disable\"]", POWER_PRIVILEGED },
		{ "HostConfig.SecurityOpt", "[\"systempaths=unconfined\"]", POWER_PRIVILEGED },
		{ "HostConfig.SecurityOpt", "[\"no-new-privileges=false\"]", POWER_PRIVILEGED },
		{ "HostConfig.MaskedPaths", "[]", POWER_PRIVILEGED },
		{ "HostConfig.ReadonlyPaths", "[]", POWER_PRIVILEGED },
		{ "HostConfig.Annotations", "{\"org.systemd.property.X\":\"1\"}",
			POWER_PRIVILEGED },
		{ "HostConfig.Runtime", "\"/tmp/runtime\"", POWER_PRIVILEGED },
		{ "HostConfig.CgroupParent", "\"/../..\"", POWER_PRIVILEGED },
		{ "HostConfig.NetworkMode", "\"host\"", POWER_HOSTNS },
		{ "HostConfig.NetworkMode", "\"container:other\"", POWER_HOSTNS },
		{ "HostConfig.NetworkMode", "\"ns:/proc/1/ns/net\"", POWER_HOSTNS },
		{ "HostConfig.NetworkMode", "\"somebodys\"", POWER_HOSTNS },
		{ "HostConfig.PidMode", "\"host\"", POWER_HOSTNS },
		{ "HostConfig.IpcMode", "\"container:other\"", POWER_HOSTNS },
		{ "HostConfig.UTSMode", "\"host\"", POWER_HOSTNS },
		{ "HostConfig.UsernsMode", "\"host\"", POWER_HOSTNS },
		{ "HostConfig.CgroupnsMode", "\"host\"", POWER_HOSTNS },
		{ "HostConfig.Cgroup", "\"container:other\"", POWER_HOSTNS },
		{ "HostConfig.Links", "[\"other:alias\"]", POWER_HOSTNS },
		{ "HostConfig.Devices", "[{\"PathOnHost\":\"/dev/sda\"}]", POWER_DEVICE },
		{ "HostConfig.DeviceCgroupRules", "[\"a *:* rwm\"]", POWER_DEVICE },
		{ "HostConfig.DeviceRequests", "[{\"Count\":-1}]", POWER_DEVICE },
		{ "HostConfig.VolumeDriver", "\"plugin\"", POWER_BIND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		assert_needs(with(ways[i].key, ways[i].value), ways[i].power);
}

static void assert_volume_needs(const char *volume, uint32_t power)
{
	json_t *m = harmless();

	put(m, "volumes", volume);
	assert_needs(m, power);
}

static void a_volume_that_is_the_hosts_needs_what_a_bind_needs(void **state)
{
	(void)state;
	assert_volume_needs("[{\"name\":\"vv\",\"driver\":\"local\"}]", 0);
	assert_volume_needs("[{\"name\":\"vv\",\"options\":{\"type\":\"tmpfs\",\"device\":"
			    "\"tmpfs\",\"o\":\"size=1m\"}}]",
		0);
	assert_volume_needs("[{\"name\":\"vv\",\"options\":{\"type\":\"none\",\"device\":\"/etc\","
			    "\"o\":\"bind\"}}]",
		POWER_BIND);
	assert_volume_needs("[{\"name\":\"vv\",\"options\":{\"type\":\"tmpfs\",\"device\":\"/etc\","
			    "\"o\":\"bind\"}}]",
		POWER_BIND);
	assert_volume_needs("[{\"name\":\"vv\",\"options\":{\"type\":\"tmpfs\",\"device\":"
			    "\"tmpfs\",\"o\":\"size=1m,rbind\"}}]",
		POWER_BIND);
	assert_volume_needs("[{\"name\":\"vv\",\"options\":{\"type\":\"ext4\",\"device\":"
			    "\"/dev/sda1\"}}]",
		POWER_BIND);
	assert_volume_needs("[{\"name\":\"vv\",\"driver\":\"plugin\"}]", POWER_BIND);
}

static void a_bind_mount_needs_its_power_in_either_form(void **state)
{
	static const char *const forms[] = { "bind", "mount" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		json_t *m = harmless();

		json_object_set_new(m, "mounts",
			json_pack("[{s:s,s:s,s:s,s:s}]", "type", "bind", "form", forms[i], "target",
				"/x", "source", "/etc"));
		assert_needs(m, POWER_BIND);
	}
}

static void the_first_field_that_needs_a_power_is_named(void **state)
{
	char why[CONTAINER_POWERS_COUNT][CONTAINER_POWER_WHY_MAX];
	json_t *m = recorded("old-rich");
	struct err err = { 0 };

	(void)state;
	assert_int_equal(container_powers(m, why), POWER_BIND | POWER_DEVICE | POWER_PRIVILEGED);
	assert_string_equal(why[0], "Mounts /srv/engine/bind");
	assert_string_equal(why[1], "HostConfig.Devices");
	assert_string_equal(why[2], "");
	assert_string_equal(why[3], "HostConfig.CapAdd SYS_PTRACE");
	assert_fails(container_powers_check(m, POWER_BIND, &err), &err, ERR_REFUSED);
	assert_string_equal(err.text,
		"the container 'rich' needs the grant 'device' for HostConfig.Devices: the "
		"receiver's operator gives it with drayd invite --allow");
	json_decref(m);
}

/* --- networks --- */

static struct network_plan plan_of(const json_t *manifest, const char *there)
{
	struct network_plan plan;
	struct err err = { 0 };
	json_t *networks = parsed(there);

	assert_ok(network_plan_make(manifest, networks, &new, &plan, &err), &err);
	json_decref(networks);
	return plan;
}

#define NETWORK(text) "{\"networks\":[" text "]}"

static void assert_step(
	const char *mine, const char *there, enum network_step step, const char *reason)
{
	json_t *m = parsed(mine);
	struct network_plan plan = plan_of(m, there);

	assert_int_equal(plan.n, 1);
	if (plan.rows[0].step != step || !strstr(plan.rows[0].reason, reason))
		fail_msg("%s: step %d, '%s'", mine, plan.rows[0].step, plan.rows[0].reason);
	assert_int_equal(plan.rows[0].body != NULL, step == NETWORK_CREATE);
	network_plan_done(&plan);
	json_decref(m);
}

static void a_missing_network_is_made_as_it_was(void **state)
{
	json_t *m = recorded("old-rich");
	struct network_plan plan = plan_of(m, "[]");

	(void)state;
	assert_int_equal(plan.n, 2);
	assert_int_equal(plan.rows[0].step, NETWORK_CREATE);
	assert_json(plan.rows[0].body,
		"{\"Name\":\"app-net\",\"Driver\":\"bridge\",\"CheckDuplicate\":true,"
		"\"Attachable\":"
		"true,\"Labels\":{\"net\":\"1\"},\"Options\":{\"com.docker.network.bridge.name\":"
		"\"app0\"},\"IPAM\":{\"Config\":[{\"Subnet\":\"10.77.0.0/"
		"24\",\"Gateway\":\"10.77.0.9\","
		"\"IPRange\":\"10.77.0.128/"
		"25\",\"AuxiliaryAddresses\":{\"other\":\"10.77.0.5\"}}]}}");
	network_plan_done(&plan);
	json_decref(m);
}

static void a_network_of_the_same_name_must_be_the_same(void **state)
{
	(void)state;
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"}"),
		"[{\"Name\":\"aa\",\"Driver\":\"bridge\",\"Labels\":{\"x\":\"y\"},\"Id\":\"1\"}]",
		NETWORK_MATCHED, "");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"}"),
		"[{\"Name\":\"aa\",\"Driver\":\"macvlan\"}]", NETWORK_CLASH,
		"whose driver differs: remove it there");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\",\"internal\":true}"),
		"[{\"Name\":\"aa\",\"Driver\":\"bridge\"}]", NETWORK_CLASH, "internal");
}

#define SUBNET(net) "\"ipam\":{\"config\":[{\"subnet\":\"" net "\"}]}"
#define THERE(name, net)                                                                           \
	"[{\"Name\":\"" name "\",\"Driver\":\"bridge\",\"IPAM\":{\"Config\":[{\"Subnet\":\"" net   \
	"\"}]}}]"

static void a_subnet_counts_where_an_address_in_it_was_asked_for(void **state)
{
	(void)state;
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"," SUBNET("10.1.0.0/16") "}"),
		THERE("aa", "10.2.0.0/16"), NETWORK_MATCHED, "other subnets");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"," SUBNET(
			    "10.1.0.0/16") ",\"endpoint\":{\"ipv4\":\"10.1.0.9\"}}"),
		THERE("aa", "10.2.0.0/16"), NETWORK_CLASH, "subnets differ");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"," SUBNET("10.1.0.0/16") "}"),
		THERE("bb", "10.1.128.0/17"), NETWORK_CREATE, "it gets another one");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"," SUBNET(
			    "10.1.0.0/16") ",\"endpoint\":{\"ipv4\":\"10.1.0.9\"}}"),
		THERE("bb", "10.0.0.0/8"), NETWORK_CLASH, "network 'bb''s on the target");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"," SUBNET("10.1.0.0/16") "}"),
		THERE("bb", "10.2.0.0/16"), NETWORK_CREATE, "");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"bridge\"," SUBNET("fd00::/64") "}"),
		THERE("bb", "fd00::1:0:0:0:0/64"), NETWORK_CREATE, "");
}

static void networks_that_cannot_be_made_are_told(void **state)
{
	(void)state;
	assert_step(NETWORK("{\"name\":\"aa\"}"), "[]", NETWORK_CLASH, "did not describe it");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"overlay\",\"scope\":\"swarm\"}"), "[]",
		NETWORK_CLASH, "swarm");
	assert_step(
		NETWORK("{\"name\":\"aa\",\"driver\":\"host\"}"), "[]", NETWORK_CLASH, "second");
	assert_step(NETWORK("{\"name\":\"aa\",\"driver\":\"macvlan\",\"config_from\":\"x\"}"), "[]",
		NETWORK_CLASH, "another network's");
}

RUN_TESTS(TEST(an_old_engine_is_connected_afterwards),
	TEST(a_newer_engine_gets_all_networks_at_once),
	TEST(a_mac_address_goes_where_the_engine_looks_for_it),
	TEST(an_anonymous_volume_is_mounted_by_the_name_it_gets),
	TEST(what_the_engine_is_too_old_or_too_new_for_is_left_out),
	TEST(what_the_user_chose_is_in_the_request), TEST(a_path_is_mapped_by_whole_names),
	TEST(a_map_is_two_absolute_paths), TEST(a_name_that_reads_as_an_id_is_refused),
	TEST(what_gives_no_host_away_needs_no_power), TEST(every_way_to_the_host_needs_its_power),
	TEST(a_volume_that_is_the_hosts_needs_what_a_bind_needs),
	TEST(a_bind_mount_needs_its_power_in_either_form),
	TEST(the_first_field_that_needs_a_power_is_named),
	TEST(a_missing_network_is_made_as_it_was),
	TEST(a_network_of_the_same_name_must_be_the_same),
	TEST(a_subnet_counts_where_an_address_in_it_was_asked_for),
	TEST(networks_that_cannot_be_made_are_told))
