/* Inside of the engine module: what engine_close needs of saves. */
#pragma once

#include "common/engine/engine.h"

/* Cancels every save of the engine; each fires its callback and then calls engine_maybe_close. */
void uv_save_cancel_all(struct engine *e);
