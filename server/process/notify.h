/*
 * What a service manager wants to hear (sd_notify): lines like "READY=1" in a datagram to the
 * socket that NOTIFY_SOCKET names. Without a manager, nothing happens. Never blocks. The supervisor
 * alone says these things. Main thread.
 */
#pragma once

#include "common/base/err.h"

/* Sends the lines. Fails when there is a socket to tell and it cannot be told. */
int notify_send(const char *lines, struct err *err) MUST_CHECK;

/* "RELOADING=1" with the clock's time, which tells this reload from an earlier one. */
int notify_reloading(struct err *err) MUST_CHECK;

/* Within how many ms the manager wants to hear WATCHDOG=1, again and again; 0: it does not. */
uint64_t notify_watchdog_ms(void);

/* In a child, which speaks to its supervisor only: takes the manager out of the environment. */
void notify_forget(void);
