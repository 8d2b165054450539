/*
 * dray's Noise at the other end of a pipe, for interop.py. One command a line, bytes in hexadecimal
 * ("-" for none), one line of answer:
 *
 *	start initiator|responder PROLOGUE STATIC_SECRET EPHEMERAL_SECRET RESPONDER_PUBLIC|- PSK
 *	write PAYLOAD	the next message
 *	read MESSAGE	its payload, or "refused"
 *	split		key to the responder, key to the initiator, handshake hash, initiator's
 *public key
 */
#include "protocol/noise.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 4096u
#define LINE_MAX_LEN (4 * BYTES_MAX)

struct peer {
	struct noise noise;
	uint8_t e_sk[32], psk[32], s_pk[32];
	unsigned message; /* the next one, from 1 */
};

static void stop(const char *why)
{
	fprintf(stderr, "noise_peer: %s\n", why);
	exit(1);
}

static size_t unhex(const char *hex, uint8_t *ret, size_t max)
{
	size_t n = 0;

	if (!hex)
		stop("an argument is missing");
	if (strcmp(hex, "-") == 0)
		return 0;
	if (sodium_hex2bin(ret, max, hex, strlen(hex), NULL, &n, NULL) != 0)
		stop("bad hexadecimal");
	return n;
}

static void print_hex(const uint8_t *bytes, size_t n, char end)
{
	if (n == 0)
		putchar('-');
	for (size_t i = 0; i < n; i++)
		printf("%02x", bytes[i]);
	putchar(end);
}

static void start(struct peer *p, char **at)
{
	uint8_t prologue[BYTES_MAX], s_sk[32], rs[32];
	const char *role = strsep(at, " ");
	bool initiator = role && strcmp(role, "initiator") == 0;
	size_t prologue_len = unhex(strsep(at, " "), prologue, sizeof(prologue));

	unhex(strsep(at, " "), s_sk, 32);
	unhex(strsep(at, " "), p->e_sk, 32);
	unhex(strsep(at, " "), rs, 32);
	unhex(strsep(at, " "), p->psk, 32);
	if (crypto_scalarmult_base(p->s_pk, s_sk) != 0)
		stop("bad key");
	noise_start(&p->noise, initiator, true, prologue, prologue_len, p->s_pk, s_sk,
		initiator ? rs : NULL);
	p->message = 1;
	puts("started");
}

static void write_message(struct peer *p, char **at)
{
	uint8_t payload[BYTES_MAX], message[BYTES_MAX + NOISE_OVERHEAD_3];
	size_t n = unhex(strsep(at, " "), payload, sizeof(payload)), more;
	bool ok;

	if (p->message == 1) {
		ok = noise_write_1(&p->noise, p->e_sk, payload, n, message);
		more = NOISE_OVERHEAD_1;
	} else if (p->message == 2) {
		ok = noise_write_2(&p->noise, p->e_sk, payload, n, message);
		more = NOISE_OVERHEAD_2;
	} else {
		ok = noise_write_3(&p->noise, p->psk, payload, n, message);
		more = NOISE_OVERHEAD_3;
	}
	if (!ok)
		stop("cannot write");
	print_hex(message, n + more, '\n');
	p->message++;
}

static void read_message(struct peer *p, char **at)
{
	uint8_t message[BYTES_MAX + NOISE_OVERHEAD_3], payload[BYTES_MAX];
	size_t n = unhex(strsep(at, " "), message, sizeof(message));
	size_t more = p->message == 3 ? NOISE_OVERHEAD_3 : NOISE_OVERHEAD_1;
	bool ok = false;

	if (n < more || n - more > sizeof(payload))
		stop("a message of no length to read");
	n -= more;
	if (p->message == 1)
		ok = noise_read_1(&p->noise, message, n, payload);
	else if (p->message == 2)
		ok = noise_read_2(&p->noise, message, n, payload);
	else
		ok = noise_read_3_key(&p->noise, message) &&
		     noise_read_3(&p->noise, p->psk, message + NOISE_SEALED_KEY_LEN, n, payload);
	p->message++;
	if (ok)
		print_hex(payload, n, '\n');
	else
		puts("refused");
}

static void split(struct peer *p)
{
	uint8_t to_responder[32], to_initiator[32], further[32];

	noise_split(&p->noise, to_responder, to_initiator, further);
	print_hex(to_responder, 32, ' ');
	print_hex(to_initiator, 32, ' ');
	print_hex(p->noise.h, sizeof(p->noise.h), ' ');
	print_hex(p->noise.initiator ? p->s_pk : p->noise.rs, 32, '\n');
}

int main(void)
{
	static char line[LINE_MAX_LEN];
	static struct peer peer;

	if (sodium_init() < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		char *at = line, *command;

		line[strcspn(line, "\n")] = '\0';
		command = strsep(&at, " ");
		if (!command)
			stop("an empty line");
		else if (strcmp(command, "start") == 0)
			start(&peer, &at);
		else if (strcmp(command, "write") == 0)
			write_message(&peer, &at);
		else if (strcmp(command, "read") == 0)
			read_message(&peer, &at);
		else if (strcmp(command, "split") == 0)
			split(&peer);
		else
			stop("unknown command");
		fflush(stdout);
	}
	return 0;
}
