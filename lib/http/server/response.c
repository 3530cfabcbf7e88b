/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http/server/response.h"

#include "lib/http/error_body.h"
#include "lib/http/field.h"
#include "lib/ssf/attr.h"

#include <time.h>

#define HEAD_RESERVE 512

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 201, "Created" },
		{ 204, "No Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" },
		{ 428, "Precondition Required" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < SSF_ARRAY_SIZE(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

void http_response_add_field(struct ssf_buf *out, const char *name, const char *value)
{
	if (!http_is_token(ssf_str_c(name)) || !http_is_field_value(ssf_str_c(value)))
		return;
	ssf_buf_adds(out, name);
	ssf_buf_adds(out, ": ");
	ssf_buf_adds(out, value);
	ssf_buf_adds(out, "\r\n");
}

/* RFC 9110 section 5.6.7; names of days and months whatever the locale. */
static void add_date(struct ssf_buf *out)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		ssf_buf_addf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
			     months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int http_response_compose(const struct http_response_spec *spec, struct ssf_buf *out)
{
	bool bodiless = spec->status == 204 || spec->status == 304;
	struct ssf_str body = bodiless || spec->head_only ? SSF_STR("") : spec->body;

	ssf_buf_reserve(out, HEAD_RESERVE + spec->fields.len + body.len); /* a failure shows at the end */
	ssf_buf_addf(out, "HTTP/1.1 %d %s\r\n", spec->status, reason_of(spec->status));
	ssf_buf_add(out, spec->fields.ptr, spec->fields.len);
	if (spec->content_type != NULL)
		http_response_add_field(out, "Content-Type", spec->content_type);
	for (size_t i = 0; i < spec->n_headers && spec->headers[i][0] != NULL; i++)
		http_response_add_field(out, spec->headers[i][0], spec->headers[i][1]);
	if (spec->close)
		ssf_buf_adds(out, "Connection: close\r\n");
	else if (spec->keep_alive)
		ssf_buf_adds(out, "Connection: keep-alive\r\n");
	add_date(out);
	if (!bodiless)
		ssf_buf_addf(out, "Content-Length: %zu\r\n", spec->body.len);
	ssf_buf_adds(out, "\r\n");
	ssf_buf_add(out, body.ptr, body.len);
	return ssf_buf_failed(out) ? -1 : 0;
}

int http_response_compose_error(int status, const struct ssf_err *err, bool head_only, struct ssf_buf *out)
{
	static const char *const language[][2] = { { "Content-Language", "en" } };
	ssf_auto_free char *body = http_error_body(err);
	const struct http_response_spec spec = {
		.status = status,
		.content_type = body != NULL ? "application/json" : NULL,
		.body = ssf_str_c(body),
		.headers = body != NULL ? language : NULL,
		.n_headers = body != NULL ? SSF_ARRAY_SIZE(language) : 0,
		.head_only = head_only,
		.close = true,
	};

	return http_response_compose(&spec, out);
}
