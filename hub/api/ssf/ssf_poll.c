/* SPDX-License-Identifier: Apache-2.0 */
/* Hands the request to delivery, which holds it while there is nothing to answer. */
#include "hub/api/ssf/ssf_poll.h"

void ssf_poll_post(const struct stream_api *api, const struct api_request *r)
{
	deliver_poll(api->deliver, r->http, r->part[0], r->caller.client);
}
