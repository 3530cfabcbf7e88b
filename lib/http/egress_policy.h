/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this process may connect to when somebody else chose the address
 * (server-side request forgery, OWASP API7:2023). Refused unless allowed:
 * loopback, private (RFC 1918, fc00::/7), link-local (169.254/16 with the cloud
 * metadata address, fe80::/10), carrier NAT 100.64/10, 0/8, multicast, broadcast, documentation and
 * benchmark ranges, and IPv6 forms that embed any of them (v4-mapped,
 * v4-compatible, NAT64 64:ff9b::/96, 6to4 2002::/16, Teredo). The check is made on the URL, on
 * every resolved address at set-up, and again on the address of each connect,
 * so that a name that changes its mind is caught.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

struct egress_policy;

/*
 * allow: comma-separated CIDRs ("127.0.0.0/8, ::1/128") or "private" for every
 * refused range but link-local and multicast; empty or NULL: nothing. allow_http: plain http:// may
 * be used (tests, sidecars).
 */
ssf_nodiscard int egress_policy_new(const char *allow, bool allow_http, struct egress_policy **out,
			       struct ssf_err *err);
void egress_policy_free(struct egress_policy *g);

/* Whether a connect may be made. SSF_E_DENIED names the class of the address. */
ssf_nodiscard int egress_policy_check_addr(const struct egress_policy *g, const struct sockaddr *sa,
				      struct ssf_err *err);

/*
 * Form of a URL: scheme https (http if allowed), a host, no user information, no
 * fragment, no control or blank characters, port 1 to 65535, at most 2,048 bytes; and, when the
 * host is an IP literal, in any notation that resolvers take ("0x7f.1",
 * "2130706433", "[::ffff:127.0.0.1]"), its address. SSF_E_MALFORMED or SSF_E_DENIED.
 */
ssf_nodiscard int egress_policy_check_url(const struct egress_policy *g, struct ssf_str url,
				     struct ssf_err *err);

/*
 * As above, then resolves the host and checks every address. Blocks for up to the
 * resolver's timeout: call it in the job pool. SSF_E_UNAVAILABLE when the name does not resolve.
 */
ssf_nodiscard int egress_policy_resolve_url(const struct egress_policy *g, struct ssf_str url,
				       struct ssf_err *err);
