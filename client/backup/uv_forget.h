/*
 * A whole `dray forget`: what of this key's snapshots a policy does not keep is dropped at the
 * target. Runs a loop of its own until it is done.
 */
#pragma once

#include "client/backup/uv_vault.h"
#include "client/view/report.h"
#include "common/cargo/retention.h"

struct forget_options {
	struct vault_options vault;
	struct retention keep;
	const char *host, *name; /* NULL: any */
	bool dry_run;
	enum report_style style;
};

/* Says how it went; returns the exit code. */
int forget_run(const struct forget_options *options);
