/*
 * What will become of the parts of a container that hang on its host, told before anything is
 * touched. Pure.
 */
#pragma once

#include "common/cargo/container_request.h"
#include "common/cargo/fidelity.h"

/* Adds a row for each thing that is bound to the source's host or that the target cannot take: bind
 * paths, devices, host IPs of ports, networks with a parent interface or of a swarm, secrets,
 * volume drivers, log drivers, runtimes, cgroup parents, profiles by path, links, other containers'
 * namespaces; and for what the source itself had to leave out. `target` may be NULL when nothing is
 * known of it yet. */
int container_findings(const json_t *manifest, const struct container_target *target,
	const struct container_choice *choice, struct fidelity *ret, struct err *err) MUST_CHECK;

/* True for what each host has of its own (/dev, /proc, /sys, sockets): binds of it are made again,
 * their contents never travel. */
bool container_bind_is_hosts(const char *path);
