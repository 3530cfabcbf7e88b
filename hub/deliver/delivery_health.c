/* SPDX-License-Identifier: Apache-2.0 */
/* The text of an error is cut so that it stays UTF-8: it goes into JSON. */
#include "hub/deliver/delivery_health.h"

#include "lib/ssf/buf.h"

#include <stdio.h>

void delivery_health_success(struct delivery_health *h, int64_t now_ms)
{
	h->delivered++;
	h->success_at_ms = now_ms;
	h->failing = false;
}

void delivery_health_error(struct delivery_health *h, const char *what, bool failing, int64_t now_ms)
{
	h->failing = failing;
	h->error_at_ms = now_ms;
	snprintf(h->error, sizeof(h->error), "%s", what);
	h->error[ssf_utf8_prefix(ssf_str_c(h->error))] = '\0';
}
