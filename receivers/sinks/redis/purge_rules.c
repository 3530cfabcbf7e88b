/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/sinks/redis/purge_rules.h"

#include "lib/ssf/attr.h"
#include "receivers/lib/config_reader.h"

#include <stdlib.h>

#define TTL_MAX_S (INT64_C(10) * 366 * 86400)
#define LIST_MAX 1000 /* the limit on templates of all rules is lower */

static int out_of_memory(struct ssf_diagnostic *diag)
{
	return ssf_fail(&diag->err, SSF_E_NOMEM, "out of memory");
}

static int parse_template(struct purge_rules *rules, const json_t *value,
			  const struct ssf_json_path *at, struct ssf_diagnostic *diag,
			  struct key_template **out)
{
	struct ssf_str text = { json_string_value(value), json_string_length(value) };
	struct ssf_err why;

	if (!json_is_string(value))
		return ssf_diagnose(diag, at, "a template must be a string");
	if (++rules->template_count > PURGE_RULES_TEMPLATES_MAX)
		return ssf_diagnose(diag, at, "more than %d templates in all rules",
				    PURGE_RULES_TEMPLATES_MAX);
	if (key_template_parse(text, out, &why) < 0)
		return ssf_diagnose_err(diag, at, &why);
	return 0;
}

static int parse_templates(struct purge_rules *rules, const struct config_object *rule,
			   const char *key, struct purge_templates *out)
{
	const json_t *list = NULL, *value;
	size_t i;

	if (config_reader_opt_array(rule, key, LIST_MAX, "templates", &list) < 0)
		return -1;
	if (list == NULL)
		return 0;
	out->list = calloc(json_array_size(list), sizeof(out->list[0]));
	if (out->list == NULL)
		return out_of_memory(rule->diag);
	json_array_foreach(list, i, value) {
		if (parse_template(rules, value, SSF_JSON_ELEMENT(SSF_JSON_MEMBER(rule->at, key),
								  i), rule->diag,
				   &out->list[i]) < 0)
			return -1;
		out->count++;
	}
	return 0;
}

static int parse_mark(struct purge_rules *rules, const struct config_object *mark,
		      struct purge_mark_rule *out)
{
	static const char *const names[] = { "key", "value", "ttl_s", NULL };

	if (config_reader_object(mark, "set", names) < 0 ||
	    parse_template(rules, json_object_get(mark->value, "key"),
			   SSF_JSON_MEMBER(mark->at, "key"), mark->diag, &out->key) < 0 ||
	    parse_template(rules, json_object_get(mark->value, "value"),
			   SSF_JSON_MEMBER(mark->at, "value"), mark->diag, &out->value) < 0)
		return -1;
	if (json_object_get(mark->value, "ttl_s") == NULL)
		return ssf_diagnose(mark->diag, mark->at, "ttl_s is missing");
	return config_reader_opt_int(mark, "ttl_s", 1, TTL_MAX_S, &out->ttl_s);
}

static int parse_marks(struct purge_rules *rules, const struct config_object *rule,
		       struct purge_rule *out)
{
	const json_t *list = NULL, *value;
	size_t i;

	if (config_reader_opt_array(rule, "set", LIST_MAX, "objects", &list) < 0)
		return -1;
	if (list == NULL)
		return 0;
	out->marks = calloc(json_array_size(list), sizeof(out->marks[0]));
	if (out->marks == NULL)
		return out_of_memory(rule->diag);
	json_array_foreach(list, i, value) {
		const struct config_object mark = {
			value, SSF_JSON_ELEMENT(SSF_JSON_MEMBER(rule->at, "set"), i), rule->diag
		};

		out->mark_count++; /* purge_rules_done() releases an unfinished one */
		if (parse_mark(rules, &mark, &out->marks[i]) < 0)
			return -1;
	}
	return 0;
}

static int parse_events(const struct config_object *rule, struct purge_rule *out)
{
	const struct ssf_json_path *at = SSF_JSON_MEMBER(rule->at, "events");
	const json_t *value;
	size_t i;

	if (config_reader_opt_array(rule, "events", LIST_MAX, "event type URIs", &out->events) < 0)
		return -1;
	json_array_foreach(out->events, i, value) {
		if (!json_is_string(value))
			return ssf_diagnose(rule->diag, SSF_JSON_ELEMENT(at, i),
					    "an event type must be a string");
	}
	return 0;
}

static int parse_rule(struct purge_rules *rules, const struct config_object *rule,
		      struct purge_rule *out)
{
	static const char *const names[] = { "events", "subject", "keys", "index_sets", "patterns",
					     "set", NULL };

	if (config_reader_object(rule, "purge", names) < 0 || parse_events(rule, out) < 0)
		return -1;
	out->subject = json_object_get(rule->value, "subject");
	if (out->subject != NULL && !json_is_object(out->subject))
		return ssf_diagnose_member(rule->diag, rule->at, "subject",
					   "subject must be an object");
	if (parse_templates(rules, rule, "keys", &out->keys) < 0 ||
	    parse_templates(rules, rule, "index_sets", &out->index_sets) < 0 ||
	    parse_templates(rules, rule, "patterns", &out->patterns) < 0 ||
	    parse_marks(rules, rule, out) < 0)
		return -1;
	if (out->keys.count + out->index_sets.count + out->patterns.count + out->mark_count == 0)
		return ssf_diagnose(rule->diag, rule->at,
				    "a rule needs keys, index_sets, patterns or set");
	return 0;
}

int purge_rules_parse(const json_t *value, const struct ssf_json_path *at,
		      struct ssf_diagnostic *diag, struct purge_rules *out)
{
	const json_t *one;
	size_t i;

	*out = (struct purge_rules){ .list = NULL };
	if (json_array_size(value) == 0 || json_array_size(value) > PURGE_RULES_MAX)
		return ssf_diagnose(diag, at, "purge must be an array of 1 to %d rules",
				    PURGE_RULES_MAX);
	out->list = calloc(json_array_size(value), sizeof(out->list[0]));
	if (out->list == NULL)
		return out_of_memory(diag);
	json_array_foreach(value, i, one) {
		const struct config_object rule = { one, SSF_JSON_ELEMENT(at, i), diag };

		out->count++;
		if (parse_rule(out, &rule, &out->list[i]) < 0)
			return -1;
	}
	return 0;
}

static void templates_done(struct purge_templates *t)
{
	for (size_t i = 0; i < t->count; i++)
		key_template_free(t->list[i]);
	free(t->list);
}

void purge_rules_done(struct purge_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct purge_rule *rule = &rules->list[i];

		templates_done(&rule->keys);
		templates_done(&rule->index_sets);
		templates_done(&rule->patterns);
		for (size_t k = 0; k < rule->mark_count; k++) {
			key_template_free(rule->marks[k].key);
			key_template_free(rule->marks[k].value);
		}
		free(rule->marks);
	}
	free(rules->list);
	*rules = (struct purge_rules){ .list = NULL };
}
