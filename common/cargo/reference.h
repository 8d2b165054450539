/*
 * Image references as docker reads them: [HOST/]PATH[:TAG][@DIGEST]. Parsing is strict and gives
 * one normal form, so that two spellings of a name are equal and patterns (pattern.h) cannot be got
 * around by another spelling. Any thread.
 */
#pragma once

#include "common/base/err.h"

#define REFERENCE_MAX 384u	/* bytes of a reference that is read; the protocol's longest tag */
#define REFERENCE_NAME_MAX 255u /* host and path together */
#define REFERENCE_TAG_MAX 128u
#define REFERENCE_DIGEST_LEN 71u /* "sha256:" and 64 hexadecimal digits */
#define REFERENCE_TEXT_MAX (REFERENCE_NAME_MAX + REFERENCE_TAG_MAX + REFERENCE_DIGEST_LEN + 3)

struct reference {
	char host[REFERENCE_NAME_MAX + 1];     /* "docker.io", "localhost:5000" */
	char path[REFERENCE_NAME_MAX + 1];     /* "library/busybox" */
	char tag[REFERENCE_TAG_MAX + 1];       /* "latest"; "" with only a digest */
	char digest[REFERENCE_DIGEST_LEN + 1]; /* "" when there is none */
};

/* Reads "busybox", "web/app:1", "localhost:5000/app@sha256:…". A name without a host is
 * docker.io's, without a path library's, and without tag and digest "latest". ERR_USAGE says what
 * is wrong; image IDs are refused. */
int reference_parse(const char *s, struct reference *ret, struct err *err) MUST_CHECK;

/* Is this what somebody may type for an image: a reference, or an ID, whole or its beginning, with
 * or without "sha256:"? ERR_USAGE says what is wrong. */
int reference_check_typed(const char *s, struct err *err) MUST_CHECK;

/* The short form that docker shows ("busybox:latest"); it reads back as the same reference. Returns
 * `ret`. */
char *reference_familiar(const struct reference *r, char ret[REFERENCE_TEXT_MAX + 1]);

/* The whole form ("docker.io/library/busybox:latest"). Returns `ret`. */
char *reference_full(const struct reference *r, char ret[REFERENCE_TEXT_MAX + 1]);

/* True when docker takes the first part of a name, n bytes before its first slash, for a host. */
bool reference_is_host(const char *part, size_t n);

/* What a name without a host, or without a host and a slash, is under. */
#define REFERENCE_HOST "docker.io"
#define REFERENCE_OLD_HOST "index.docker.io" /* means the same */
#define REFERENCE_LIBRARY "library/"
