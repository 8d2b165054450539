/*
 * What common/cargo makes of an engine's answers, for tests that have them in files: see usage().
 * DIR holds them as container_hand gathers them: container.json, image.json, networks.json,
 * volumes.json, containers.json, version.json, info.json. Results are JSON on stdout.
 */
#include "common/cargo/container_compare.h"
#include "common/cargo/container_fields.h"
#include "common/cargo/container_findings.h"
#include "common/cargo/container_powers.h"
#include "common/cargo/network_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(void)
{
	fputs("container_tool rows\n"
	      "               wants|unknown INSPECT\n"
	      "               build DIR\n"
	      "               print|powers MANIFEST\n"
	      "               request|networks|findings MANIFEST DIR [OPTION...]\n"
	      "               compare MANIFEST MADE DIR [OPTION...]\n"
	      "options: --name NAME --image IMAGE --map /FROM=/TO --no-restart --binds --text\n",
		stderr);
	exit(2);
}

static void die(const struct err *err)
{
	fprintf(stderr, "container_tool: %s (%s)\n", err->text, err_code_name(err->code));
	exit(1);
}

static void show(json_t *v)
{
	if (!v || json_dumpf(v, stdout, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0)
		exit(1);
	putchar('\n');
	json_decref(v);
}

/* NULL where the file is not there. */
static json_t *read_json(const char *dir, const char *name)
{
	char path[4096];
	json_error_t why;
	json_t *v;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
	f = fopen(path, "r");
	if (!f && *name)
		return NULL;
	v = f ? json_loadf(f, 0, &why) : NULL;
	if (!v) {
		fprintf(stderr, "container_tool: %s: %s\n", path, f ? why.text : "is not there");
		exit(1);
	}
	fclose(f);
	return v;
}

/* As it would arrive: its bytes, parsed strictly. */
static json_t *read_manifest(const char *path)
{
	static char bytes[CONTAINER_MANIFEST_MAX + 1];
	struct err err = { 0 };
	FILE *f = fopen(path, "r");
	json_t *manifest;
	size_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	if (container_manifest_parse(bytes, n, &manifest, &err) != 0)
		die(&err);
	return manifest;
}

static void read_target(const char *dir, struct container_target *ret)
{
	json_t *version = read_json(dir, "version.json"), *info = read_json(dir, "info.json");
	struct err err = { 0 };

	if (container_target_read(version, info, ret, &err) != 0)
		die(&err);
	json_decref(version);
	json_decref(info);
}

struct options {
	struct container_choice choice;
	struct container_path_map maps[CONTAINER_MAPS_MAX];
	bool text;
};

static void read_options(char **argv, struct options *o)
{
	struct err err = { 0 };

	for (; *argv; argv++) {
		if (strcmp(*argv, "--no-restart") == 0)
			o->choice.no_restart = true;
		else if (strcmp(*argv, "--binds") == 0)
			o->choice.binds = true;
		else if (strcmp(*argv, "--text") == 0)
			o->text = true;
		else if (!argv[1])
			usage();
		else if (strcmp(*argv, "--name") == 0)
			o->choice.name = *++argv;
		else if (strcmp(*argv, "--image") == 0)
			o->choice.image = *++argv;
		else if (strcmp(*argv, "--map") != 0 || o->choice.n_maps == CONTAINER_MAPS_MAX)
			usage();
		else if (container_path_map_parse(*++argv, &o->maps[o->choice.n_maps++], &err) != 0)
			die(&err);
	}
	o->choice.maps = o->maps;
}

static int print_unknown(void *ctx, const char *path, const json_t *value, struct err *err)
{
	(void)value, (void)err;
	(*(size_t *)ctx)++;
	puts(path);
	return 0;
}

static void unknown(const char *path)
{
	json_t *inspect = read_json(path, "");
	struct err err = { 0 };
	size_t n = 0;

	if (container_fields_unknown(inspect, print_unknown, &n, &err) != 0)
		die(&err);
	json_decref(inspect);
	exit(n ? 1 : 0);
}

/* The keys of a manifest's config. */
static void rows(void)
{
	for (size_t i = 0; i < container_fields_count; i++)
		if (container_field_is_carried(&container_fields[i]))
			puts(container_fields[i].request);
}

static void wants(const char *path)
{
	json_t *inspect = read_json(path, ""), *list;
	struct err err = { 0 };

	if (container_wants(inspect, &list, &err) != 0)
		die(&err);
	json_decref(inspect);
	show(list);
}

static void build(const char *dir)
{
	struct container_target engine;
	json_t *parts[] = { read_json(dir, "container.json"), read_json(dir, "image.json"),
		read_json(dir, "networks.json"), read_json(dir, "volumes.json"),
		read_json(dir, "containers.json") };
	struct container_source source = { parts[0], parts[1], parts[2], parts[3], parts[4],
		&engine };
	struct err err = { 0 };
	json_t *manifest;

	read_target(dir, &engine);
	if (container_manifest_build(&source, &manifest, &err) != 0)
		die(&err);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		json_decref(parts[i]);
	container_target_done(&engine);
	show(manifest);
}

/* The bytes that travel. */
static void print(const char *path)
{
	json_t *manifest = read_manifest(path);
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, CONTAINER_MANIFEST_MAX);
	if (container_manifest_print(manifest, &b, &err) != 0)
		die(&err);
	fwrite(buf_bytes(&b), 1, buf_len(&b), stdout);
	buf_done(&b);
	json_decref(manifest);
}

static void powers(const char *path)
{
	char why[CONTAINER_POWERS_COUNT][CONTAINER_POWER_WHY_MAX];
	json_t *manifest = read_manifest(path);
	uint32_t bits = container_powers(manifest, why);

	for (size_t i = 0; i < CONTAINER_POWERS_COUNT; i++)
		if (bits >> i & 1u)
			printf("%s: %s\n", container_power_name((enum container_power)(1u << i)),
				why[i]);
	json_decref(manifest);
}

static void request(
	const json_t *manifest, const struct container_target *target, const struct options *o)
{
	struct container_request r;
	struct err err = { 0 };

	if (container_request_build(manifest, target, &o->choice, &r, &err) != 0)
		die(&err);
	show(json_pack("{s:O,s:O,s:O,s:s}", "volumes", r.volumes, "create", r.create, "connects",
		r.connects, "name", r.name));
	container_request_done(&r);
}

static void networks(const json_t *manifest, const struct container_target *target, const char *dir)
{
	static const char *const steps[] = { "matched", "create", "clash" };
	json_t *there = read_json(dir, "networks.json"), *list = json_array();
	struct network_plan plan;
	struct err err = { 0 };

	if (network_plan_make(manifest, there, target, &plan, &err) != 0)
		die(&err);
	for (size_t i = 0; i < plan.n; i++)
		json_array_append_new(
			list, json_pack("{s:s,s:s,s:s,s:O?}", "name", plan.rows[i].name, "step",
				      steps[plan.rows[i].step], "reason", plan.rows[i].reason,
				      "body", plan.rows[i].body));
	network_plan_done(&plan);
	json_decref(there);
	show(list);
}

static void show_report(struct fidelity *report, bool text)
{
	struct buf line;

	if (!text)
		show(json_pack("{s:b,s:o}", "full", fidelity_full(report), "report",
			fidelity_json(report)));
	for (size_t i = 0; text && i < report->n; i++) {
		buf_init(&line, 64u << 10);
		fidelity_line(&report->rows[i], &line);
		printf("%.*s\n", (int)buf_len(&line), (const char *)buf_bytes(&line));
		buf_done(&line);
	}
	fidelity_done(report);
}

static void findings(
	const json_t *manifest, const struct container_target *target, const struct options *o)
{
	struct fidelity report = { 0 };
	struct err err = { 0 };

	if (container_findings(manifest, target, &o->choice, &report, &err) != 0)
		die(&err);
	show_report(&report, o->text);
}

static void compare(const json_t *manifest, const char *made_path,
	const struct container_target *target, const struct options *o)
{
	json_t *made = read_manifest(made_path);
	struct fidelity report = { 0 };
	struct err err = { 0 };

	if (container_compare(manifest, made, target, &o->choice, &report, &err) != 0)
		die(&err);
	json_decref(made);
	show_report(&report, o->text);
}

/* Commands that need a target. */
static void with_target(const char *command, int argc, char **argv)
{
	bool comparing = strcmp(command, "compare") == 0;
	const char *dir = argc > 3 + comparing ? argv[3 + comparing] : NULL;
	struct container_target target;
	struct options options = { 0 };
	json_t *manifest;

	if (!dir)
		usage();
	manifest = read_manifest(argv[2]);
	read_target(dir, &target);
	read_options(argv + 4 + comparing, &options);
	if (comparing)
		compare(manifest, argv[3], &target, &options);
	else if (strcmp(command, "request") == 0)
		request(manifest, &target, &options);
	else if (strcmp(command, "networks") == 0)
		networks(manifest, &target, dir);
	else if (strcmp(command, "findings") == 0)
		findings(manifest, &target, &options);
	else
		usage();
	container_target_done(&target);
	json_decref(manifest);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "rows") == 0 && argc == 2) {
		rows();
		return 0;
	}
	if (argc < 3)
		usage();
	if (strcmp(command, "wants") == 0)
		wants(argv[2]);
	else if (strcmp(command, "unknown") == 0)
		unknown(argv[2]);
	else if (strcmp(command, "build") == 0)
		build(argv[2]);
	else if (strcmp(command, "print") == 0)
		print(argv[2]);
	else if (strcmp(command, "powers") == 0)
		powers(argv[2]);
	else
		with_target(command, argc, argv);
	return 0;
}
