#include "client/migrate/cutover.h"

#include <string.h>

/* One more than the stage that follows; 0: the event has no place. */
#define TO(stage) ((uint8_t)((stage) + 1))

static const uint8_t next[CUTOVER_STAGES][CUTOVER_EVENTS] = {
	[CUTOVER_OPEN] = {
		[CUTOVER_TAKE_DOWN] = TO(CUTOVER_DOWN),
		[CUTOVER_SEND] = TO(CUTOVER_SENT),
		[CUTOVER_GIVE_UP] = TO(CUTOVER_BACK),
	},
	[CUTOVER_DOWN] = {
		[CUTOVER_TAKE_DOWN] = TO(CUTOVER_DOWN), /* again, after a kill */
		[CUTOVER_SEND] = TO(CUTOVER_SENT),
		[CUTOVER_GIVE_UP] = TO(CUTOVER_BACK),
	},
	[CUTOVER_SENT] = {
		[CUTOVER_SEND] = TO(CUTOVER_SENT),
		[CUTOVER_IS_LIVE] = TO(CUTOVER_LIVE),
		[CUTOVER_TURN_BACK] = TO(CUTOVER_UNDOING),
		[CUTOVER_SILENT] = TO(CUTOVER_SENT),
	},
	[CUTOVER_LIVE] = {
		[CUTOVER_IS_LIVE] = TO(CUTOVER_LIVE),
		[CUTOVER_TURN_BACK] = TO(CUTOVER_UNDOING),
		[CUTOVER_SILENT] = TO(CUTOVER_LIVE),
		[CUTOVER_FINISHED] = TO(CUTOVER_OVER),
	},
	[CUTOVER_UNDOING] = {
		[CUTOVER_IS_LIVE] = TO(CUTOVER_UNDOING), /* it was, when it said so */
		[CUTOVER_TURN_BACK] = TO(CUTOVER_UNDOING),
		[CUTOVER_IS_UNDONE] = TO(CUTOVER_BACK),
		[CUTOVER_SILENT] = TO(CUTOVER_UNDOING),
	},
	[CUTOVER_BACK] = {
		[CUTOVER_STARTED] = TO(CUTOVER_OVER),
		[CUTOVER_SILENT] = TO(CUTOVER_BACK),
		[CUTOVER_IS_UNDONE] = TO(CUTOVER_BACK),
		[CUTOVER_GIVE_UP] = TO(CUTOVER_BACK),
	},
};

static const char *const names[CUTOVER_STAGES] = { [CUTOVER_OPEN] = "open",
	[CUTOVER_DOWN] = "source-stopped",
	[CUTOVER_SENT] = "commit-sent",
	[CUTOVER_LIVE] = "live",
	[CUTOVER_UNDOING] = "undoing",
	[CUTOVER_BACK] = "going-back",
	[CUTOVER_OVER] = "over" };

bool cutover_next(enum cutover_stage stage, enum cutover_event event, enum cutover_stage *ret)
{
	uint8_t to = next[stage][event];

	if (to == 0)
		return false;
	*ret = (enum cutover_stage)(to - 1);
	return true;
}

enum cutover_step cutover_forward(enum cutover_stage stage)
{
	static const enum cutover_step steps[CUTOVER_STAGES] = { [CUTOVER_OPEN] = CUTOVER_TRANSFER,
		[CUTOVER_DOWN] = CUTOVER_TRANSFER,
		[CUTOVER_SENT] = CUTOVER_ASK_COMMIT,
		[CUTOVER_LIVE] = CUTOVER_CLOSE,
		[CUTOVER_UNDOING] = CUTOVER_ASK_UNDO,
		[CUTOVER_BACK] = CUTOVER_START_SOURCE,
		[CUTOVER_OVER] = CUTOVER_NOTHING };

	return steps[stage];
}

enum cutover_step cutover_backward(enum cutover_stage stage)
{
	static const enum cutover_step steps[CUTOVER_STAGES] = {
		[CUTOVER_OPEN] = CUTOVER_START_SOURCE,
		[CUTOVER_DOWN] = CUTOVER_START_SOURCE, /* after CUTOVER_GIVE_UP */
		[CUTOVER_SENT] = CUTOVER_ASK_UNDO,
		[CUTOVER_LIVE] = CUTOVER_ASK_UNDO,
		[CUTOVER_UNDOING] = CUTOVER_ASK_UNDO,
		[CUTOVER_BACK] = CUTOVER_START_SOURCE,
		[CUTOVER_OVER] = CUTOVER_NOTHING
	};

	return steps[stage];
}

const char *cutover_name(enum cutover_stage stage)
{
	return names[stage];
}

bool cutover_parse(const char *name, enum cutover_stage *ret)
{
	for (unsigned i = 0; i < CUTOVER_STAGES; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum cutover_stage)i;
			return true;
		}
	}
	return false;
}
