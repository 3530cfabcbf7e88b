/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream configuration document (SSF 1.0 section 8.1.1): how a stream resource is shown to its receiver,
 * and what of a receiver's document goes into the resource.
 */
#pragma once

#include "hub/api/ssf/ssf_api.h"

/* New reference; NULL when out of memory. */
json_t *ssf_configuration_show(const struct ssf_api *api, const char *id, const json_t *spec);

/*
 * Refuses members that a receiver may not set. Those of the transmitter may be repeated with their current
 * values; old NULL: the stream is new and has none. SSF_E_MALFORMED.
 */
ssf_nodiscard int ssf_configuration_check(const struct ssf_api *api, const char *id, const json_t *old,
					  const json_t *body, struct ssf_err *err);

/*
 * Puts the members of body into spec. replace: members that body leaves out are removed; otherwise they
 * stay. SSF_E_MALFORMED, SSF_E_NOMEM.
 */
ssf_nodiscard int ssf_configuration_apply(const struct ssf_api *api, const char *id, const json_t *body,
					  bool replace, json_t *spec, struct ssf_err *err);
