/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule language, HRL v1 (docs/reference/rules.md): a rule file is compiled once and matched
 * against event documents. Pure: no I/O, no clock, no registry; the caller joins what rules may
 * refer to into the document. Compiled files are immutable and reference counted.
 */
#pragma once

#include "hub/rules/rule.h"
#include "lib/ssf/attr.h"

#define RULE_FILE_MAX (1024 * 1024) /* bytes */

struct rule_file;

/*
 * Compiles the text of a rule file (comments and trailing commas are allowed). The diagnostic of
 * an error has line, column and path; its message names the rule. Errors are syntax, unknown
 * keys, parts of the language that this version does not run, wrong types, limits (256 rules,
 * pattern depth 16, 1,000 alternatives, 256 $or branches), duplicate ids, actions without what
 * they need.
 */
ssf_nodiscard int rule_file_compile(struct ssf_str text, struct rule_file **out,
				    struct ssf_diagnostic *diag);
struct rule_file *rule_file_ref(struct rule_file *f);
void rule_file_free(struct rule_file *f);
SSF_DEFINE_AUTO(rule_file)

size_t rule_file_count(const struct rule_file *f);
const struct rule *rule_file_at(const struct rule_file *f, size_t i);
const char *rule_file_digest(const struct rule_file *f); /* hex SHA-256 of the text */
