/* `dray doctor`: its options and the order of its parts. */
#include "client/cmd/cmd.h"

#include "client/clock.h"
#include "client/doctor/doctor.h"
#include "common/base/log.h"
#include "common/base/program.h"

#include <archive.h>
#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <unistd.h>
#include <uv.h>
#include <zstd.h>

struct doctor_options {
	const char *to, *engine;
	bool json, quiet, verbose, help;
};

static const char doctor_text[] =
	"Looks at what dray needs here: its files, the engine, the speed of this machine; with "
	"--to\n"
	"also the way to TARGET. Changes nothing. Exit code 1: there is a problem.\n";

static int parse(int argc, char **argv, struct doctor_options *o, struct err *err)
{
	const struct option_row rows[] = {
		{ "to", 0, OPTION_TEXT, &o->to, "TARGET", "look at the way to this target, too" },
		ENGINE_OPTION_ROW(&o->engine),
		{ "json", 0, OPTION_FLAG, &o->json, NULL, "one JSON object a line on stdout" },
		{ "quiet", 'q', OPTION_FLAG, &o->quiet, NULL, "print only notes and problems" },
		{ "verbose", 'v', OPTION_FLAG, &o->verbose, NULL, "say more" },
		{ 0 },
	};
	int n;

	if (options_parse(rows, argc, argv, &n, &o->help, err) != 0)
		return -1;
	if (o->help) {
		program_help("doctor [--to TARGET]", doctor_text, rows);
		return 0;
	}
	if (n != 0)
		return err_set(err, ERR_USAGE, "doctor takes no arguments (--to TARGET?)");
	if (o->json && o->quiet)
		return err_set(err, ERR_USAGE, "--json and -q exclude each other");
	return 0;
}

static void check_versions(struct checks *checks)
{
	struct check c = { .name = "dray" };

	check_text(&c, "%s, with libuv %s, libsodium %s, zstd %s, libcurl %s, jansson %s, %s, %s",
		DRAY_VERSION, uv_version_string(), sodium_version_string(), ZSTD_versionString(),
		curl_version_info(CURLVERSION_NOW)->version, jansson_version_str(),
		archive_version_string(), OpenSSL_version(OPENSSL_VERSION));
	checks_tell(checks, &c);
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor_options o = { 0 };
	struct checks checks = { .terminal = terminal_look(STDOUT_FILENO) };
	struct target *target = NULL;
	double since = clock_seconds();
	struct err err;

	if (parse(argc, argv, &o, &err) != 0)
		return program_fail(&err);
	if (o.help)
		return 0;
	log_start("dray", o.verbose ? LOG_DEBUG : LOG_INFO, false);
	if (o.to && targets_load(o.to, &target, &err) != 0)
		return program_fail(&err);
	checks.json = o.json;
	checks.quiet = o.quiet;
	check_versions(&checks);
	doctor_host(&checks);
	doctor_engine(&checks, o.engine);
	if (target)
		doctor_target(&checks, target);
	target_free(target);
	checks_end(&checks, clock_seconds() - since);
	return checks.problems > 0 ? 1 : 0;
}
