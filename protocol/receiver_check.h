/* The fields of a message that begins a job or commits a backup, each within its limits. Pure. */
#pragma once

#include "protocol/message.h"

/* ERR_PROTOCOL says what is wrong; of other messages nothing is. */
int receiver_check(const struct message *m, struct err *err) MUST_CHECK;
