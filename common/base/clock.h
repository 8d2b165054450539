/* Time that passes, whatever is done to the date. Any thread. */
#pragma once

#include "common/base/base.h"

/* Milliseconds since some moment before this process began. */
uint64_t clock_monotonic_ms(void);
