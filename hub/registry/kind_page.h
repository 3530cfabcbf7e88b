/* SPDX-License-Identifier: Apache-2.0 */
/* docs/reference/resources.md, made from the descriptions of the kinds. */
#pragma once

#include "hub/registry/kinds/kind.h"
#include "lib/ssf/buf.h"

/* Appends the whole page. A failed buffer says that there was no memory. */
void kind_page_write(struct ssf_buf *out);

/*
 * What a member takes, in words: "text", "one of a, b", "id of a person", "secret, stored sealed". For the page and for
 * the help of the command line.
 */
void kind_page_type(const struct kind_member *m, struct ssf_buf *out);
/* What a rule says: "Exactly one of jwks and jwks_url." */
void kind_page_rule(const struct kind_rule *rule, struct ssf_buf *out);
