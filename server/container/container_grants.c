#include "server/container/container_grants.h"

#include "common/cargo/container_powers.h"

static uint32_t powers_of(uint32_t grants)
{
	static const struct {
		enum grant grant;
		enum container_power power;
	} rows[] = { { GRANT_BIND, POWER_BIND }, { GRANT_DEVICE, POWER_DEVICE },
		{ GRANT_HOSTNS, POWER_HOSTNS }, { GRANT_PRIVILEGED, POWER_PRIVILEGED } };
	uint32_t powers = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		powers |= grants & (uint32_t)rows[i].grant ? (uint32_t)rows[i].power : 0;
	return powers;
}

int container_grants_check(uint32_t grants, const struct container_order *order, struct err *err)
{
	if (!(grants & GRANT_MIGRATE))
		return err_set(err, ERR_REFUSED, "this key may not migrate containers");
	return container_powers_check(order->manifest, powers_of(grants), err);
}
