/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule for an address: what the operator allowed is allowed; otherwise
 * every special range (IANA special-purpose registries, RFC 6890) is refused,
 * and of IPv6 all that is not global unicast. An address that embeds an IPv4
 * one is judged by that. The URL is taken apart here and not by a library, so
 * that anything unusual is refused instead of being understood in two ways.
 */
#include "lib/http/egress_policy.h"

#include "lib/ssf/attr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 2048
#define HOST_MAX 253
#define ALLOW_MAX 64

/* IPv4 addresses stand as ::ffff:a.b.c.d here, with 96 more bits of prefix. */
struct cidr {
	struct in6_addr addr;
	unsigned bits;
};

struct egress_policy {
	bool allow_http;
	bool allow_private;
	size_t n_allowed;
	struct cidr allowed[ALLOW_MAX];
};

/* Refused ranges. never: not opened by "private" either. */
static const struct range {
	const char *cidr;
	const char *name;
	bool never;
} ranges[] = {
	{ "169.254.0.0/16", "link-local", true },
	{ "100.100.100.200/32", "cloud metadata", true },
	{ "168.63.129.16/32", "cloud metadata", true },
	{ "192.0.0.192/32", "cloud metadata", true },
	{ "fd00:ec2::254/128", "cloud metadata", true },
	{ "224.0.0.0/4", "multicast", true },
	{ "fe80::/10", "link-local", true },
	{ "ff00::/8", "multicast", true },
	{ "0.0.0.0/8", "unspecified", false },
	{ "10.0.0.0/8", "private", false },
	{ "100.64.0.0/10", "carrier NAT", false },
	{ "127.0.0.0/8", "loopback", false },
	{ "172.16.0.0/12", "private", false },
	{ "192.0.0.0/24", "reserved", false },
	{ "192.0.2.0/24", "documentation", false },
	{ "192.88.99.0/24", "reserved", false },
	{ "192.168.0.0/16", "private", false },
	{ "198.18.0.0/15", "benchmark", false },
	{ "198.51.100.0/24", "documentation", false },
	{ "203.0.113.0/24", "documentation", false },
	{ "255.255.255.255/32", "broadcast", false },
	{ "240.0.0.0/4", "reserved", false },
	{ "::/128", "unspecified", false },
	{ "::1/128", "loopback", false },
	{ "fc00::/7", "private", false },
	{ "2001:2::/48", "benchmark", false },
	{ "2001:db8::/32", "documentation", false },
	{ "3fff::/20", "documentation", false },
};

/* Where forms of IPv6 keep an IPv4 address; Teredo has two, the second one inverted. */
static const struct embedding {
	const char *cidr;
	unsigned offset;
	bool inverted;
} embeddings[] = {
	{ "64:ff9b::/96", 12, false },     /* NAT64, RFC 6052 */
	{ "2002::/16", 2, false },         /* 6to4, RFC 3056 */
	{ "2001::/32", 4, false },         /* Teredo server, RFC 4380 */
	{ "2001::/32", 12, true },         /* Teredo client */
	{ "::ffff:0:0:0/96", 12, false },  /* IPv4-translated, RFC 2765 */
	{ "::/96", 12, false },            /* IPv4-compatible, RFC 4291 section 2.5.5.1 */
};

static struct in6_addr mapped(const uint8_t v4[4])
{
	struct in6_addr a = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.s6_addr + 12, v4, 4);
	return a;
}

static bool cidr_has(const struct cidr *c, const struct in6_addr *a)
{
	unsigned whole = c->bits / 8;
	unsigned rest = c->bits % 8;

	if (memcmp(c->addr.s6_addr, a->s6_addr, whole) != 0)
		return false;
	return rest == 0 ||
	       ((c->addr.s6_addr[whole] ^ a->s6_addr[whole]) >> (8 - rest)) == 0;
}

/* text is "ADDRESS/BITS" or "ADDRESS". */
static int cidr_parse(struct ssf_str text, struct cidr *out)
{
	char buf[INET6_ADDRSTRLEN + 4];
	struct in_addr v4;
	unsigned long bits;
	char *end = NULL;

	if (text.len >= sizeof(buf))
		return -1;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	char *slash = strchr(buf, '/');
	if (slash != NULL)
		*slash++ = '\0';
	bool is_v4 = inet_pton(AF_INET, buf, &v4) == 1;
	if (is_v4)
		out->addr = mapped((const uint8_t *)&v4);
	else if (inet_pton(AF_INET6, buf, &out->addr) != 1)
		return -1;
	unsigned max = is_v4 ? 32 : 128;
	if (slash == NULL) {
		bits = max;
	} else {
		if (*slash < '0' || *slash > '9')
			return -1;
		bits = strtoul(slash, &end, 10);
		if (*end != '\0' || bits > max)
			return -1;
	}
	out->bits = (unsigned)bits + (is_v4 ? 96 : 0);
	return 0;
}

static bool range_has(const char *cidr, const struct in6_addr *a)
{
	struct cidr c;

	return cidr_parse(ssf_str_c(cidr), &c) == 0 && cidr_has(&c, a);
}

static int add_allowed(struct egress_policy *g, struct ssf_str item, struct ssf_err *err)
{
	item = ssf_str_trim(item);
	if (ssf_str_eq_c(item, "private")) {
		g->allow_private = true;
		return 0;
	}
	if (g->n_allowed == ALLOW_MAX)
		return ssf_fail(err, SSF_E_LIMIT, "allowed networks: more than %d", ALLOW_MAX);
	if (cidr_parse(item, &g->allowed[g->n_allowed]) < 0)
		return ssf_fail(err, SSF_E_MALFORMED,
				"allowed networks: neither a CIDR nor \"private\"");
	g->n_allowed++;
	return 0;
}

SSF_DEFINE_AUTO(egress_policy)

int egress_policy_new(const char *allow, bool allow_http, struct egress_policy **out, struct ssf_err *err)
{
	ssf_auto(egress_policy) g = calloc(1, sizeof(*g));

	if (g == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "egress_policy: out of memory");
	g->allow_http = allow_http;
	while (allow != NULL && *allow != '\0') {
		size_t len = strcspn(allow, ",");

		if (add_allowed(g, (struct ssf_str){ allow, len }, err) < 0)
			return -1;
		allow += len;
		if (*allow == ',')
			allow++;
	}
	*out = SSF_STEAL(g);
	return 0;
}

void egress_policy_free(struct egress_policy *g)
{
	free(g);
}

static int refuse(const char *name, struct ssf_err *err)
{
	return ssf_fail(err, SSF_E_DENIED, "address not allowed: %s", name);
}

/* An address that embeds none, as all IPv4 ones. */
static int check_plain(const struct egress_policy *g, const struct in6_addr *a, struct ssf_err *err)
{
	for (size_t i = 0; i < g->n_allowed; i++) {
		if (cidr_has(&g->allowed[i], a))
			return 0;
	}
	for (size_t i = 0; i < SSF_ARRAY_SIZE(ranges); i++) {
		if (!range_has(ranges[i].cidr, a))
			continue;
		if (g->allow_private && !ranges[i].never)
			return 0;
		return refuse(ranges[i].name, err);
	}
	if (IN6_IS_ADDR_V4MAPPED(a) || range_has("2000::/3", a))
		return 0;
	return g->allow_private ? 0 : refuse("reserved", err);
}

static int check_in6(const struct egress_policy *g, const struct in6_addr *a, struct ssf_err *err)
{
	bool embeds = false;

	if (IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a))
		return check_plain(g, a, err);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(embeddings); i++) {
		const struct embedding *e = &embeddings[i];
		struct in6_addr inner;
		uint8_t v4[4];

		if (!range_has(e->cidr, a))
			continue;
		for (size_t k = 0; k < 4; k++)
			v4[k] = a->s6_addr[e->offset + k] ^ (e->inverted ? 0xff : 0);
		inner = mapped(v4);
		if (check_plain(g, &inner, err) < 0)
			return -1;
		embeds = true;
	}
	return embeds ? 0 : check_plain(g, a, err);
}

int egress_policy_check_addr(const struct egress_policy *g, const struct sockaddr *sa, struct ssf_err *err)
{
	struct in6_addr a;

	if (sa->sa_family == AF_INET6)
		return check_in6(g, &((const struct sockaddr_in6 *)sa)->sin6_addr, err);
	if (sa->sa_family != AF_INET)
		return refuse("not an internet address", err);
	a = mapped((const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr);
	return check_plain(g, &a, err);
}

static int bad_url(struct ssf_err *err, const char *what)
{
	return ssf_fail(err, SSF_E_MALFORMED, "url: %s", what);
}

static int check_chars(struct ssf_str url, struct ssf_err *err)
{
	for (size_t i = 0; i < url.len; i++) {
		unsigned char c = (unsigned char)url.ptr[i];

		if (c <= ' ' || c > '~' || c == '\\')
			return bad_url(err, "character not allowed");
		if (c == '#')
			return bad_url(err, "has a fragment");
	}
	return 0;
}

static int skip_scheme(const struct egress_policy *g, struct ssf_str *url, struct ssf_err *err)
{
	static const char https[] = "https://";
	static const char http[] = "http://";
	size_t skip;

	if (url->len >= sizeof(https) - 1 && strncasecmp(url->ptr, https, sizeof(https) - 1) == 0)
		skip = sizeof(https) - 1;
	else if (url->len >= sizeof(http) - 1 && strncasecmp(url->ptr, http, sizeof(http) - 1) == 0)
		skip = sizeof(http) - 1;
	else
		return bad_url(err, "scheme is not https");
	if (skip == sizeof(http) - 1 && !g->allow_http)
		return ssf_fail(err, SSF_E_DENIED, "url: plain http is not allowed");
	url->ptr += skip;
	url->len -= skip;
	return 0;
}

static int check_port(struct ssf_str port, struct ssf_err *err)
{
	unsigned n = 0;

	if (port.len == 0 || port.len > 5)
		return bad_url(err, "port is not 1 to 65535");
	for (size_t i = 0; i < port.len; i++) {
		if (port.ptr[i] < '0' || port.ptr[i] > '9')
			return bad_url(err, "port is not a number");
		n = n * 10 + (unsigned)(port.ptr[i] - '0');
	}
	if (n == 0 || n > 65535)
		return bad_url(err, "port is not 1 to 65535");
	return 0;
}

/* Copies the host into a string; brackets and one dot at the end go. */
static int take_host(const struct egress_policy *g, struct ssf_str url, char host[HOST_MAX + 1],
		     bool *is_v6, struct ssf_err *err)
{
	struct ssf_str h;
	size_t len = 0;

	if (url.len > URL_MAX)
		return bad_url(err, "longer than 2048 bytes");
	if (check_chars(url, err) < 0 || skip_scheme(g, &url, err) < 0)
		return -1;
	while (len < url.len && url.ptr[len] != '/' && url.ptr[len] != '?')
		len++;
	url.len = len; /* the authority */
	if (len > 0 && memchr(url.ptr, '@', len) != NULL)
		return bad_url(err, "has user information");
	*is_v6 = len > 0 && url.ptr[0] == '[';
	const char *end = len > 0 ? memchr(url.ptr, *is_v6 ? ']' : ':', len) : NULL;
	if (*is_v6 && end == NULL)
		return bad_url(err, "host: bracket not closed");
	h = (struct ssf_str){ url.ptr, end != NULL ? (size_t)(end - url.ptr) : len };
	size_t after = h.len + (*is_v6 ? 1 : 0);
	if (after < len && url.ptr[after] != ':')
		return bad_url(err, "host: something behind the bracket");
	if (after < len &&
	    check_port((struct ssf_str){ url.ptr + after + 1, len - after - 1 }, err) < 0)
		return -1;
	if (*is_v6) {
		h.ptr++;
		h.len--;
	} else if (h.len > 0 && h.ptr[h.len - 1] == '.') {
		h.len--;
	}
	if (h.len == 0 || h.len > HOST_MAX)
		return bad_url(err, "host: empty or too long");
	memcpy(host, h.ptr, h.len);
	host[h.len] = '\0';
	return 0;
}

static int check_name(const char *host, struct ssf_err *err)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_.";

	/* Escapes too: "%6c" would be decoded by some and not by others. */
	if (host[strspn(host, chars)] != '\0')
		return bad_url(err, "host: character not allowed");
	if (host[0] == '.' || strstr(host, "..") != NULL)
		return bad_url(err, "host: empty label");
	return 0;
}

/* As the URL standard has it: then the whole host is an IPv4 address or not valid. */
static bool ends_in_number(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *last = dot != NULL ? dot + 1 : host;

	if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
		return last[2 + strspn(last + 2, "0123456789abcdefABCDEF")] == '\0';
	return last[strspn(last, "0123456789")] == '\0';
}

/* Checks an IP literal; a name passes. */
static int check_host(const struct egress_policy *g, const char *host, bool is_v6, struct ssf_err *err)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (is_v6) {
		if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
			return bad_url(err, "host: not an IPv6 address");
		return egress_policy_check_addr(g, (struct sockaddr *)&v6, err);
	}
	if (check_name(host, err) < 0)
		return -1;
	if (inet_aton(host, &v4.sin_addr) != 0)
		return egress_policy_check_addr(g, (struct sockaddr *)&v4, err);
	if (ends_in_number(host))
		return bad_url(err, "host: not an IPv4 address");
	return 0;
}

int egress_policy_check_url(const struct egress_policy *g, struct ssf_str url, struct ssf_err *err)
{
	char host[HOST_MAX + 1];
	bool is_v6;

	if (take_host(g, url, host, &is_v6, err) < 0)
		return -1;
	return check_host(g, host, is_v6, err);
}

int egress_policy_resolve_url(const struct egress_policy *g, struct ssf_str url, struct ssf_err *err)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char host[HOST_MAX + 1];
	bool is_v6;
	int r = 0;

	if (take_host(g, url, host, &is_v6, err) < 0 || check_host(g, host, is_v6, err) < 0)
		return -1;
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return ssf_fail(err, SSF_E_UNAVAILABLE, "url: the host name does not resolve");
	for (const struct addrinfo *ai = found; ai != NULL && r == 0; ai = ai->ai_next)
		r = egress_policy_check_addr(g, ai->ai_addr, err);
	freeaddrinfo(found);
	return r;
}
