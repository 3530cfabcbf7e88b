/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/error_body.h"

#include <jansson.h>

char *http_error_body(const struct ssf_err *err)
{
	const struct ssf_code_info *info = ssf_code_info(err->code);
	/* what has no code in RFC 8935 section 2.4 has a name of this project */
	const char *name = info->set_err != NULL ? info->set_err : info->name;
	/* details of an internal error are for the log, not for strangers */
	const char *shown = err->code == SSF_E_INTERNAL ? "internal error; see the log" : err->msg;
	json_auto_t *body = json_pack("{s:s, s:s}", "err", name, "description", shown);

	return body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
}
