/* SPDX-License-Identifier: Apache-2.0 */
/* "HOST:PORT" as settings have it; an IPv6 host is in brackets, which stay part of it. */
#pragma once

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

#define LISTEN_ADDRESS_MAX 256

struct listen_address {
	struct ssf_str host; /* borrowed from the text */
	unsigned port;
};

/* SSF_E_MALFORMED: no port, one above 65535, or longer than LISTEN_ADDRESS_MAX. */
ssf_nodiscard int listen_address_parse(const char *text, struct listen_address *out,
				       struct ssf_err *err);
/* The same host with another port. */
void listen_address_text(const struct listen_address *a, unsigned port, char out[LISTEN_ADDRESS_MAX]);
