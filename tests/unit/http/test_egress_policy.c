/* SPDX-License-Identifier: Apache-2.0 */
/* Server-side request forgery: every notation that we know of for a refused address. */
#include "lib/http/egress_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct url_case {
	const char *url;
	enum ssf_code code;
};

static struct egress_policy *guard(const char *allow, bool http)
{
	struct egress_policy *g = NULL;
	struct ssf_err err = { 0 };

	if (egress_policy_new(allow, http, &g, &err) < 0)
		fail_msg("%s", err.msg);
	return g;
}

static void check_urls(const struct egress_policy *g, const struct url_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct ssf_err err = { 0 };
		int r = egress_policy_check_url(g, ssf_str_c(cases[i].url), &err);

		if (err.code != cases[i].code || (r == 0) != (cases[i].code == SSF_OK))
			fail_msg("%s: code %d (%s)", cases[i].url, (int)err.code, err.msg);
	}
}

#define CHECK_URLS(g, cases) check_urls(g, cases, sizeof(cases) / sizeof(cases[0]))

static void accepts_ordinary_urls(void **state)
{
	static const struct url_case cases[] = {
		{ "https://example.com", SSF_OK },
		{ "https://example.com/", SSF_OK },
		{ "HTTPS://EXAMPLE.COM/Path?q=1&r=%20", SSF_OK },
		{ "https://example.com:1/", SSF_OK },
		{ "https://example.com:65535", SSF_OK },
		{ "https://example.com.:443/x", SSF_OK },
		{ "https://a_b.example/?x", SSF_OK },
		{ "https://example.com?to=user@host", SSF_OK },
		{ "https://example.com/@x:y", SSF_OK },
		{ "https://8.8.8.8/", SSF_OK },
		{ "https://[2001:4860:4860::8888]:8443/x", SSF_OK },
		{ "https://[::ffff:8.8.8.8]/", SSF_OK },
		{ "https://1.example/", SSF_OK },
		{ "https://0x7f.example/", SSF_OK },
		{ "https://localhost/", SSF_OK }, /* a name: judged when it is resolved */
	};
	struct egress_policy *g = guard(NULL, false);

	(void)state;
	CHECK_URLS(g, cases);
	egress_policy_free(g);
}

static void refuses_bad_forms(void **state)
{
	static const struct url_case cases[] = {
		{ "", SSF_E_MALFORMED },
		{ "https", SSF_E_MALFORMED },
		{ "https:", SSF_E_MALFORMED },
		{ "https://", SSF_E_MALFORMED },
		{ "https:///path", SSF_E_MALFORMED },
		{ "https://?q", SSF_E_MALFORMED },
		{ "https:/example.com", SSF_E_MALFORMED },
		{ "//example.com/", SSF_E_MALFORMED },
		{ "example.com", SSF_E_MALFORMED },
		{ " https://example.com", SSF_E_MALFORMED },
		{ "https://example.com/ ", SSF_E_MALFORMED },
		{ "https://exa mple.com/", SSF_E_MALFORMED },
		{ "https://example.com/\n", SSF_E_MALFORMED },
		{ "https://example.com/\r\nHost: x", SSF_E_MALFORMED },
		{ "https://example.com/\x7f", SSF_E_MALFORMED },
		{ "https://ex\xc3\xa4mple.com/", SSF_E_MALFORMED },
		{ "https://example.com/#f", SSF_E_MALFORMED },
		{ "https://example.com#@10.0.0.1/", SSF_E_MALFORMED },
		{ "https://user@example.com/", SSF_E_MALFORMED },
		{ "https://user:password@example.com/", SSF_E_MALFORMED },
		{ "https://@example.com/", SSF_E_MALFORMED },
		{ "https://example.com@10.0.0.1/", SSF_E_MALFORMED },
		{ "https://example.com\\@10.0.0.1/", SSF_E_MALFORMED },
		{ "https://example.com:/", SSF_E_MALFORMED },
		{ "https://example.com:0/", SSF_E_MALFORMED },
		{ "https://example.com:65536/", SSF_E_MALFORMED },
		{ "https://example.com:100000/", SSF_E_MALFORMED },
		{ "https://example.com:44x/", SSF_E_MALFORMED },
		{ "https://example.com:-1/", SSF_E_MALFORMED },
		{ "https://example.com:+1/", SSF_E_MALFORMED },
		{ "https://example.com:80:80/", SSF_E_MALFORMED },
		{ "https://:443/", SSF_E_MALFORMED },
		{ "https://./", SSF_E_MALFORMED },
		{ "https://../", SSF_E_MALFORMED },
		{ "https://.example.com/", SSF_E_MALFORMED },
		{ "https://example..com/", SSF_E_MALFORMED },
		{ "https://example.com../", SSF_E_MALFORMED },
		{ "https://%6c%6f%63alhost/", SSF_E_MALFORMED },
		{ "https://127.0.0.1%2f@example.com/", SSF_E_MALFORMED },
		{ "https://127.0.0.1%00.example.com/", SSF_E_MALFORMED },
		{ "https://[::1/", SSF_E_MALFORMED },
		{ "https://[]/", SSF_E_MALFORMED },
		{ "https://[::1]x/", SSF_E_MALFORMED },
		{ "https://[::1]:/", SSF_E_MALFORMED },
		{ "https://[fe80::1%25eth0]/", SSF_E_MALFORMED },
		{ "https://[fe80::1%eth0]/", SSF_E_MALFORMED },
		{ "https://[v1.x]/", SSF_E_MALFORMED },
		{ "https://[127.0.0.1]/", SSF_E_MALFORMED },
		{ "https://::1/", SSF_E_MALFORMED },
		{ "https://256.256.256.256/", SSF_E_MALFORMED },
		{ "https://1.2.3.4.5/", SSF_E_MALFORMED },
		{ "https://4294967296/", SSF_E_MALFORMED },
		{ "https://08.8.8.8/", SSF_E_MALFORMED },
		{ "https://example.1/", SSF_E_MALFORMED },
		{ "https://example.0x1/", SSF_E_MALFORMED },
		{ "https://127.0.0.1../", SSF_E_MALFORMED },
		{ "file:///etc/passwd", SSF_E_MALFORMED },
		{ "gopher://127.0.0.1:11211/_stats", SSF_E_MALFORMED },
		{ "ftp://example.com/", SSF_E_MALFORMED },
		{ "dict://127.0.0.1:6379/", SSF_E_MALFORMED },
		{ "unix:/run/docker.sock", SSF_E_MALFORMED },
		{ "javascript:alert(1)", SSF_E_MALFORMED },
		{ "httpsx://example.com/", SSF_E_MALFORMED },
		{ "http://example.com/", SSF_E_DENIED },
		{ "HTTP://example.com/", SSF_E_DENIED },
	};
	struct egress_policy *g = guard("", false);
	char longest[2049];
	struct ssf_err err;

	(void)state;
	CHECK_URLS(g, cases);
	assert_int_equal(egress_policy_check_url(g, SSF_STR("https://a\0b/"), &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	snprintf(longest, sizeof(longest), "https://a/%02038d", 0);
	assert_int_equal(egress_policy_check_url(g, (struct ssf_str){ longest, 2048 }, &err), 0);
	assert_int_equal(egress_policy_check_url(g, (struct ssf_str){ longest, 2049 }, &err), -1);
	egress_policy_free(g);
}

static void refuses_hidden_addresses(void **state)
{
	static const struct url_case cases[] = {
		{ "https://127.0.0.1/", SSF_E_DENIED },
		{ "https://127.0.0.1./", SSF_E_DENIED },
		{ "https://127.0.0.1:8080", SSF_E_DENIED },
		{ "https://127.1/", SSF_E_DENIED },
		{ "https://127.0.1/", SSF_E_DENIED },
		{ "https://2130706433/", SSF_E_DENIED },
		{ "https://017700000001/", SSF_E_DENIED },
		{ "https://0177.0.0.1/", SSF_E_DENIED },
		{ "https://0x7f000001/", SSF_E_DENIED },
		{ "https://0X7F.0x0.0x0.0x1/", SSF_E_DENIED },
		{ "https://0x7f.1", SSF_E_DENIED },
		{ "https://0/", SSF_E_DENIED },
		{ "https://0.0.0.0/", SSF_E_DENIED },
		{ "https://10.1.2.3/", SSF_E_DENIED },
		{ "https://012.1.2.3/", SSF_E_DENIED },
		{ "https://169.254.169.254/latest/meta-data/", SSF_E_DENIED },
		{ "https://2852039166/", SSF_E_DENIED },
		{ "https://0xa9fea9fe/", SSF_E_DENIED },
		{ "https://[::1]/", SSF_E_DENIED },
		{ "https://[0:0:0:0:0:0:0:1]/", SSF_E_DENIED },
		{ "https://[::]/", SSF_E_DENIED },
		{ "https://[::ffff:169.254.169.254]/", SSF_E_DENIED },
		{ "https://[::FFFF:a9fe:a9fe]/", SSF_E_DENIED },
		{ "https://[::127.0.0.1]/", SSF_E_DENIED },
		{ "https://[64:ff9b::169.254.169.254]/", SSF_E_DENIED },
		{ "https://[64:ff9b::7f00:1]/", SSF_E_DENIED },
		{ "https://[2002:7f00:1::]/", SSF_E_DENIED },
		{ "https://[2002:a9fe:a9fe::1]/", SSF_E_DENIED },
		{ "https://[fd00:ec2::254]/", SSF_E_DENIED },
		{ "https://[fe80::1]:443/", SSF_E_DENIED },
	};
	struct egress_policy *g = guard(NULL, true);

	(void)state;
	CHECK_URLS(g, cases);
	egress_policy_free(g);
}

struct addr_case {
	const char *addr;
	const char *class; /* part of the message; NULL: allowed */
};

static void check_addrs(const struct egress_policy *g, const struct addr_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		const struct sockaddr *sa = (const struct sockaddr *)&v6;
		struct ssf_err err = { 0 };

		if (inet_pton(AF_INET, cases[i].addr, &v4.sin_addr) == 1)
			sa = (const struct sockaddr *)&v4;
		else
			assert_int_equal(inet_pton(AF_INET6, cases[i].addr, &v6.sin6_addr), 1);
		int r = egress_policy_check_addr(g, sa, &err);
		bool as_expected = cases[i].class == NULL
					   ? r == 0
					   : r < 0 && err.code == SSF_E_DENIED &&
						     strstr(err.msg, cases[i].class) != NULL;
		if (!as_expected)
			fail_msg("%s: %d %s", cases[i].addr, r, err.msg);
	}
}

#define CHECK_ADDRS(g, cases) check_addrs(g, cases, sizeof(cases) / sizeof(cases[0]))

static void classifies_addresses(void **state)
{
	static const struct addr_case cases[] = {
		{ "0.0.0.0", "unspecified" },
		{ "0.255.255.255", "unspecified" },
		{ "1.0.0.0", NULL },
		{ "9.255.255.255", NULL },
		{ "10.0.0.0", "private" },
		{ "10.255.255.255", "private" },
		{ "11.0.0.0", NULL },
		{ "100.63.255.255", NULL },
		{ "100.64.0.0", "carrier NAT" },
		{ "100.127.255.255", "carrier NAT" },
		{ "100.100.100.200", "cloud metadata" },
		{ "100.128.0.0", NULL },
		{ "127.0.0.1", "loopback" },
		{ "127.255.255.255", "loopback" },
		{ "128.0.0.0", NULL },
		{ "168.63.129.16", "cloud metadata" },
		{ "169.253.255.255", NULL },
		{ "169.254.169.254", "link-local" },
		{ "169.255.0.0", NULL },
		{ "172.15.255.255", NULL },
		{ "172.16.0.0", "private" },
		{ "172.31.255.255", "private" },
		{ "172.32.0.0", NULL },
		{ "192.0.0.1", "reserved" },
		{ "192.0.0.192", "cloud metadata" },
		{ "192.0.1.0", NULL },
		{ "192.0.2.1", "documentation" },
		{ "192.88.99.1", "reserved" },
		{ "192.167.255.255", NULL },
		{ "192.168.0.1", "private" },
		{ "192.169.0.0", NULL },
		{ "198.17.255.255", NULL },
		{ "198.18.0.1", "benchmark" },
		{ "198.19.255.255", "benchmark" },
		{ "198.20.0.0", NULL },
		{ "198.51.100.1", "documentation" },
		{ "203.0.113.1", "documentation" },
		{ "223.255.255.255", NULL },
		{ "224.0.0.1", "multicast" },
		{ "239.255.255.255", "multicast" },
		{ "240.0.0.1", "reserved" },
		{ "255.255.255.255", "broadcast" },
		{ "::", "unspecified" },
		{ "::1", "loopback" },
		{ "::2", "unspecified" }, /* v4-compatible 0.0.0.2 */
		{ "::10.0.0.1", "private" },
		{ "::8.8.8.8", NULL },
		{ "::ffff:10.0.0.1", "private" },
		{ "::ffff:127.0.0.1", "loopback" },
		{ "::ffff:8.8.8.8", NULL },
		{ "::ffff:0:127.0.0.1", "loopback" },
		{ "64:ff9b::10.0.0.1", "private" },
		{ "64:ff9b::8.8.8.8", NULL },
		{ "64:ff9b:1::1", "reserved" },
		{ "100::1", "reserved" },
		{ "2001:0:7f00:1::", "loopback" },
		{ "2001:0:808:808:0:0:80ff:fffe", "loopback" }, /* Teredo client 127.0.0.1 */
		{ "2001:2::1", "benchmark" },
		{ "2001:db8::1", "documentation" },
		{ "2002:a00:1::", "private" },
		{ "2002:808:808::1", NULL },
		{ "2606:4700::1111", NULL },
		{ "3fff::1", "documentation" },
		{ "3fff:1000::1", NULL },
		{ "4000::1", "reserved" },
		{ "5f00::1", "reserved" },
		{ "fc00::1", "private" },
		{ "fdff:ffff::1", "private" },
		{ "fd00:ec2::254", "cloud metadata" },
		{ "fe80::1", "link-local" },
		{ "febf::1", "link-local" },
		{ "fec0::1", "reserved" },
		{ "ff02::1", "multicast" },
	};
	struct egress_policy *g = guard(NULL, false);
	const struct sockaddr local = { .sa_family = AF_UNIX };
	struct ssf_err err;

	(void)state;
	CHECK_ADDRS(g, cases);
	assert_int_equal(egress_policy_check_addr(g, &local, &err), -1);
	assert_int_equal(err.code, SSF_E_DENIED);
	egress_policy_free(g);
}

static void opens_what_is_allowed(void **state)
{
	static const struct addr_case some[] = {
		{ "127.0.0.1", NULL },      { "127.9.9.9", NULL },     { "::1", NULL },
		{ "::ffff:127.0.0.1", NULL }, { "10.1.2.3", NULL },    { "10.1.3.0", "private" },
		{ "169.254.1.1", NULL },    { "169.254.1.2", "link" }, { "192.168.0.1", "private" },
		{ "fc00::1", "private" },   { "8.8.8.8", NULL },
	};
	static const struct addr_case privates[] = {
		{ "127.0.0.1", NULL },        { "10.0.0.1", NULL },
		{ "100.64.0.1", NULL },       { "::1", NULL },
		{ "fd00::1", NULL },          { "64:ff9b::10.0.0.1", NULL },
		{ "169.254.169.254", "link" }, { "::ffff:169.254.169.254", "link" },
		{ "fe80::1", "link" },        { "224.0.0.1", "multicast" },
		{ "ff02::1", "multicast" },   { "100.100.100.200", "metadata" },
		{ "fd00:ec2::254", "metadata" },
	};
	static const struct url_case urls[] = {
		{ "http://127.0.0.1:8080/", SSF_OK },
		{ "http://2130706433/", SSF_OK },
		{ "https://[::1]/", SSF_OK },
		{ "ftp://127.0.0.1/", SSF_E_MALFORMED },
	};
	struct egress_policy *g = guard(" 127.0.0.0/8, ::1/128,10.1.2.0/24 ,169.254.1.1", true);

	(void)state;
	CHECK_ADDRS(g, some);
	CHECK_URLS(g, urls);
	egress_policy_free(g);
	g = guard("private", false);
	CHECK_ADDRS(g, privates);
	egress_policy_free(g);
}

static void refuses_bad_allow_lists(void **state)
{
	static const char *const bad[] = {
		"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8x", "10.0.0.0/-1",
		"10.0.0", "public", "10.0.0.0/8,,::1", ",", "localhost", "10.0.0.0/8/8",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct egress_policy *g = NULL;
		struct ssf_err err;

		if (egress_policy_new(bad[i], false, &g, &err) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(err.code, SSF_E_MALFORMED);
		assert_null(g);
	}
}

static void resolves_names(void **state)
{
	struct egress_policy *strict = guard(NULL, false);
	struct egress_policy *open = guard("127.0.0.0/8,::1", false);
	struct ssf_err err;

	(void)state;
	assert_int_equal(egress_policy_resolve_url(strict, SSF_STR("https://localhost/"), &err), -1);
	assert_int_equal(err.code, SSF_E_DENIED);
	assert_int_equal(egress_policy_resolve_url(strict, SSF_STR("https://LOCALHOST.:8443/"), &err),
			 -1);
	assert_int_equal(err.code, SSF_E_DENIED);
	assert_int_equal(egress_policy_resolve_url(open, SSF_STR("https://localhost/"), &err), 0);
	assert_int_equal(egress_policy_resolve_url(open, SSF_STR("https://[::1]:1/"), &err), 0);
	assert_int_equal(egress_policy_resolve_url(strict, SSF_STR("https://127.0.0.1/"), &err), -1);
	assert_int_equal(err.code, SSF_E_DENIED);
	assert_int_equal(egress_policy_resolve_url(strict, SSF_STR("https://name.invalid/"), &err), -1);
	assert_int_equal(err.code, SSF_E_UNAVAILABLE);
	assert_int_equal(egress_policy_resolve_url(strict, SSF_STR("file:///"), &err), -1);
	assert_int_equal(err.code, SSF_E_MALFORMED);
	egress_policy_free(open);
	egress_policy_free(strict);
	egress_policy_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_ordinary_urls),
		cmocka_unit_test(refuses_bad_forms),
		cmocka_unit_test(refuses_hidden_addresses),
		cmocka_unit_test(classifies_addresses),
		cmocka_unit_test(opens_what_is_allowed),
		cmocka_unit_test(refuses_bad_allow_lists),
		cmocka_unit_test(resolves_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
