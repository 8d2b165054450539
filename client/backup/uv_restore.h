/*
 * A whole `dray restore`: one snapshot of a target, made anew in the engine beside the agent or
 * written into a file. Runs a loop of its own until it is done.
 */
#pragma once

#include "client/backup/uv_vault.h"
#include "client/view/report.h"

struct restore_options {
	struct vault_options vault;
	const char *snapshot; /* as typed */
	const char *archive;  /* --to-archive; NULL: into the engine */
	const char *name;     /* --name; NULL: as it was */
	bool overwrite;
	enum report_style style;
};

/* Says how it went; returns the exit code. */
int restore_run(const struct restore_options *options);
