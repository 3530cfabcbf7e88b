/* SPDX-License-Identifier: Apache-2.0 */
/* One search is a machine: fetch -> look -> [fetch anew -> look ->] answer. */
#include "lib/kit/jwks.h"

#include "lib/ssf/json.h"

#include <stdlib.h>
#include <string.h>

struct jwks_search {
	struct documents *documents;
	char *url;
	char *kid; /* or NULL */
	enum ssf_alg alg;
	bool refreshed;
	jwks_found_f *f;
	void *arg;
	struct document_get *get;
};

int jwks_find(const json_t *jwks, const char *kid, enum ssf_alg alg, struct ssf_key **out,
	      struct ssf_err *err)
{
	ssf_auto(ssf_jwks) set = NULL;
	struct ssf_key *key;

	if (ssf_jwks_parse(jwks, &set, err) < 0) {
		if (err != NULL)
			err->code = SSF_E_UNAVAILABLE; /* not the fault of whoever presents a token */
		return -1;
	}
	key = ssf_jwks_find(set, ssf_str_c(kid), alg);
	if (key == NULL)
		return ssf_fail(err, SSF_E_KEY, "no key of the issuer fits kid and alg");
	*out = ssf_key_ref(key);
	return 0;
}

static void search_free(struct jwks_search *j)
{
	free(j->url);
	free(j->kid);
	free(j);
}

static void finish(struct jwks_search *j, struct ssf_key *key, const struct ssf_err *err)
{
	jwks_found_f *f = j->f;
	void *arg = j->arg;

	search_free(j);
	f(arg, key, err);
}

static void on_document(void *arg, struct ssf_str text, const struct ssf_err *err);

static int fetch(struct jwks_search *j, struct ssf_err *err)
{
	return document_get_start(j->documents, j->url, j->refreshed, on_document, j, &j->get, err);
}

static int look(const struct jwks_search *j, struct ssf_str text, struct ssf_key **out,
		struct ssf_err *err)
{
	json_auto_t *doc = NULL;

	if (ssf_json_parse(text, &ssf_json_default, &doc, err) < 0) {
		err->code = SSF_E_UNAVAILABLE;
		return -1;
	}
	return jwks_find(doc, j->kid, j->alg, out, err);
}

static void on_document(void *arg, struct ssf_str text, const struct ssf_err *err)
{
	struct jwks_search *j = arg;
	ssf_auto(ssf_key) key = NULL;
	struct ssf_err why;

	j->get = NULL;
	if (err != NULL) {
		finish(j, NULL, err);
	} else if (look(j, text, &key, &why) == 0) {
		finish(j, key, NULL);
	} else if (why.code == SSF_E_KEY && !j->refreshed) {
		j->refreshed = true; /* there may be a newer key since */
		if (fetch(j, &why) < 0)
			finish(j, NULL, &why);
	} else {
		finish(j, NULL, &why);
	}
}

int jwks_search_start(struct documents *documents, const char *url, const char *kid,
		      enum ssf_alg alg, jwks_found_f *f, void *arg, struct jwks_search **out,
		      struct ssf_err *err)
{
	struct jwks_search *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "key");
	*j = (struct jwks_search){ .documents = documents, .alg = alg, .f = f, .arg = arg };
	j->url = strdup(url);
	j->kid = kid != NULL ? strdup(kid) : NULL;
	if (j->url == NULL || (kid != NULL && j->kid == NULL)) {
		search_free(j);
		return ssf_fail(err, SSF_E_NOMEM, "key");
	}
	if (fetch(j, err) < 0) {
		search_free(j);
		return -1;
	}
	*out = j;
	return 0;
}

void jwks_search_cancel(struct jwks_search *j)
{
	if (j == NULL)
		return;
	document_get_cancel(j->get);
	search_free(j);
}
