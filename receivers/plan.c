/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sizes are bounded by SSF_SET_MAX_EVENTS times CONFIG_MAX_TEMPLATES: an
 * event takes each template at most once.
 */
#include "receivers/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/kit/log.h"
#include "lib/ssf/catalog.h"

#define MARK_DIGITS_MAX 15 /* exact in the doubles of Redis's Lua */

/* Every member of want is in have, with the same value; in inner objects likewise. */
static bool is_subset(const json_t *want, const json_t *have)
{
	const char *key;
	json_t *value;

	if (!json_is_object(want))
		return json_equal(want, have) == 1;
	if (!json_is_object(have))
		return false;
	json_object_foreach((json_t *)(uintptr_t)want, key, value) {
		if (!is_subset(value, json_object_get(have, key)))
			return false;
	}
	return true;
}

static bool rule_matches(const struct config_rule *rule, const char *event_uri,
			 const json_t *sub_id)
{
	size_t n = json_array_size(rule->events);
	bool named = rule->events == NULL;

	for (size_t i = 0; i < n && !named; i++)
		named = strcmp(json_string_value(json_array_get(rule->events, i)), event_uri) == 0;
	return named && (rule->subject == NULL || is_subset(rule->subject, sub_id));
}

static int fill(const struct template *t, const struct template_values *values,
		enum template_use use, char **out, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(TEMPLATE_FILLED_MAX);

	if (template_fill(t, values, use, &text, err) < 0)
		return -1;
	*out = ssf_buf_steal(&text);
	return *out == NULL ? ssf_fail(err, SSF_E_NOMEM, "plan: out of memory") : 0;
}

static int fill_list(const struct config_templates *templates, const struct template_values *values,
		     enum template_use use, struct plan_list *out, struct ssf_err *err)
{
	char **list;

	if (templates->n == 0)
		return 0;
	list = realloc(out->list, (out->n + templates->n) * sizeof(list[0]));
	if (list == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "plan: out of memory");
	out->list = list;
	for (size_t i = 0; i < templates->n; i++) {
		if (fill(templates->list[i], values, use, &list[out->n], err) < 0)
			return -1;
		out->n++;
	}
	return 0;
}

static int fill_mark(const struct config_mark *from, const struct template_values *values,
		     struct plan_mark *to, struct ssf_err *err)
{
	size_t digits;

	if (fill(from->key, values, TEMPLATE_PLAIN, &to->key, err) < 0 ||
	    fill(from->value, values, TEMPLATE_PLAIN, &to->value, err) < 0)
		return -1;
	digits = strspn(to->value, "0123456789");
	if (to->value[digits] != '\0' || digits > MARK_DIGITS_MAX)
		return ssf_fail(err, SSF_E_MALFORMED,
				"set: value is not a number of at most %d digits", MARK_DIGITS_MAX);
	to->ttl_s = from->ttl_s;
	return 0;
}

static int fill_marks(const struct config_rule *rule, const struct template_values *values,
		      struct plan *out, struct ssf_err *err)
{
	struct plan_mark *marks;

	if (rule->n_marks == 0)
		return 0;
	marks = realloc(out->marks, (out->n_marks + rule->n_marks) * sizeof(marks[0]));
	if (marks == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "plan: out of memory");
	out->marks = marks;
	for (size_t i = 0; i < rule->n_marks; i++) {
		struct plan_mark *mark = &marks[out->n_marks++];

		*mark = (struct plan_mark){ 0 };
		if (fill_mark(&rule->marks[i], values, mark, err) < 0)
			return -1;
	}
	return 0;
}

static void cut_list(struct plan_list *l, size_t n)
{
	while (l->n > n)
		free(l->list[--l->n]);
}

/* Back to what the plan was before a rule that turned out not to apply. */
static void cut(struct plan *p, const struct plan *before)
{
	cut_list(&p->keys, before->keys.n);
	cut_list(&p->index_sets, before->index_sets.n);
	cut_list(&p->patterns, before->patterns.n);
	while (p->n_marks > before->n_marks) {
		p->n_marks--;
		free(p->marks[p->n_marks].key);
		free(p->marks[p->n_marks].value);
	}
}

static int apply_rule(const struct config_rule *rule, const struct template_values *values,
		      struct plan *p, struct ssf_err *err)
{
	const struct plan before = *p;

	if (fill_list(&rule->keys, values, TEMPLATE_PLAIN, &p->keys, err) < 0 ||
	    fill_list(&rule->index_sets, values, TEMPLATE_PLAIN, &p->index_sets, err) < 0 ||
	    fill_list(&rule->patterns, values, TEMPLATE_GLOB, &p->patterns, err) < 0 ||
	    fill_marks(rule, values, p, err) < 0) {
		cut(p, &before);
		return -1;
	}
	p->n_rules++;
	return 0;
}

static int apply_event(const struct config *config, const struct ssf_set *set,
		       const char *event_uri, const json_t *event, struct plan *p,
		       struct ssf_err *err)
{
	const struct ssf_event_type *type = ssf_event_by_uri(event_uri);
	const struct template_values values = {
		.sub_id = set->sub_id,
		.event = event,
		.jti = set->jti,
		.iat = set->iat,
	};

	if (type != NULL && type->control)
		return 0;
	for (size_t i = 0; i < config->n_rules; i++) {
		struct ssf_err why;

		if (!rule_matches(&config->rules[i], event_uri, set->sub_id) ||
		    apply_rule(&config->rules[i], &values, p, &why) == 0)
			continue;
		if (why.code == SSF_E_NOMEM) {
			*err = why;
			return -1;
		}
		log_warn("receiver.rule.skipped", log_str("jti", set->jti),
			 log_int("rule", (int64_t)i), log_why(&why));
	}
	return 0;
}

int plan_make(const struct config *config, const struct ssf_set *set, struct plan *out,
	      struct ssf_err *err)
{
	struct plan p = { 0 };
	const char *uri;
	json_t *event;

	json_object_foreach((json_t *)(uintptr_t)set->events, uri, event) {
		if (apply_event(config, set, uri, event, &p, err) < 0) {
			plan_done(&p);
			return -1;
		}
	}
	*out = p;
	return 0;
}

void plan_done(struct plan *p)
{
	static const struct plan empty;

	cut(p, &empty);
	free(p->keys.list);
	free(p->index_sets.list);
	free(p->patterns.list);
	free(p->marks);
	*p = empty;
}
