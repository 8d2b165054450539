/* --json: one object a line on stdout. Main thread. */
#pragma once

#include <jansson.h>

/* Prints the object and gives it back; NULL (it could not be made) is said on stderr. */
void json_line(json_t *object);
