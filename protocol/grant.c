#include "protocol/grant.h"

#include "common/base/text.h"

#include <string.h>

/* The name of bit i. */
static const char *const names[] = { "push", "migrate", "backup", "restore", "forget", "bind",
	"device", "hostns", "privileged" };

_Static_assert((1u << ARRAY_LEN(names)) - 1 == GRANTS_KNOWN, "every grant has a name");

/* The bit of a name, 0 if there is none. */
static uint32_t find(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return UINT32_C(1) << i;
	}
	return 0;
}

int grants_parse(const char *list, uint32_t *ret, struct err *err)
{
	uint32_t grants = 0;
	const char *at = list;

	for (;;) {
		size_t n = strcspn(at, ",");
		uint32_t grant = find(at, n);
		char name[64];

		text_escape(name, sizeof(name), at, n);
		if (grant == 0)
			return err_set(err, ERR_USAGE,
				"'%s' is not a grant: there are push, migrate, backup, restore, "
				"forget, "
				"bind, device, hostns and privileged",
				name);
		if (grants & grant)
			return err_set(err, ERR_USAGE, "the grant '%s' is named twice", name);
		if (!(grant & GRANTS_ENFORCED))
			return err_set(err, ERR_USAGE,
				"the grant '%s' is not supported by this version", name);
		grants |= grant;
		if (at[n] == '\0')
			break;
		at += n + 1;
	}
	*ret = grants;
	return 0;
}

char *grants_print(uint32_t grants, char ret[GRANTS_TEXT_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);

		if (!(grants & (UINT32_C(1) << i)))
			continue;
		if (len > 0)
			ret[len++] = ',';
		memcpy(ret + len, names[i], n);
		len += n;
	}
	ret[len] = '\0';
	return ret;
}
