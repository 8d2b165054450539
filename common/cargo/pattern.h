// Which images a key may touch: glob patterns over whole references, component by component.
//
//   web/*            one component below web/ (docker.io's, as in docker): web/app, not web-evil/x
//   registry.lan/**  everything of that host; ** stands for any number of components
//   **/base          whatever its last component is base
//   web/app:1.*      tags, too; without one every tag
//   !web/secret      none of these, wherever it stands in the list
//
// A pattern whose first component is no host (and not **) is docker.io's, and one without a slash
// docker.io/library's: patterns are normalised as references are. * stands for any run of bytes in
// a component, ? for one byte. Any thread.
#pragma once

#include "common/cargo/reference.h"

#define PATTERN_MAX 255u
#define PATTERN_LIST_MAX 2047u

/* Patterns with commas between them. Empty: no restriction. Only with negated ones: all but those.
 */
struct pattern_list {
	char text[PATTERN_LIST_MAX + 1];
};

/* Checks the pattern and adds it. ERR_USAGE: it is none; ERR_LIMIT: the list is full. */
int pattern_list_add(struct pattern_list *list, const char *pattern, struct err *err) MUST_CHECK;

/* Reads a list (n bytes of text), each pattern checked. An empty text is an error here: a file that
 * restricts says to what. */
int pattern_list_parse(
	const char *text, size_t n, struct pattern_list *ret, struct err *err) MUST_CHECK;

/* True when a pattern matches, or none but negated ones are there, and no negated one matches. */
bool pattern_list_allows(const struct pattern_list *list, const struct reference *r);
