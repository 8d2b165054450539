/*
 * A whole `dray backup`: one thing after the other, each a snapshot at the target. Runs a loop of
 * its own until all is done.
 */
#pragma once

#include "client/backup/uv_vault.h"
#include "client/view/report.h"

#define BACKUPS_MAX 256u
#define BACKUP_VOLUME "volume:" /* how the argument begins that is a volume's */

struct backup_options {
	struct vault_options vault;
	const char *const *names; /* as typed: "volume:NAME" */
	size_t n_names;
	bool reread;
	enum report_style style;
};

/* Says how it went; returns the exit code. */
int backup_run(const struct backup_options *options);
