/* SPDX-License-Identifier: Apache-2.0 */
/* Where a line with the size of a chunk is, however its request comes in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/http/http_chunks.h"
#include "lib/ssf/attr.h"

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"
#define HEAD "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

static int feed(const char *text, size_t piece)
{
	struct http_chunks c = { .line_len = 0 };
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += piece) {
		size_t n = len - i < piece ? len - i : piece;
		size_t skipped = http_chunks_skip(&c, n);
		if (http_chunks_feed(&c, (struct ssf_str){ text + i + skipped, n - skipped }) < 0)
			return -1;
	}
	return 0;
}

static void only_a_long_line_of_a_chunk_is_too_long(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ HEAD "1;" LONG, -1 },
		{ HEAD "2\r\nhi\r\n" LONG, -1 },
		{ HEAD "2\nhi\n1\nx\n  " LONG, -1 },
		{ HEAD "2\r\nhi" LONG, -1 },
		{ "POST / HTTP/1.1\ntransfer-encoding:chunked\n\n" LONG, -1 },
		{ "POST / HTTP/1.1\nA: " LONG "\nTRANSFER-ENCODING: x\n\n" LONG, -1 },
		{ "POST / HTTP/1.1\nTransfer-Encoding:" LONG LONG "\n chunked\n\n" LONG, -1 },
		{ HEAD "46\r\n" LONG "\r\n0\r\n\r\n", 0 },
		{ HEAD "46;name=value\r\n" LONG "\r\n46\r\n" LONG "\r\n0\r\nTrailer: " LONG "\r\n\r\n", 0 },
		{ HEAD "0000000000000000000000000000000000000000000000000000000000000046\n" LONG, 0 },
		{ HEAD "zz\r\n" LONG, 0 }, /* evhttp refuses these */
		{ HEAD "-5\r\n" LONG, 0 },
		{ "POST / HTTP/1.1\r\nContent-Length: 70\r\n\r\n" LONG, 0 },
		{ "POST / HTTP/1.1\r\nX: " LONG "\r\nX: Transfer-Encoding: chunked\r\n\r\n" LONG, 0 },
		{ "GET /" LONG " HTTP/1.1\r\n\r\n" LONG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece < 300; piece++) {
			if (feed(cases[i].text, piece) != cases[i].result)
				fail_msg("in pieces of %zu: %s", piece, cases[i].text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_long_line_of_a_chunk_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
