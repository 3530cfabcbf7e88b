/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what inline JWKS were read as, by the JSON value, to which it holds a reference: so another value never
 * stands at the same address. One search is a machine: fetch -> look -> [fetch anew -> look ->] answer.
 */
#include "lib/http/jwks.h"

#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>

struct kept {
	json_t *doc; /* NULL: free */
	struct ssf_jwks *set;
};

struct jwks {
	struct document_cache *documents;
	struct kept kept[JWKS_INLINE];
};

struct jwks_search {
	struct jwks *jwks;
	char *url;
	char *kid; /* or NULL */
	enum ssf_alg alg;
	bool refreshed;
	jwks_found_f *f;
	void *arg;
	struct document_get *get;
};

int jwks_new(struct document_cache *documents, struct jwks **out, struct ssf_err *err)
{
	struct jwks *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "keys of others");
	j->documents = documents;
	*out = j;
	return 0;
}

void jwks_free(struct jwks *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < JWKS_INLINE; i++) {
		json_decref(j->kept[i].doc);
		ssf_jwks_free(j->kept[i].set);
	}
	free(j);
}

static int find_in(const struct ssf_jwks *set, const char *kid, enum ssf_alg alg, struct ssf_key **out,
		   struct ssf_err *err)
{
	struct ssf_key *key = ssf_jwks_find(set, ssf_str_c(kid), alg);

	if (key == NULL)
		return ssf_fail(err, SSF_E_KEY, "no key of the issuer fits kid and alg");
	*out = ssf_key_ref(key);
	return 0;
}

/* --- inline ----------------------------------------------------------------------------------------- */

static int keep(struct kept *k, const json_t *doc, struct ssf_err *err)
{
	struct ssf_jwks *set;

	if (ssf_jwks_parse(doc, &set, err) < 0) {
		if (err != NULL)
			err->code = SSF_E_UNAVAILABLE; /* not the fault of whoever presents a token */
		return -1;
	}
	json_decref(k->doc);
	ssf_jwks_free(k->set);
	k->doc = json_incref((json_t *)doc);
	k->set = set;
	return 0;
}

int jwks_find(struct jwks *j, const json_t *doc, const char *kid, enum ssf_alg alg, struct ssf_key **out,
	      struct ssf_err *err)
{
	uint64_t hash = (uint64_t)(uintptr_t)doc * 0x9e3779b97f4a7c15u;
	struct kept *k = &j->kept[(hash >> 32) % JWKS_INLINE];

	if (k->doc != doc && keep(k, doc, err) < 0)
		return -1;
	return find_in(k->set, kid, alg, out, err);
}

/* --- by address ------------------------------------------------------------------------------------- */

static int parse_set(struct ssf_str text, void **out, struct ssf_err *err)
{
	json_auto_t *doc = NULL;
	struct ssf_jwks *set;

	if (ssf_json_parse(text, &ssf_json_default, &doc, err) < 0 || ssf_jwks_parse(doc, &set, err) < 0)
		return -1;
	*out = set;
	return 0;
}

static void free_set(void *parsed)
{
	ssf_jwks_free(parsed);
}

static const struct document_form form = { parse_set, free_set };

static void search_free(struct jwks_search *s)
{
	free(s->url);
	free(s->kid);
	free(s);
}

static void finish(struct jwks_search *s, struct ssf_key *key, const struct ssf_err *err)
{
	jwks_found_f *f = s->f;
	void *arg = s->arg;

	search_free(s);
	f(arg, key, err);
}

static void on_document(void *arg, const void *parsed, const struct ssf_err *err);

static int fetch(struct jwks_search *s, struct ssf_err *err)
{
	return document_get_start(s->jwks->documents, s->url, &form, s->refreshed, on_document, s, &s->get,
				  err);
}

static void on_document(void *arg, const void *parsed, const struct ssf_err *err)
{
	struct jwks_search *s = arg;
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err why;

	s->get = NULL;
	if (err != NULL) {
		finish(s, NULL, err);
	} else if (find_in(parsed, s->kid, s->alg, &key, &why) == 0) {
		finish(s, key, NULL);
	} else if (!s->refreshed) {
		s->refreshed = true; /* there may be a newer key since */
		if (fetch(s, &why) < 0)
			finish(s, NULL, &why);
	} else {
		finish(s, NULL, &why);
	}
}

int jwks_search_start(struct jwks *j, const char *url, const char *kid, enum ssf_alg alg, jwks_found_f *f,
		      void *arg, struct jwks_search **out, struct ssf_err *err)
{
	struct jwks_search *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key");
	*s = (struct jwks_search){ .jwks = j, .alg = alg, .f = f, .arg = arg };
	s->url = strdup(url);
	s->kid = kid != NULL ? strdup(kid) : NULL;
	if (s->url == NULL || (kid != NULL && s->kid == NULL)) {
		search_free(s);
		return ssf_fail(err, SSF_E_NOMEM, "key");
	}
	if (fetch(s, err) < 0) {
		search_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void jwks_search_cancel(struct jwks_search *s)
{
	if (s == NULL)
		return;
	document_get_cancel(s->get);
	search_free(s);
}
