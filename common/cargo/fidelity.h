/*
 * What becomes of each thing that a container is made of: carried, changed or not carried, and why.
 * The same list serves what is known before anything is touched (container_findings.h) and what is
 * seen afterwards (container_compare.h). Pure; one owner, any thread.
 */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

#include <jansson.h>

enum fidelity_outcome {
	FIDELITY_CARRIED,
	FIDELITY_CHANGED,
	FIDELITY_NOT_CARRIED,
};

/* Rows of a report; more are ERR_LIMIT. */
#define FIDELITY_ROWS_MAX 4096u
#define FIDELITY_TEXT_MAX 512u /* bytes of a field's name, a reason or a value that are kept */

struct fidelity_row {
	char *field;  /* as inspect calls it: "HostConfig.Memory", "Mounts /data" */
	char *reason; /* "" when it was carried and there is nothing to say */
	char *was,
		*now; /* for a change: both values as compact JSON, never a secret; may be NULL */
	enum fidelity_outcome outcome;
};

struct fidelity {
	struct fidelity_row *rows;
	size_t n, cap;
};

/* Frees the rows; the report is then empty. Fit for CLEANUP. `*f = { 0 }` is an empty one. */
void fidelity_done(struct fidelity *f);

/* Adds a row; all texts are copied, cut to FIDELITY_TEXT_MAX. `was` and `now` (may be NULL) are
 * values for a row that says that they differ: the caller leaves out what may be secret. */
int fidelity_add(struct fidelity *f, const char *field, enum fidelity_outcome outcome,
	const char *reason, const json_t *was, const json_t *now, struct err *err) MUST_CHECK;

/* True when everything was carried; an empty report is full. */
bool fidelity_full(const struct fidelity *f);

size_t fidelity_count(const struct fidelity *f, enum fidelity_outcome outcome);

/* "carried", "changed", "not carried". */
const char *fidelity_outcome_name(enum fidelity_outcome outcome);

/* [{"field", "outcome", "reason"[, "was", "now"]}, …], the contract's `report`. NULL: no memory. */
json_t *fidelity_json(const struct fidelity *f);

/* The same read back, from a peer: unknown keys and outcomes, and more than the limits allow, are
 * ERR_PROTOCOL. `ret` is overwritten. */
int fidelity_parse(const json_t *report, struct fidelity *ret, struct err *err) MUST_CHECK;

/* One row for a terminal, without a line end: "changed      HostConfig.Runtime: runsc, now runc:
 * …", everything from outside escaped. */
void fidelity_line(const struct fidelity_row *row, struct buf *ret);
