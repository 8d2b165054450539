#include "protocol/lane.h"

#include <sodium.h>
#include <string.h>

static void prove(const struct lane_claim *claim, const uint8_t connection[LANE_ID_LEN],
	const uint8_t secret[LANE_SECRET_LEN], uint8_t ret[LANE_SECRET_LEN])
{
	static const char label[] = "dray1-lane";
	const uint8_t number[2] = { (uint8_t)claim->number, (uint8_t)(claim->number >> 8) };
	crypto_generichash_state state;

	crypto_generichash_init(&state, secret, LANE_SECRET_LEN, LANE_SECRET_LEN);
	crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label) - 1);
	crypto_generichash_update(&state, claim->session, LANE_ID_LEN);
	crypto_generichash_update(&state, number, sizeof(number));
	crypto_generichash_update(&state, connection, LANE_ID_LEN);
	crypto_generichash_final(&state, ret, LANE_SECRET_LEN);
}

void lane_claim(
	const struct lane_key *key, const uint8_t connection[LANE_ID_LEN], struct lane_claim *ret)
{
	*ret = (struct lane_claim){ .number = key->number };
	memcpy(ret->session, key->session, LANE_ID_LEN);
	prove(ret, connection, key->secret, ret->proof);
}

bool lane_check(const struct lane_claim *claim, const uint8_t connection[LANE_ID_LEN],
	const uint8_t secret[LANE_SECRET_LEN])
{
	uint8_t proof[LANE_SECRET_LEN];

	prove(claim, connection, secret, proof);
	return sodium_memcmp(proof, claim->proof, LANE_SECRET_LEN) == 0;
}
