/* The parts of `dray doctor`, each of which tells its checks. Main thread. */
#pragma once

#include "client/doctor/checks.h"
#include "client/targets.h"

/* dray's files, and how fast the machine is. */
void doctor_host(struct checks *checks);

/* The engine that -H (or NULL) and docker's settings name. Runs a loop of its own. */
void doctor_engine(struct checks *checks, const char *option);

/* A target, from its name's look-up to its engine. Runs a loop of its own. */
void doctor_target(struct checks *checks, const struct target *target);
