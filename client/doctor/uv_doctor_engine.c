/*
 * Owns the engine and the loop while it asks. Happy path: facts -> checks of them. Failure modes:
 * an engine that does not answer, told with what stands in the way.
 */
#include "client/doctor/doctor.h"
#include "client/doctor/known_fixes.h"
#include "common/base/text.h"
#include "common/engine/containerd_content.h"
#include "common/engine/engine.h"
#include "common/engine/engine_choice.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 300

struct survey {
	struct checks *checks;
	struct engine_address address;
	struct engine *engine;
};

/* --- an engine that answers --- */

static void check_engine(struct survey *s, const struct engine_info *info)
{
	struct check c = { .name = "engine", .mark = MARK_OK };
	char version[SHOWN_MAX], root[SHOWN_MAX];
	bool range = info->min_api_version[0] != '\0';

	text_escape(version, sizeof(version), info->version, strlen(info->version));
	check_text(&c, "%s %s at %s, API %s%s%s, %s", info->podman ? "Podman" : "Docker", version,
		engine_host(s->engine), info->min_api_version, range ? " to " : "",
		info->api_version, info->os_arch);
	checks_tell(s->checks, &c);
	c = (struct check){ .name = "image store", .mark = MARK_FACT };
	text_escape(root, sizeof(root), info->data_root, strlen(info->data_root));
	check_text(&c, "%s, %s, in %s",
		info->podman		 ? "Podman's"
		: info->containerd_store ? "containerd's"
					 : "Docker's classic one",
		info->driver, root);
	checks_tell(s->checks, &c);
}

/* Where the engine's own files are that say what images it has; a new string. Of the places that a
 * store may be at, the first that is there. */
static char *files_dir(const struct engine_info *info)
{
	char *dir = NULL;

	if (!info->containerd_store)
		return asprintf(&dir, "%s/image/%s", info->data_root, info->driver) < 0 ? NULL
											: dir;
	for (size_t i = 0; i < CONTAINERD_ROOTS; i++) {
		free(dir);
		dir = containerd_content_dir(info, i);
		if (dir && (access(dir, F_OK) == 0 || errno == EACCES))
			break;
	}
	return dir;
}

/* What only root may read saves the engine work; without it dray asks the engine for it. */
static void check_rights(struct survey *s, const struct engine_info *info)
{
	struct check c = { .name = "direct reads", .mark = MARK_OK };
	CLEANUP(cleanup_free) char *path = NULL;
	char shown[SHOWN_MAX];

	if (info->remote) {
		c.mark = MARK_FACT;
		check_text(&c, "none over TCP: the engine is asked for everything");
		checks_tell(s->checks, &c);
		return;
	}
	if (info->podman || strchr(info->driver, '/')) {
		c.mark = MARK_FACT;
		check_text(&c, "none from this kind of store: the engine is asked for everything");
		checks_tell(s->checks, &c);
		return;
	}
	path = files_dir(info);
	text_escape(shown, sizeof(shown), path ? path : "", path ? strlen(path) : 0);
	if (path && access(path, R_OK | X_OK) == 0) {
		check_text(&c, "%s can be read", shown);
	} else {
		c.mark = MARK_NOTE;
		check_text(&c, "%s cannot be read: %s", shown, strerror(errno));
		check_advice(&c, "%s",
			errno == EACCES ? "as root dray reads images there; else it asks the "
					  "engine, which is slower"
					: "the engine runs in another system; it is asked instead");
	}
	checks_tell(s->checks, &c);
}

static void check_version(
	struct survey *s, enum product product, const char *name, const char *version)
{
	struct check c = { .name = "fixes", .mark = MARK_OK };
	const struct known_fix *fix = NULL;
	char shown[SHOWN_MAX];
	bool any = false;

	text_escape(shown, sizeof(shown), version, strlen(version));
	while ((fix = known_fix_next(fix, product, version))) {
		any = true;
		c.mark = MARK_NOTE;
		check_text(&c, "%s %s is older than %s: %s (%s)", name, shown, fix->below,
			fix->what, fix->id);
		check_advice(&c,
			"update it, or load only images that you trust; a distribution may have "
			"fixed it in this version");
		checks_tell(s->checks, &c);
	}
	if (any)
		return;
	if (version[0])
		check_text(&c, "%s %s lacks none that dray knows of", name, shown);
	else
		check_text(&c, "the engine does not tell its version of %s", name);
	c.mark = version[0] ? MARK_OK : MARK_FACT;
	checks_tell(s->checks, &c);
}

/* --- an engine that does not --- */

static void advise_socket(struct check *c, const char *path)
{
	char shown[SHOWN_MAX];

	text_escape(shown, sizeof(shown), path, strlen(path));
	if (access(path, R_OK | W_OK) == 0)
		check_advice(c, "the socket is there, but nobody listens: start the engine");
	else if (errno == ENOENT)
		check_advice(c,
			"start the engine, or name its socket with -H or DOCKER_HOST: there is no "
			"%s",
			shown);
	else
		check_advice(c,
			"run dray as root or as a member of the socket's group (docker): %s: %s",
			shown, strerror(errno));
}

static void tell_failure(
	struct checks *checks, const struct engine_address *a, const struct err *err)
{
	struct check c = { .name = "engine", .mark = MARK_PROBLEM };

	check_text(&c, "%s", err->text);
	if (a->socket && err->code == ERR_UNREACHABLE)
		advise_socket(&c, a->socket);
	else if (err->code == ERR_UNREACHABLE)
		check_advice(&c, "is it there, and does it listen on TCP? docker -H %s version",
			a->shown);
	else
		check_advice(&c, "name the engine with -H or DOCKER_HOST");
	checks_tell(checks, &c);
}

/* Which engine it is, and why: the first thing to look at when it is the wrong one. */
static void check_choice(struct survey *s)
{
	const struct engine_address *a = &s->address;
	struct check c = { .name = "choice", .mark = MARK_FACT };

	check_text(&c, "the engine at %s: %s%s", a->shown, a->why,
		!a->tls	    ? ""
		: a->verify ? ", with TLS"
			    : ", with TLS that does not ask who answers");
	if (engine_address_is_open(a)) {
		c.mark = MARK_NOTE;
		check_advice(&c, "it is without TLS: whoever can reach it, or change what passes, "
				 "has the engine");
	} else if (a->tls && !a->verify) {
		c.mark = MARK_NOTE;
		check_advice(&c, "whoever answers in the engine's place gets the images: set "
				 "DOCKER_TLS_VERIFY=1, or take SkipTLSVerify out of the context");
	}
	checks_tell(s->checks, &c);
}

/* --- the whole --- */

static void on_info(void *ctx, const struct engine_info *info, const struct err *err)
{
	struct survey *s = ctx;

	if (err) {
		tell_failure(s->checks, &s->address, err);
	} else {
		check_engine(s, info);
		check_rights(s, info);
		if (!info->podman) {
			check_version(s, PRODUCT_DOCKER, "Docker", info->version);
			check_version(s, PRODUCT_RUNC, "runc", info->runc);
		}
	}
	engine_close(s->engine, NULL, NULL);
}

void doctor_engine(struct checks *checks, const char *option)
{
	struct survey s = { .checks = checks };
	uv_loop_t loop;
	struct err err;
	int left;

	if (engine_choose(option, &s.address, &err) != 0) {
		tell_failure(checks, &s.address, &err);
		return;
	}
	check_choice(&s);
	uv_loop_init(&loop);
	if (engine_open(&loop, &s.address, &s.engine, &err) == 0)
		engine_get_info(s.engine, on_info, &s);
	else
		tell_failure(checks, &s.address, &err);
	uv_run(&loop, UV_RUN_DEFAULT);
	left = uv_loop_close(&loop);
	assert(left == 0);
	(void)left;
	engine_address_done(&s.address);
}
