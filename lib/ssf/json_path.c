/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ssf/json_path.h"

void ssf_json_path_pointer(const struct ssf_json_path *path, struct ssf_buf *out)
{
	if (path->up == NULL)
		return;
	ssf_json_path_pointer(path->up, out);
	ssf_buf_addc(out, '/');
	if (path->key == NULL) {
		ssf_buf_addf(out, "%zu", path->index);
		return;
	}
	for (const char *c = path->key; *c != '\0'; c++) {
		if (*c == '~' || *c == '/')
			ssf_buf_adds(out, *c == '~' ? "~0" : "~1");
		else
			ssf_buf_addc(out, *c);
	}
}
