#include "client/view/json_line.h"

#include "common/base/log.h"

#include <stdio.h>
#include <stdlib.h>

void json_line(json_t *object)
{
	char *line = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (line)
		puts(line);
	else
		log_error("out of memory");
	fflush(stdout);
	free(line);
	json_decref(object);
}
