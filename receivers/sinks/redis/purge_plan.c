/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of a plan is bounded by SSF_SET_MAX_EVENTS times PURGE_RULES_TEMPLATES_MAX: each
 * event takes each template at most once.
 */
#include "receivers/sinks/redis/purge_plan.h"

#include "lib/kit/log.h"
#include "lib/ssf/catalog.h"

#include <stdlib.h>
#include <string.h>

#define MARK_DIGITS_MAX 15 /* exact in the doubles of Redis's Lua */

/* Whether every member of want is in have with the same value, also in inner objects. */
static bool is_subset(const json_t *want, const json_t *have)
{
	const char *key;
	json_t *value;

	if (!json_is_object(want))
		return json_equal(want, have) == 1;
	if (!json_is_object(have))
		return false;
	json_object_foreach((json_t *)want, key, value) {
		if (!is_subset(value, json_object_get(have, key)))
			return false;
	}
	return true;
}

static bool rule_matches(const struct purge_rule *rule, const char *event_uri,
			 const json_t *sub_id)
{
	size_t n = json_array_size(rule->events);
	bool named = rule->events == NULL;

	for (size_t i = 0; i < n && !named; i++)
		named = strcmp(json_string_value(json_array_get(rule->events, i)), event_uri) == 0;
	return named && (rule->subject == NULL || is_subset(rule->subject, sub_id));
}

static int fill_text(const struct key_template *t, const struct key_template_values *values,
		enum key_template_use use, char **out, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(KEY_TEMPLATE_FILLED_MAX);

	if (key_template_fill(t, values, use, &text, err) < 0)
		return -1;
	*out = ssf_buf_steal(&text);
	return *out == NULL ? ssf_fail(err, SSF_E_NOMEM, "plan: out of memory") : 0;
}

static int fill_list(const struct purge_templates *templates,
		     const struct key_template_values *values, enum key_template_use use,
		     struct purge_plan_list *out, struct ssf_err *err)
{
	char **list;

	if (templates->count == 0)
		return 0;
	list = realloc(out->list, (out->count + templates->count) * sizeof(list[0]));
	if (list == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "plan: out of memory");
	out->list = list;
	for (size_t i = 0; i < templates->count; i++) {
		if (fill_text(templates->list[i], values, use, &list[out->count], err) < 0)
			return -1;
		out->count++;
	}
	return 0;
}

static int fill_mark(const struct purge_mark_rule *from, const struct key_template_values *values,
		     struct purge_plan_mark *to, struct ssf_err *err)
{
	size_t digits;

	if (fill_text(from->key, values, KEY_TEMPLATE_PLAIN, &to->key, err) < 0 ||
	    fill_text(from->value, values, KEY_TEMPLATE_PLAIN, &to->value, err) < 0)
		return -1;
	digits = strspn(to->value, "0123456789");
	if (to->value[digits] != '\0' || digits > MARK_DIGITS_MAX)
		return ssf_fail(err, SSF_E_MALFORMED,
				"set: value is not a number of at most %d digits", MARK_DIGITS_MAX);
	to->ttl_s = from->ttl_s;
	return 0;
}

static int fill_marks(const struct purge_rule *rule, const struct key_template_values *values,
		      struct purge_plan *out, struct ssf_err *err)
{
	struct purge_plan_mark *marks;

	if (rule->mark_count == 0)
		return 0;
	marks = realloc(out->marks, (out->mark_count + rule->mark_count) * sizeof(marks[0]));
	if (marks == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "plan: out of memory");
	out->marks = marks;
	for (size_t i = 0; i < rule->mark_count; i++) {
		struct purge_plan_mark *mark = &marks[out->mark_count++];

		*mark = (struct purge_plan_mark){ 0 };
		if (fill_mark(&rule->marks[i], values, mark, err) < 0)
			return -1;
	}
	return 0;
}

static void list_truncate(struct purge_plan_list *l, size_t n)
{
	while (l->count > n)
		free(l->list[--l->count]);
}

/* Takes a plan back to what it was before a rule that could not be filled. */
static void plan_truncate(struct purge_plan *p, const struct purge_plan *before)
{
	list_truncate(&p->keys, before->keys.count);
	list_truncate(&p->index_sets, before->index_sets.count);
	list_truncate(&p->patterns, before->patterns.count);
	while (p->mark_count > before->mark_count) {
		p->mark_count--;
		free(p->marks[p->mark_count].key);
		free(p->marks[p->mark_count].value);
	}
}

static int apply_rule(const struct purge_rule *rule, const struct key_template_values *values,
		      struct purge_plan *p, struct ssf_err *err)
{
	const struct purge_plan before = *p;

	if (fill_list(&rule->keys, values, KEY_TEMPLATE_PLAIN, &p->keys, err) < 0 ||
	    fill_list(&rule->index_sets, values, KEY_TEMPLATE_PLAIN, &p->index_sets, err) < 0 ||
	    fill_list(&rule->patterns, values, KEY_TEMPLATE_GLOB, &p->patterns, err) < 0 ||
	    fill_marks(rule, values, p, err) < 0) {
		plan_truncate(p, &before);
		return -1;
	}
	p->rule_count++;
	return 0;
}

static int apply_event(const struct purge_rules *rules, const struct ssf_set *set,
		       const char *event_uri, const json_t *event, struct purge_plan *p,
		       struct ssf_err *err)
{
	const struct ssf_event_type *type = ssf_event_by_uri(event_uri);
	const struct key_template_values values = {
		.sub_id = set->sub_id,
		.event = event,
		.jti = set->jti,
		.iat = set->iat,
	};

	if (type != NULL && type->control)
		return 0;
	for (size_t i = 0; i < rules->count; i++) {
		struct ssf_err why;

		if (!rule_matches(&rules->list[i], event_uri, set->sub_id) ||
		    apply_rule(&rules->list[i], &values, p, &why) == 0)
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

int purge_plan_make(const struct purge_rules *rules, const struct ssf_set *set,
		    struct purge_plan *out, struct ssf_err *err)
{
	struct purge_plan p = { 0 };
	const char *uri;
	json_t *event;

	json_object_foreach((json_t *)set->events, uri, event) {
		if (apply_event(rules, set, uri, event, &p, err) < 0) {
			purge_plan_done(&p);
			return -1;
		}
	}
	*out = p;
	return 0;
}

void purge_plan_done(struct purge_plan *p)
{
	static const struct purge_plan empty;

	plan_truncate(p, &empty);
	free(p->keys.list);
	free(p->index_sets.list);
	free(p->patterns.list);
	free(p->marks);
	*p = empty;
}
