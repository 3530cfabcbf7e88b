/* SPDX-License-Identifier: Apache-2.0 */
/* Looks places up in the text when there is an error, not before: that is linear in the text. */
#include "lib/ssf/diagnostic.h"

#include "lib/ssf/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define POINTER_MAX (4 * 1024 * 1024) /* a text that is all one key, escaped */

static void set_place(struct ssf_diagnostic *d, const struct ssf_json_path *at)
{
	ssf_auto_buf pointer = SSF_BUF(POINTER_MAX);
	size_t len;

	d->line = d->column = 0;
	ssf_json_path_pointer(at, &pointer);
	if (ssf_buf_failed(&pointer)) {
		d->path[0] = '\0';
		return;
	}
	if (d->text.len > 0)
		(void)ssf_json_locate(d->text, pointer.len > 0 ? pointer.ptr : "", &d->line,
				      &d->column);
	len = pointer.len < sizeof(d->path) ? pointer.len : sizeof(d->path) - 1;
	if (len > 0)
		memcpy(d->path, pointer.ptr, len);
	d->path[ssf_utf8_prefix((struct ssf_str){ d->path, len })] = '\0';
}

int ssf_diagnose_at(struct ssf_diagnostic *d, const struct ssf_json_path *at, enum ssf_code code,
		    const char *file, int line, const char *fmt, ...)
{
	char text[2 * sizeof(d->err.msg)]; /* ssf_fail_at() cuts between characters */
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	set_place(d, at);
	return ssf_fail_at(&d->err, code, file, line, "%s", n < 0 ? "" : text);
}

int ssf_diagnose_err(struct ssf_diagnostic *d, const struct ssf_json_path *at,
		     const struct ssf_err *why)
{
	return ssf_diagnose_at(d, at, why->code, why->file, why->line, "%s", why->msg);
}

int ssf_diagnostic_err(const struct ssf_diagnostic *d, struct ssf_err *err)
{
	if (err == NULL)
		return -1;
	*err = d->err;
	return d->line == 0 ? -1 : ssf_fail_prefix(err, "%u:%u", d->line, d->column);
}
