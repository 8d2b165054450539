#include "client/client.h"
#include "client/doctor/doctor.h"
#include "client/doctor/speed.h"
#include "common/base/file.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN_MAX 400
#define HASH_SLOW 500e6 /* bytes a second: without the processor's SHA instructions it is less */

/* --- dray's files --- */

/* True when the directory is there. */
static bool check_directory(struct checks *checks, const char *path)
{
	struct check c = { .name = "config", .mark = MARK_OK };
	char shown[SHOWN_MAX];
	struct stat st;
	int r = stat(path, &st);

	text_escape(shown, sizeof(shown), path, strlen(path));
	if (r != 0 && errno == ENOENT) {
		c.mark = MARK_NOTE;
		check_text(&c, "%s is not there yet", shown);
		check_advice(&c, "dray pair makes it, with this host's key");
	} else if (r != 0 || !S_ISDIR(st.st_mode)) {
		c.mark = MARK_PROBLEM;
		check_text(&c, "%s: %s", shown, r != 0 ? strerror(errno) : "is no directory");
		check_advice(&c, "run dray as the user who paired, or set DRAY_CONFIG_DIR");
	} else if ((st.st_mode & 022) || (st.st_uid != geteuid() && st.st_uid != 0)) {
		c.mark = MARK_PROBLEM;
		check_text(&c, "%s (mode %03o, of user %u): others may replace the key in it",
			shown, (unsigned)st.st_mode & 0777u, (unsigned)st.st_uid);
		check_advice(&c, "chown %u %s; chmod 700 %s", (unsigned)geteuid(), shown, shown);
	} else {
		check_text(&c, "%s (mode %03o)", shown, (unsigned)st.st_mode & 0777u);
	}
	checks_tell(checks, &c);
	return r == 0 && S_ISDIR(st.st_mode);
}

static void check_key(struct checks *checks, const char *dir)
{
	CLEANUP(cleanup_free) char *path = file_join(dir, "key");
	struct check c = { .name = "key", .mark = MARK_OK };
	char shown[SHOWN_MAX];
	struct stat st;
	struct err err;

	if (!path)
		return;
	text_escape(shown, sizeof(shown), path, strlen(path));
	if (lstat(path, &st) != 0) {
		c.mark = errno == ENOENT ? MARK_NOTE : MARK_PROBLEM;
		check_text(&c, "%s: %s", shown, strerror(errno));
		check_advice(&c, "dray pair makes this host's key");
	} else if (file_check_private(path, &err) != 0) {
		c.mark = MARK_PROBLEM;
		check_text(&c, "%s", err.text);
		check_advice(&c,
			"chown %u %s; chmod 600 %s; if others could read it: drayd revoke, remove "
			"it, "
			"and pair again",
			(unsigned)geteuid(), shown, shown);
	} else {
		check_text(&c, "%s (mode %03o)", shown, (unsigned)st.st_mode & 0777u);
	}
	checks_tell(checks, &c);
}

struct count {
	size_t usable, unusable;
	char first[ERR_TEXT_MAX + TEXT_NAME_MAX + 3]; /* why the first unusable one is */
};

static void count_target(void *ctx, const char *name, const struct target *t, const struct err *why)
{
	struct count *n = ctx;

	if (t) {
		n->usable++;
		return;
	}
	if (n->unusable++ == 0)
		snprintf(n->first, sizeof(n->first), "%.*s: %s", (int)TEXT_NAME_MAX, name,
			why->text);
}

static void check_targets(struct checks *checks)
{
	struct check c = { .name = "targets", .mark = MARK_OK };
	struct count n = { 0 };
	struct err err;

	if (targets_each(count_target, &n, &err) != 0) {
		c.mark = MARK_PROBLEM;
		check_text(&c, "%s", err.text);
	} else if (n.unusable > 0) {
		c.mark = MARK_PROBLEM;
		check_text(&c, "%zu of %zu cannot be used; %s", n.unusable, n.usable + n.unusable,
			n.first);
		check_advice(&c, "dray targets tells of each; pair those again");
	} else {
		c.mark = n.usable > 0 ? MARK_OK : MARK_NOTE;
		check_text(&c, "%zu paired", n.usable);
		if (n.usable == 0)
			check_advice(&c, "drayd invite on the receiver, then dray pair here");
	}
	checks_tell(checks, &c);
}

static void check_files(struct checks *checks)
{
	struct check c = { .name = "config", .mark = MARK_PROBLEM };
	CLEANUP(cleanup_free) char *dir = NULL;
	struct err err;

	if (client_config_path(&dir, &err) != 0) {
		check_text(&c, "%s", err.text);
		checks_tell(checks, &c);
		return;
	}
	if (!check_directory(checks, dir))
		return;
	check_key(checks, dir);
	check_targets(checks);
}

/* --- speed --- */

static void tell_speed(struct checks *checks, struct check *c, double speed, const char *more)
{
	char size[TEXT_SIZE_MAX];

	c->unit = "bytes/s";
	c->value = speed;
	check_text(c, "%s/s on one core%s", text_size(size, (uint64_t)speed), more);
	checks_tell(checks, c);
}

static void check_hash(struct checks *checks, const struct speed_sample *sample)
{
	struct check c = { .name = "SHA-256", .mark = MARK_OK };
	double speed = speed_sha256(sample);

	if (speed < HASH_SLOW) {
		c.mark = MARK_NOTE;
		check_advice(&c, "its processor has no SHA instructions, it seems: pushes will not "
				 "be faster than this");
	}
	tell_speed(checks, &c, speed, "");
}

static void check_zstd(struct checks *checks, const struct speed_sample *sample, int level)
{
	struct check c = { .name = "zstd", .mark = MARK_FACT };
	char more[100];
	double ratio = 1, speed = speed_zstd(sample, level, &ratio);

	snprintf(more, sizeof(more), " at level %d, programs to %.0f %%", level, 100 / ratio);
	tell_speed(checks, &c, speed, more);
}

static void check_speed(struct checks *checks)
{
	static const int levels[] = { -3, 1, 3 };
	struct check c = { .name = "speed", .mark = MARK_NOTE };
	struct speed_sample sample;
	struct err err;

	if (speed_sample_take(&sample, &err) != 0) {
		check_text(&c, "not measured: %s", err.text);
		checks_tell(checks, &c);
		return;
	}
	check_hash(checks, &sample);
	c = (struct check){ .name = "encryption", .mark = MARK_FACT };
	tell_speed(checks, &c, speed_sealing(&sample), ", ChaCha20-Poly1305");
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		check_zstd(checks, &sample, levels[i]);
	speed_sample_done(&sample);
}

void doctor_host(struct checks *checks)
{
	check_files(checks);
	check_speed(checks);
}
