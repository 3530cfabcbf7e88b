/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/listen_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DIGITS 5

int listen_address_parse(const char *text, struct listen_address *out, struct ssf_err *err)
{
	const char *colon = strrchr(text, ':');
	size_t digits = colon != NULL ? strlen(colon + 1) : 0;
	unsigned long port;

	if (digits == 0 || digits > PORT_DIGITS || strspn(colon + 1, "0123456789") != digits ||
	    strlen(text) + PORT_DIGITS >= LISTEN_ADDRESS_MAX)
		return ssf_fail(err, SSF_E_MALFORMED, "not an address with a port");
	port = strtoul(colon + 1, NULL, 10);
	if (port > 65535)
		return ssf_fail(err, SSF_E_MALFORMED, "there is no such port");
	*out = (struct listen_address){ { text, (size_t)(colon - text) }, (unsigned)port };
	return 0;
}

void listen_address_text(const struct listen_address *a, unsigned port, char out[LISTEN_ADDRESS_MAX])
{
	snprintf(out, LISTEN_ADDRESS_MAX, "%.*s:%u", (int)a->host.len, a->host.ptr, port);
}
