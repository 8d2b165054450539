#include "protocol/handshake.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define MAGIC "DRAY"
#define WIRE_MAJOR 1u
#define WIRE_MINOR 0u

#define HELLO_LEN 8u
#define PROLOGUE_LEN 15u
#define MAC1_LEN 16u
#define MAC1_AT (HANDSHAKE_LEN_1 - MAC1_LEN)
#define PAYLOAD_1_LEN 64u
#define PAYLOAD_2_LEN 32u
#define PAYLOAD_3_LEN 256u
#define LABEL_MAX 62u

/* In message 3. */
enum { MODE_NORMAL, MODE_PAIRING, MODE_LANE };

_Static_assert(HELLO_LEN + NOISE_OVERHEAD_1 + PAYLOAD_1_LEN + MAC1_LEN == HANDSHAKE_LEN_1, "M1");
_Static_assert(NOISE_OVERHEAD_2 + PAYLOAD_2_LEN == HANDSHAKE_LEN_2, "M2");
_Static_assert(NOISE_OVERHEAD_3 + PAYLOAD_3_LEN == HANDSHAKE_LEN_3, "M3");
_Static_assert(LABEL_MAX == KEY_NAME_MAX, "the label becomes a key's name");

static const uint8_t hello[HELLO_LEN] = { 'D', 'R', 'A', 'Y', WIRE_MAJOR, 0, HANDSHAKE_LEN_1, 0 };

/* In sodium_malloc memory. */
struct handshake {
	struct noise noise;
	struct session_config config; /* `label` is not kept: the result has a copy */
	struct handshake_result result;
};

/* --- small things --- */

static int malformed(struct err *err, unsigned message)
{
	return err_set(err, ERR_PROTOCOL,
		"message %u of the handshake has fields that no version of the protocol allows",
		message);
}

static void draw(const struct handshake *h, void *ret, size_t n)
{
	if (h->config.random)
		h->config.random(h->config.random_ctx, ret, n);
	else
		randombytes_buf(ret, n);
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	return sodium_is_zero(bytes, n) == 1;
}

static uint8_t *put(uint8_t *at, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(v >> (8 * i));
	return at + n;
}

/* A keyed hash under a key that follows from the responder's public key: shows that the sender
 * knows that key, for half a microsecond of work, before anything is parsed or multiplied. */
static void mac1(
	const uint8_t responder_key[KEY_LEN], const uint8_t *message, uint8_t ret[MAC1_LEN])
{
	static const char label[] = "dray1-mac1";
	crypto_generichash_state state;
	uint8_t key[KEY_LEN];

	crypto_generichash_init(&state, NULL, 0, sizeof(key));
	crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label) - 1);
	crypto_generichash_update(&state, responder_key, KEY_LEN);
	crypto_generichash_final(&state, key, sizeof(key));
	crypto_generichash(ret, MAC1_LEN, message, MAC1_AT, key, sizeof(key));
}

/* --- life --- */

/* The name that this host gives itself, made fit for the wire: other bytes than printable ASCII
 * become '_', and what is too long is cut. */
static void keep_label(struct handshake *h, const char *label)
{
	size_t n = min_size(strlen(label), LABEL_MAX);

	for (size_t i = 0; i < n; i++)
		h->result.label[i] = (char)(label[i] >= ' ' && label[i] <= '~' ? label[i] : '_');
}

struct handshake *handshake_new(const struct session_config *config)
{
	uint8_t prologue[PROLOGUE_LEN];
	struct handshake *h;

	if (sodium_init() < 0 || !(h = sodium_malloc(sizeof(*h))))
		return NULL;
	memset(h, 0, sizeof(*h));
	h->config = *config;
	h->config.label = NULL;
	if (config->initiator && config->pairing) {
		h->result.pairing = true;
		memcpy(h->result.token_id, config->token_id, HANDSHAKE_ID_LEN);
		if (config->label)
			keep_label(h, config->label);
	}
	if (config->initiator)
		memcpy(h->result.peer_key, config->peer_public_key, KEY_LEN);
	memcpy(prologue, "dray/1", 7);
	memcpy(prologue + 7, hello, HELLO_LEN);
	noise_start(&h->noise, config->initiator, true, prologue, sizeof(prologue),
		config->own->public_key, config->own->secret_key,
		config->initiator ? config->peer_public_key : NULL);
	return h;
}

void handshake_free(struct handshake *h)
{
	sodium_free(h); /* wipes */
}

const struct handshake_result *handshake_result(const struct handshake *h)
{
	return &h->result;
}

void handshake_split(struct handshake *h, uint8_t ret_send[KEY_LEN], uint8_t ret_receive[KEY_LEN],
	uint8_t ret_lane_secret[LANE_SECRET_LEN], uint8_t ret_channel_id[NOISE_HASH_LEN])
{
	if (h->config.initiator)
		noise_split(&h->noise, ret_send, ret_receive, ret_lane_secret);
	else
		noise_split(&h->noise, ret_receive, ret_send, ret_lane_secret);
	memcpy(ret_channel_id, h->noise.h, NOISE_HASH_LEN);
	noise_wipe(&h->noise);
}

/* --- message 1: token_id[16] | u16 minor_min | u16 minor_max | u32 features | u64 unix_ms | 0[32]
 * --- */

int handshake_write_1(struct handshake *h, uint8_t ret[HANDSHAKE_LEN_1], struct err *err)
{
	uint8_t payload[PAYLOAD_1_LEN] = { 0 }, e_sk[KEY_LEN], *at = payload;
	bool ok;

	memcpy(at, h->result.token_id, HANDSHAKE_ID_LEN);
	at = put(at + HANDSHAKE_ID_LEN, WIRE_MINOR, 2);
	at = put(at, WIRE_MINOR, 2);
	at = put(at, 0, 4);
	put(at, h->config.wall_ms, 8);
	memcpy(ret, hello, HELLO_LEN);
	draw(h, e_sk, sizeof(e_sk));
	ok = noise_write_1(&h->noise, e_sk, payload, sizeof(payload), ret + HELLO_LEN);
	sodium_memzero(e_sk, sizeof(e_sk));
	if (!ok)
		return err_set(err, ERR_USAGE,
			"the target's public key is not a valid key: pair with it again");
	mac1(h->config.peer_public_key, ret, ret + MAC1_AT);
	return 0;
}

static int check_payload_1(struct handshake *h, const uint8_t *payload, struct err *err)
{
	struct cursor c = cursor_over(payload, PAYLOAD_1_LEN);
	uint16_t minor_min, minor_max;

	cursor_copy(&c, h->result.token_id, HANDSHAKE_ID_LEN);
	minor_min = cursor_u16(&c);
	minor_max = cursor_u16(&c);
	cursor_u32(&c); /* features: this version knows none and chooses none */
	cursor_u64(&c); /* the initiator's clock, for people who read dumps */
	if (minor_min > minor_max || !all_zero(c.at, c.left))
		return malformed(err, 1);
	h->result.pairing = !all_zero(h->result.token_id, HANDSHAKE_ID_LEN);
	return 0;
}

int handshake_read_1(struct handshake *h, const uint8_t in[HANDSHAKE_LEN_1], struct err *err)
{
	uint8_t payload[PAYLOAD_1_LEN], mac[MAC1_LEN];

	if (memcmp(in, MAGIC, 4) != 0)
		return err_set(err, ERR_PROTOCOL, "the peer does not speak dray's protocol");
	if (memcmp(in, hello, HELLO_LEN) != 0)
		return err_set(err, ERR_PROTOCOL,
			"the peer speaks version %u of the protocol, this is version %u", in[4],
			WIRE_MAJOR);
	mac1(h->config.own->public_key, in, mac);
	if (sodium_memcmp(mac, in + MAC1_AT, MAC1_LEN) != 0)
		return err_set(err, ERR_REFUSED, "a handshake that was meant for another key");
	if (!noise_read_1(&h->noise, in + HELLO_LEN, PAYLOAD_1_LEN, payload))
		return err_set(err, ERR_PROTOCOL, "message 1 of the handshake does not open");
	return check_payload_1(h, payload, err);
}

/* --- message 2: u16 minor | u16 0 | u32 features | u32 max_record | u16 1 | u16 0 | session_id[16]
 * --- */

int handshake_write_2(struct handshake *h, uint8_t ret[HANDSHAKE_LEN_2], struct err *err)
{
	uint8_t payload[PAYLOAD_2_LEN], e_sk[KEY_LEN], *at = payload;
	bool ok;

	draw(h, h->result.session_id, HANDSHAKE_ID_LEN);
	at = put(at, WIRE_MINOR, 2);
	at = put(at, 0, 2);
	at = put(at, 0, 4);
	at = put(at, RECORD_PLAIN_MAX, 4);
	at = put(at, 1, 2);
	at = put(at, 0, 2);
	memcpy(at, h->result.session_id, HANDSHAKE_ID_LEN);
	draw(h, e_sk, sizeof(e_sk));
	ok = noise_write_2(&h->noise, e_sk, payload, sizeof(payload), ret);
	sodium_memzero(e_sk, sizeof(e_sk));
	if (!ok)
		return malformed(err, 1); /* the initiator's ephemeral key is of low order */
	return 0;
}

int handshake_read_2(struct handshake *h, const uint8_t in[HANDSHAKE_LEN_2], struct err *err)
{
	uint8_t payload[PAYLOAD_2_LEN];
	struct cursor c = cursor_over(payload, sizeof(payload));
	uint16_t minor, zero;
	bool fits;

	if (!noise_read_2(&h->noise, in, PAYLOAD_2_LEN, payload))
		return err_set(err, ERR_REFUSED,
			"the target's answer does not prove the key that was paired: it has "
			"another "
			"key, or is not a dray receiver");
	minor = cursor_u16(&c);
	zero = cursor_u16(&c);
	if (minor != WIRE_MINOR)
		return err_set(err, ERR_PROTOCOL,
			"the target speaks version %u.%u of the protocol, this is version %u.%u",
			WIRE_MAJOR, minor, WIRE_MAJOR, WIRE_MINOR);
	fits = zero == 0 && cursor_u32(&c) == 0 && cursor_u32(&c) == RECORD_PLAIN_MAX &&
	       cursor_u16(&c) == 1 && cursor_u16(&c) == 0;
	if (!fits)
		return malformed(err, 2);
	cursor_copy(&c, h->result.session_id, HANDSHAKE_ID_LEN);
	return 0;
}

/* --- message 3: u8 mode | u8 label_len | label[62] | u32 features | session_id[16] |
 * lane session[16] | u16 lane | lane proof[32] | 0[122] --- */

void handshake_join(struct handshake *h, const struct lane_key *lane)
{
	h->config.lane = *lane;
}

int handshake_write_3(struct handshake *h, uint8_t ret[HANDSHAKE_LEN_3], struct err *err)
{
	uint8_t payload[PAYLOAD_3_LEN] = { 0 }, *at = payload;
	size_t n = strlen(h->result.label);

	if (h->config.lane.number)
		lane_claim(&h->config.lane, h->result.session_id, &h->result.lane);
	at = put(at,
		h->result.pairing	? MODE_PAIRING
		: h->result.lane.number ? MODE_LANE
					: MODE_NORMAL,
		1);
	at = put(at, n, 1);
	memcpy(at, h->result.label, n);
	at = put(at + LABEL_MAX, 0, 4);
	memcpy(at, h->result.session_id, HANDSHAKE_ID_LEN);
	at += HANDSHAKE_ID_LEN;
	memcpy(at, h->result.lane.session, LANE_ID_LEN);
	at = put(at + LANE_ID_LEN, h->result.lane.number, 2);
	memcpy(at, h->result.lane.proof, LANE_SECRET_LEN);
	if (!noise_write_3(&h->noise, h->config.psk, payload, sizeof(payload), ret))
		return malformed(err, 2); /* the responder's ephemeral key is of low order */
	return 0;
}

/* The label's bytes are printable ASCII, the rest of its field is zero. */
static bool take_label(struct cursor *c, uint8_t n, char *ret)
{
	const uint8_t *label = cursor_bytes(c, LABEL_MAX);

	if (!label || n > LABEL_MAX || !all_zero(label + n, LABEL_MAX - n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (label[i] < ' ' || label[i] > '~')
			return false;
		ret[i] = (char)label[i];
	}
	ret[n] = '\0';
	return true;
}

/* A lane names its session and its number; what is none has zeros there. */
static bool take_lane(struct cursor *c, bool lane, struct lane_claim *ret)
{
	cursor_copy(c, ret->session, LANE_ID_LEN);
	ret->number = cursor_u16(c);
	cursor_copy(c, ret->proof, LANE_SECRET_LEN);
	if (lane)
		return ret->number > 0 && ret->number < LANES_MAX;
	return ret->number == 0 && all_zero(ret->session, LANE_ID_LEN) &&
	       all_zero(ret->proof, LANE_SECRET_LEN);
}

static int check_payload_3(struct handshake *h, const uint8_t *payload, struct err *err)
{
	struct cursor c = cursor_over(payload, PAYLOAD_3_LEN);
	uint8_t mode = cursor_u8(&c), label_len = cursor_u8(&c), echo[HANDSHAKE_ID_LEN];
	bool lane = mode == MODE_LANE && !h->result.pairing,
	     fits = (lane || mode == (h->result.pairing ? MODE_PAIRING : MODE_NORMAL)) &&
		    (h->result.pairing || label_len == 0) &&
		    take_label(&c, label_len, h->result.label) && cursor_u32(&c) == 0;

	cursor_copy(&c, echo, sizeof(echo));
	fits = fits && sodium_memcmp(echo, h->result.session_id, sizeof(echo)) == 0 &&
	       take_lane(&c, lane, &h->result.lane);
	if (!fits || !all_zero(c.at, c.left))
		return malformed(err, 3);
	return 0;
}

int handshake_read_3(struct handshake *h, const uint8_t in[HANDSHAKE_LEN_3], struct err *err)
{
	struct session_peer peer = { 0 };
	uint8_t payload[PAYLOAD_3_LEN], psk[KEY_LEN];
	bool known, opens;

	if (!noise_read_3_key(&h->noise, in))
		return err_set(err, ERR_PROTOCOL, "message 3 of the handshake does not open");
	memcpy(h->result.peer_key, h->noise.rs, KEY_LEN);
	/* Who is not known takes the same path, with a psk that nobody has. */
	draw(h, psk, sizeof(psk));
	known = h->config.find(h->config.find_ctx, h->result.peer_key,
		h->result.pairing ? h->result.token_id : NULL, &peer);
	if (known)
		memcpy(psk, peer.psk, sizeof(psk));
	opens = noise_read_3(&h->noise, psk, in + NOISE_SEALED_KEY_LEN, PAYLOAD_3_LEN, payload);
	sodium_memzero(psk, sizeof(psk));
	h->result.peer = peer;
	sodium_memzero(&peer, sizeof(peer));
	if (!known)
		return err_set(err, ERR_REFUSED, "%s",
			h->result.pairing
				? "handshake with a token that is unknown, used, expired or "
				  "bound to another key"
				: "handshake with an unknown key");
	if (!opens)
		return err_set(err, ERR_REFUSED, "handshake with a wrong %s",
			h->result.pairing ? "token secret" : "pre-shared key");
	return check_payload_3(h, payload, err);
}
