/*
 * Any bytes as a container's manifest: refused, or a manifest that travels without a change, of
 * which requests, networks and reports can be made for an old and a new engine. The request holds
 * no mount of the host unless its power was named.
 */
#include "common/cargo/container_compare.h"
#include "common/cargo/container_findings.h"
#include "common/cargo/container_powers.h"
#include "common/cargo/json_shape.h"
#include "common/cargo/network_plan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void travels(const json_t *manifest)
{
	struct err err = { 0 };
	struct buf b;
	json_t *again = NULL;

	buf_init(&b, CONTAINER_MANIFEST_MAX);
	/* Written out it may be longer than it came: numbers and escapes have other spellings. */
	if (container_manifest_print(manifest, &b, &err) == 0) {
		check(container_manifest_parse(buf_bytes(&b), buf_len(&b), &again, &err) == 0);
		check(json_equal(manifest, again));
		json_decref(again);
	} else {
		check(err.code == ERR_LIMIT);
	}
	buf_done(&b);
}

static bool has_a_host_path(const json_t *create)
{
	const json_t *binds = json_at(create, "HostConfig.Binds"), *v;
	const json_t *mounts = json_at(create, "HostConfig.Mounts");
	size_t i;

	json_array_foreach(binds, i, v)
	{
		if (json_string_value(v)[0] == '/')
			return true;
	}
	json_array_foreach(mounts, i, v)
	{
		if (strcmp(json_text(v, "Type"), "bind") == 0)
			return true;
	}
	return false;
}

static void is_asked_for(const json_t *manifest, unsigned api)
{
	struct container_target target = { .api = api };
	struct container_choice choice = { .name = "other", .no_restart = true };
	struct container_request r;
	struct network_plan plan;
	struct fidelity report = { 0 };
	json_t *none = json_array();
	struct err err = { 0 };

	check(container_request_build(manifest, &target, &choice, &r, &err) == 0);
	check(!has_a_host_path(r.create) || (container_powers(manifest, NULL) & POWER_BIND));
	container_request_done(&r);
	check(network_plan_make(manifest, none, &target, &plan, &err) == 0);
	network_plan_done(&plan);
	check(container_findings(manifest, &target, &choice, &report, &err) == 0 ||
		err.code == ERR_LIMIT);
	check(container_compare(manifest, manifest, &target, &choice, &report, &err) == 0 ||
		err.code == ERR_LIMIT);
	fidelity_done(&report);
	json_decref(none);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct err err = { 0 };
	json_t *manifest;

	if (container_manifest_parse(bytes, n, &manifest, &err) != 0) {
		check(err.code == ERR_PROTOCOL || err.code == ERR_LIMIT);
		return 0;
	}
	check(container_powers_check(manifest, CONTAINER_POWERS, &err) == 0);
	travels(manifest);
	is_asked_for(manifest, 41);
	is_asked_for(manifest, 51);
	json_decref(manifest);
	return 0;
}
