/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of source adapters. An adapter knows the format of one kind of source: how its
 * requests are authenticated, which signals they carry, what the sender expects as an answer. It
 * is one constant struct source_adapter, listed in adapters.def; no other code names it.
 * docs/how-to/add-a-source-adapter.md leads through writing one.
 *
 * Adapters are pure: they turn bytes, settings and a time into signals or into an answer. They
 * do no I/O, read no clock and keep no state. The program that received the request (the hub,
 * for POST /in/{source}) does the rest, in this order:
 *
 *   1. adapter_find_route(): 404 or 405 unless the adapter has that path and method;
 *   2. handshake(): when it fills the reply, that is the answer, and nothing else happens;
 *   3. keys, if the adapter declares them: fetched or read, and fetched once more if has() says
 *      that the key of this request is missing;
 *   4. authenticate();
 *   5. the route's map();
 *   6. all signals are committed in one transaction; without signals nothing is stored;
 *   7. answer(): the reply of map() or answer() if there is one, else 202 and {"txn":"..."}.
 *
 * A secret inside a request ends in map(): signals carry fingerprints. The caller wipes the
 * body.
 */
#pragma once

#include <jansson.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"
#include "transmitters/signal.h"

/* A request; everything is borrowed. */
struct adapter_request {
	const char *method;  /* "POST" */
	const char *path;    /* behind /in/{source}: "" or "/events"; percent-decoded */
	/* A header by name, without surrounding blanks; empty if absent. Names ignore case. */
	struct ssf_str (*header)(const void *arg, const char *name);
	/* A query parameter, percent-decoded, or NULL. The pointer itself may be NULL: no query. */
	const char *(*query)(const void *arg, const char *name);
	const void *arg;     /* of header() and query() */
	struct ssf_str body; /* as it was sent: signatures are over these bytes */
	int64_t now;         /* seconds since 1970: for timestamps that expire */
};

struct ssf_str adapter_header(const struct adapter_request *r, const char *name);
const char *adapter_query(const struct adapter_request *r, const char *name);

/* An answer; status 0: none, the caller gives its own. body is the caller's to free. */
struct adapter_reply {
	int status;
	const char *content_type; /* NULL: application/json, if there is a body */
	struct ssf_buf body;
};

/* --- settings ------------------------------------------------------------------------------ */

/*
 * The members that a source resource of this type may have, besides kind, id and type. From them
 * come the checks when a resource is written, its schema and its documentation.
 */
enum adapter_member_type {
	ADAPTER_TEXT,      /* string of 1 to 1024 bytes */
	ADAPTER_BOOL,
	ADAPTER_SECRET,    /* string of 8 to 4096 bytes; sealed before it is stored, never shown */
	ADAPTER_URL,       /* https; http to a loopback address, for tests and sidecars */
	ADAPTER_KEYS_URL,  /* the same, of a document that adapter_keys reads */
	ADAPTER_KEYS_FILE, /* path of such a file; unreadable keys refuse the resource */
};

enum {
	ADAPTER_REQUIRED = 1,      /* of a member of an object: required if the object exists */
	ADAPTER_AUTHENTICATES = 2, /* secret: opened for authenticate() */
	ADAPTER_LOOKS_UP = 4,      /* secret: opened for adapter_lookup */
	ADAPTER_IN_HEADER = 8,     /* is sent in a header: no control characters */
};

struct adapter_member {
	const char *name;    /* "secret"; "api.token" is the member token of the object api */
	enum adapter_member_type type;
	unsigned flags;
	const char *help;    /* one sentence */
	const char *example; /* as JSON: "\"https://api.github.com\"" */
};

/* --- authentication ------------------------------------------------------------------------ */

#define ADAPTER_SECRETS_MAX 4 /* opened for one request */

/* Who is trusted, from the source's resource. All borrowed. */
struct adapter_credentials {
	const json_t *spec;  /* the resource; secrets in it are sealed */
	struct adapter_secret {
		const char *member; /* name in the table of members */
		struct ssf_str value;
	} secrets[ADAPTER_SECRETS_MAX]; /* those that the resource has, in the order of the table */
	size_t secret_count;
	const void *keys;    /* what adapter_keys.parse() made; NULL without adapter_keys */
};

/* The value of a secret; empty if the resource has none of this name. */
struct ssf_str adapter_secret(const struct adapter_credentials *c, const char *member);

/*
 * A document of public keys (JWKS or a vendor's own). Its place is in the members of type
 * ADAPTER_KEYS_URL and ADAPTER_KEYS_FILE, of which check() should ask for exactly one.
 */
struct adapter_keys {
	int (*parse)(struct ssf_str text, void **out, struct ssf_err *err);
	void (*free)(void *keys);
	/* SSF_E_UNAUTHENTICATED for a request that names no key: none is fetched for it. */
	int (*check_request)(const struct adapter_request *r, struct ssf_err *err);
	/* Whether the key that the request names is among them. */
	bool (*has)(const void *keys, const struct adapter_request *r);
};

/* --- lookups ------------------------------------------------------------------------------- */

/*
 * For signals that say that a secret leaked but not which (signal.needs_lookup): one GET to the
 * vendor's API, made from the stored signal, after the request was answered.
 */
struct adapter_lookup_call {
	struct ssf_buf url;
	struct ssf_buf authorization; /* the header, "Authorization: Bearer ..."; empty: none */
	const char *headers[4];       /* further ones, "Name: value"; ends with NULL */
};

enum adapter_lookup_result {
	ADAPTER_LOOKUP_FOUND,  /* fingerprint is set */
	ADAPTER_LOOKUP_RETRY,  /* ask again later: overload, rate limit */
	ADAPTER_LOOKUP_DENIED, /* does not exist or may not be read: asking again is no use */
};

struct adapter_lookup {
	/*
	 * The call that asks about a signal with this detail. SSF_E_NOT_FOUND: the resource has
	 * no API token, so nobody can be asked. Other errors: the settings or the signal are
	 * unusable.
	 */
	int (*call)(const struct adapter_credentials *c, const json_t *detail,
		    struct adapter_lookup_call *out, struct ssf_err *err);
	/*
	 * Reads the answer: hashes the secret in it into fingerprint and wipes the parsed copy.
	 * more: new object with members to add to the signal's detail. -1: an answer that cannot
	 * be used. retry_after_s: of the header, -1 if absent.
	 */
	int (*answer)(int status, int retry_after_s, struct ssf_str body,
		      enum adapter_lookup_result *result, uint8_t fingerprint[SSF_SHA256_LEN],
		      json_t **more, struct ssf_err *err);
};

/* --- the adapter --------------------------------------------------------------------------- */

struct adapter_route {
	const char *method;
	const char *path; /* "" is /in/{source} itself; NULL ends the list */
	/*
	 * Appends the signals of an authenticated request to signals. May fill reply; without a
	 * signal, that is an answer at once. SSF_E_MALFORMED, SSF_E_LIMIT, SSF_E_NOMEM; then
	 * signals is as before. What is merely unknown (an event type of next year) is no error:
	 * senders retry or disable a hook for those; store it with the little that is known.
	 */
	int (*map)(const struct adapter_request *r, const json_t *spec, struct signal_list *signals,
		   struct adapter_reply *reply, struct ssf_err *err);
};

struct source_adapter {
	const char *type;                     /* of the resource; the text of adapters.def */
	const char *summary;                  /* one line for people */
	const struct adapter_member *members; /* ends with a NULL name */
	const struct adapter_route *routes;   /* ends with a NULL path */
	const struct adapter_keys *keys;      /* or NULL */
	const struct adapter_lookup *lookup;  /* or NULL */
	/*
	 * What the table of members cannot say about a resource, e.g. "exactly one of these two".
	 * SSF_E_MALFORMED naming the member. May be NULL.
	 */
	int (*check)(const json_t *spec, struct ssf_err *err);
	/*
	 * Requests that are answered before anybody is authenticated, such as validation of a new
	 * webhook address. They must have no effect. Leaves reply alone for others. May be NULL.
	 */
	int (*handshake)(const struct adapter_request *r, struct adapter_reply *reply,
			 struct ssf_err *err);
	/* SSF_E_UNAUTHENTICATED unless the source sent it. Compares secrets in constant time. */
	int (*authenticate)(const struct adapter_request *r, const struct adapter_credentials *c,
			    struct ssf_err *err);
	/*
	 * The answer after the commit, if it is not the usual one. known[i]: the registry has the
	 * credential of signal i. May be NULL.
	 */
	int (*answer)(const json_t *spec, const struct signal_list *signals, const bool *known,
		      struct adapter_reply *reply, struct ssf_err *err);
};

/* --- the table ----------------------------------------------------------------------------- */

#define ADAPTER(id, type) extern const struct source_adapter id##_adapter;
#include "transmitters/adapters.def"
#undef ADAPTER

enum adapter_id {
#define ADAPTER(id, type) ADAPTER_ID_##id,
#include "transmitters/adapters.def"
#undef ADAPTER
	ADAPTER_COUNT
};

/* In the order of adapters.def; i below ADAPTER_COUNT. */
const struct source_adapter *adapter_at(size_t i);
/* The index of a type, or -1. NULL is no type. */
int adapter_index(const char *type);
const struct source_adapter *adapter_by_type(const char *type); /* or NULL */

/* SSF_E_NOT_FOUND, or SSF_E_METHOD: the adapter has the path, with other methods. */
ssf_nodiscard int adapter_find_route(const struct source_adapter *a, const char *method,
				     const char *path, const struct adapter_route **out,
				     struct ssf_err *err);
