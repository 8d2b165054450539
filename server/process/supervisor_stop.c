/*
 * How both children end: asked, then asked to hurry, then killed.
 */
#include "server/process/supervisor_impl.h"

#include "common/base/log.h"

void supervisor_begin_stop(struct supervisor *s, uint64_t now, uint64_t patience)
{
	s->phase = SUPERVISOR_STOPPING;
	s->press_at = now + patience;
	supervisor_tell("STOPPING=1");
}

/* The engine process is needed until the network process has ended. */
void supervisor_ask_to_stop(struct supervisor *s)
{
	struct child *next = s->children;

	if (next->pid == 0)
		next = &s->children[CHILD_ENGINE];
	if (next->pid == 0 || next->asked_to_stop)
		return;
	next->asked_to_stop = true;
	supervisor_say(next, LINE_STOP, NULL);
}

void supervisor_press(struct supervisor *s, uint64_t now)
{
	s->press_at = s->pressed == 0 ? now + SUPERVISOR_KILL_MS : SUPERVISOR_NEVER;
	for (EACH_CHILD(s, c)) {
		if (c->pid == 0)
			continue;
		if (s->pressed == 0) {
			c->asked_to_stop = true;
			supervisor_say(c, LINE_STOP_NOW, NULL);
		} else {
			log_warn("%s does not stop; killing it", c->name);
			child_kill(c);
		}
	}
	s->pressed++;
}
