/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files: what compiles and to what, what is refused and where, why a rule matches. */
#include "tests/unit/ssf/support.h"

#include "hub/rules/rule_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rule_file *compile(const char *text)
{
	struct ssf_diagnostic diag;
	struct rule_file *f;

	if (rule_file_compile(ssf_str_c(text), &f, &diag) < 0)
		fail_msg("%u:%u %s: %s", diag.line, diag.column, diag.path, diag.err.msg);
	return f;
}

static void refuse(const char *text, const char *error)
{
	struct rule_file *f = NULL;
	struct ssf_diagnostic diag;
	struct ssf_err err;

	if (rule_file_compile(ssf_str_c(text), &f, &diag) == 0)
		fail_msg("compiled: %s", text);
	assert_int_equal(ssf_diagnostic_err(&diag, &err), -1);
	if (strcmp(err.msg, error) != 0)
		fail_msg("got \"%s\", wanted \"%s\" of\n%s", err.msg, error, text);
	assert_null(f);
}

/* --- what compiles --------------------------------------------------------------------------- */

static const char full[] =
	"{ \"hrl\": 1, // a comment\n"
	"  \"defaults\": { \"mode\": \"dry-run\", \"severity\": \"low\", },\n"
	"  \"rules\": [\n"
	"    { \"id\": \"all.keys\", \"title\": \"T\", \"description\": \"D\", \"owner\": \"soc\",\n"
	"      \"runbook\": \"https://wiki.example/r\", \"tags\": [\"a\"], \"mode\": \"enforce\",\n"
	"      \"severity\": \"critical\", \"risk\": 99, \"on\": [\"a.b\", \"x.*\"],\n"
	"      \"match\": { \"detail\": { \"n\": [1] } },\n"
	"      \"actions\": [\n"
	"        { \"revoke\": \"token\", \"target\": \"${detail.jti}\", \"until\": \"24h\",\n"
	"          \"reason\": \"R\" },\n"
	"        { \"suspend\": \"${$agent.id}\" },\n"
	"        { \"emit\": \"caep:session-revoked\", \"subject\": \"agent\" },\n"
	"        { \"emit\": \"risc:account-disabled\", \"claims\": { \"x\": \"${type}\" },\n"
	"          \"subject\": { \"format\": \"opaque\", \"id\": \"${$agent.id}\" } } ],\n"
	"      \"tests\": [ { \"name\": \"not run yet\" } ] },\n"
	"    /* by the defaults */\n"
	"    { \"id\": \"few\", \"title\": \"F\", \"on\": [\"a.b\"],\n"
	"      \"actions\": [ { \"revoke\": \"agent\", \"target\": \"x\" } ] },\n"
	"  ] }\n";

static void compiled_rules(void **state)
{
	ssf_auto(rule_file) f = compile(full);
	char digest[SSF_SHA256_HEX];

	(void)state;
	ssf_sha256_hex(ssf_str_c(full), digest);
	assert_string_equal(rule_file_digest(f), digest);
	assert_int_equal(rule_file_count(f), 2);

	const struct rule *r = rule_file_at(f, 0);
	assert_string_equal(r->id, "all.keys");
	assert_string_equal(r->title, "T");
	assert_string_equal(r->severity, "critical");
	assert_int_equal(r->mode, RULE_ENFORCE);
	assert_int_equal(r->action_count, 4);
	static const char *const actions[] = { "revoke", "suspend", "emit", "emit" };
	for (size_t i = 0; i < r->action_count; i++)
		assert_string_equal(r->actions[i].type->name, actions[i]);

	r = rule_file_at(f, 1);
	assert_int_equal(r->mode, RULE_DRY_RUN);
	assert_string_equal(r->severity, "low");
}

static void wants(void **state)
{
	ssf_auto(rule_file) f = compile(full);

	(void)state;
	assert_true(rule_wants(rule_file_at(f, 0), "a.b"));
	assert_true(rule_wants(rule_file_at(f, 0), "x.y"));
	assert_true(rule_wants(rule_file_at(f, 0), "x.y.z"));
	assert_false(rule_wants(rule_file_at(f, 0), "a.b.c"));
	assert_false(rule_wants(rule_file_at(f, 0), "x"));
	assert_false(rule_wants(rule_file_at(f, 0), "xx.y"));
	assert_false(rule_wants(rule_file_at(f, 0), ""));
	assert_false(rule_wants(rule_file_at(f, 1), "x.y"));
}

static void references(void **state)
{
	struct rule_file *f = compile(full);
	struct rule_file *again = rule_file_ref(f);

	(void)state;
	assert_ptr_equal(f, again);
	rule_file_free(f);
	assert_string_equal(rule_file_at(again, 0)->id, "all.keys");
	rule_file_free(again);
	rule_file_free(NULL);
}

/* --- what is refused ------------------------------------------------------------------------- */

struct refusal {
	const char *text;
	const char *error;
};

static void refuse_all(const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		refuse(cases[i].text, cases[i].error);
}

static void refused_files(void **state)
{
	static const struct refusal cases[] = {
		{ "", "1:1: empty" },
		{ "// only a comment\n", "2:1: ends too early" },
		{ "[]", "1:1: a rule file is an object" },
		{ "\n\n  {}", "3:3: the file needs \"hrl\": 1" },
		{ "{\n  \"hrl\": 2, \"rules\": [] }", "2:10: the file needs \"hrl\": 1" },
		{ "{\"hrl\":1}", "1:1: the file needs \"rules\"" },
		{ "{\"hrl\":1,\n\"rules\":{}}", "2:9: \"rules\" takes an array of rules" },
		{ "{\"hrl\":1,\"rules\":[]}", "1:18: \"rules\" takes an array of rules" },
		{ "{\"hrl\":1,\"rule\":[]}", "1:17: unknown key \"rule\"" },
		{ "{\"hrl\":1,\n \"lists\": {\"a\":[1]},\"rules\":[]}",
		  "2:11: \"lists\" is not supported by this version" },
		{ "{\"hrl\":1,\"defaults\":[],\"rules\":[]}", "1:21: \"defaults\" takes an object" },
		{ "{\"hrl\":1,\"defaults\":{\"mode\":\"on\"},\"rules\":[]}",
		  "1:29: \"mode\" takes one of \"off\", \"dry-run\", \"enforce\"" },
		{ "{\"hrl\":1,\"defaults\":{\"severity\":1},\"rules\":[]}",
		  "1:33: \"severity\" takes one of \"info\", \"low\", \"medium\", \"high\", \"critical\"" },
		{ "{\"hrl\":1,\"defaults\":{\"suppress\":{}},\"rules\":[]}",
		  "1:33: \"suppress\" is not supported by this version" },
		{ "{\"hrl\":1,\"defaults\":{\"owner\":\"x\"},\"rules\":[]}",
		  "1:30: \"owner\" is not supported by this version" },
		{ "{\"hrl\":1,\"defaults\":{\"id\":\"x\"},\"rules\":[]}",
		  "1:27: unknown key \"id\"" },
		{ "{\"hrl\":1,\"rules\":[1]}", "1:19: rule #1: a rule is an object" },
		/* syntax */
		{ "{\"hrl\":1,\n\"rules\":[}\n", "2:10: not JSON" },
		{ "{\"hrl\":1,\n\"rules\":[", "2:9: ends too early" },
		{ "{\"hrl\":1,\n\"hrl\":1}", "2:5: a member appears twice" },
		{ "{\"hrl\":1} x", "1:11: text after the end" },
		{ "{\"hrl\":1,\n /* open", "2:2: not JSON" },
		{ "{\"hrl\":1,,}", "1:10: not JSON" },
		{ "{\"a\":\"\\u0000\"}", "1:13: a string contains NUL" },
		/* UTF-8, also where it is not JSON */
		{ "{\"hrl\":1,\n \"\xff\":1}", "2:3: not UTF-8" },
		{ "{}\n// caf\xc3\xa9 \xc3", "2:10: not UTF-8" },
		{ "// \xed\xa0\x80", "1:4: not UTF-8" },
	};

	(void)state;
	refuse_all(cases, SSF_ARRAY_SIZE(cases));
}

/* A file with one rule, on lines of their own: what the tests below change. */
#define FILE_OF(rule) "{\"hrl\":1,\"rules\":[\n" rule "\n]}"
#define HEAD "{\"id\":\"r.1\",\"title\":\"T\",\"mode\":\"off\",\"severity\":\"low\","
#define ON "\"on\":[\"a\"],"
#define ACTIONS "\"actions\":[{\"suspend\":\"x\"}]"

static void refused_rules(void **state)
{
	static const struct refusal cases[] = {
		{ FILE_OF("{}"), "2:1: rule #1: \"id\" takes 3 to 64 of a-z 0-9 . _ -, a letter first" },
		{ FILE_OF("{\"id\":\"Ab1\"}"),
		  "2:7: rule #1: \"id\" takes 3 to 64 of a-z 0-9 . _ -, a letter first" },
		{ FILE_OF("{\"id\":\"ab\"}"),
		  "2:7: rule #1: \"id\" takes 3 to 64 of a-z 0-9 . _ -, a letter first" },
		{ FILE_OF("{\"id\":7}"),
		  "2:7: rule #1: \"id\" takes 3 to 64 of a-z 0-9 . _ -, a letter first" },
		{ FILE_OF("{\"id\":\"r.1\",\n  \"colour\": \"red\"}"),
		  "3:13: rule r.1: unknown key \"colour\"" },
		{ FILE_OF("{\"id\":\"r.1\",\"title\":\"a\",\"title\":\"b\"}"),
		  "2:31: a member appears twice" },
		{ FILE_OF(HEAD "\"unless\":{}}"),
		  "2:64: rule r.1: \"unless\" is not supported by this version" },
		{ FILE_OF(HEAD "\"state\":{}}"),
		  "2:63: rule r.1: \"state\" is not supported by this version" },
		{ FILE_OF(HEAD "\n\"suppress\":{}}"),
		  "3:12: rule r.1: \"suppress\" is not supported by this version" },
		{ FILE_OF(HEAD "\n\"limits\":{}}"),
		  "3:10: rule r.1: \"limits\" is not supported by this version" },
		{ FILE_OF("{\"id\":\"r.1\"}"), "2:1: rule r.1: the rule needs \"title\"" },
		{ FILE_OF("{\"id\":\"r.1\",\"title\":[]}"), "2:21: rule r.1: \"title\" takes a text" },
		{ FILE_OF(HEAD "\n\"owner\":\"\"}"), "3:9: rule r.1: \"owner\" takes a text" },
		{ FILE_OF(HEAD "\n\"tags\":\"x\"}"),
		  "3:8: rule r.1: \"tags\" takes an array of strings" },
		{ FILE_OF(HEAD "\n\"tags\":[\"x\",\n1]}"),
		  "4:1: rule r.1: \"tags\" takes an array of strings" },
		{ FILE_OF("{\"id\":\"r.1\",\"title\":\"T\",\"severity\":\"low\"}"),
		  "2:1: rule r.1: the rule needs \"mode\", here or in \"defaults\"" },
		{ FILE_OF("{\"id\":\"r.1\",\"title\":\"T\",\"mode\":\"off\"}"),
		  "2:1: rule r.1: the rule needs \"severity\", here or in \"defaults\"" },
		{ FILE_OF("{\"id\":\"r.1\",\"title\":\"T\",\"mode\":\"Enforce\"}"),
		  "2:32: rule r.1: \"mode\" takes one of \"off\", \"dry-run\", \"enforce\"" },
		{ FILE_OF(HEAD "\n\"risk\":101}"),
		  "3:8: rule r.1: \"risk\" takes an integer from 0 to 100" },
		{ FILE_OF(HEAD "\n\"risk\":1.5}"),
		  "3:8: rule r.1: \"risk\" takes an integer from 0 to 100" },
		{ FILE_OF(HEAD ACTIONS "}"), "2:1: rule r.1: the rule needs \"on\"" },
		{ FILE_OF(HEAD "\n\"on\":\"a\"}"), "3:6: rule r.1: \"on\" takes an array of event types" },
		{ FILE_OF(HEAD "\n\"on\":[]}"), "3:6: rule r.1: \"on\" takes an array of event types" },
		{ FILE_OF(HEAD "\n\"on\":[\"a\",5]}"),
		  "3:11: rule r.1: an event type is a string of 1 to 256 bytes" },
		{ FILE_OF(HEAD "\n\"on\":[\"*\"]}"),
		  "3:7: rule r.1: \"*\" stands only at the end, behind a dot: \"agent.*\"" },
		{ FILE_OF(HEAD "\n\"on\":[\".*\"]}"),
		  "3:7: rule r.1: \"*\" stands only at the end, behind a dot: \"agent.*\"" },
		{ FILE_OF(HEAD "\n\"on\":[\"a.*.b\"]}"),
		  "3:7: rule r.1: \"*\" stands only at the end, behind a dot: \"agent.*\"" },
		{ FILE_OF(HEAD "\n\"on\":[\"a*\"]}"),
		  "3:7: rule r.1: \"*\" stands only at the end, behind a dot: \"agent.*\"" },
		{ FILE_OF(HEAD "\n\"on\":[\"caep:session-revoked\"]}"),
		  "3:7: rule r.1: events that come in are named by their URI here" },
		{ FILE_OF(HEAD ON "\"tests\":[]}"), "2:1: rule r.1: the rule needs \"actions\"" },
		{ FILE_OF(HEAD ON "\n\"actions\":[]}"),
		  "3:11: rule r.1: \"actions\" takes an array of actions" },
		{ FILE_OF(HEAD ON ACTIONS ",\n\"tests\":{}}"),
		  "3:9: rule r.1: \"tests\" takes an array of objects" },
		{ FILE_OF(HEAD ON ACTIONS ",\n\"tests\":[{},[]]}"),
		  "3:13: rule r.1: a test is an object" },
		{ FILE_OF(HEAD ON ACTIONS "},\n" HEAD ON ACTIONS "}"),
		  "3:7: rule r.1: another rule has this id" },
	};

	(void)state;
	refuse_all(cases, SSF_ARRAY_SIZE(cases));
}

static void refused_patterns(void **state)
{
#define MATCH(pattern) FILE_OF(HEAD ON ACTIONS ",\n\"match\":" pattern "}")
	static const struct refusal cases[] = {
		{ MATCH("{}"), "3:9: rule r.1: an empty pattern" },
		{ MATCH("[]"), "3:9: rule r.1: a pattern is an object" },
		{ MATCH("null"), "3:9: rule r.1: a pattern is an object" },
		{ MATCH("{\"a\":\n {\"b\":  []}}"),
		  "4:9: rule r.1: no alternatives: this would match nothing" },
		{ MATCH("{\"a\":[1,\n  // an operator\n  {\"numeric\": [\"=\",1]}]}"),
		  "5:15: rule r.1: \"numeric\" is not supported by this version" },
		{ MATCH("{\"a\":[{\"wildcard\":\"*\"}]}"),
		  "3:27: rule r.1: \"wildcard\" is not supported by this version" },
		{ MATCH("{\"a\":[{\"in\":[1]}]}"),
		  "3:21: rule r.1: \"in\" is not supported by this version" },
		{ MATCH("{\"a\":[{\"regex\":\"x\"}]}"), "3:24: rule r.1: unknown operator \"regex\"" },
		{ MATCH("{\"a/b\":{\"~\":[{\"regex\":\"x\"}]}}"),
		  "3:31: rule r.1: unknown operator \"regex\"" },
		{ MATCH("{\"$or\":[\n{\"suffix\":[1]},{\"a\":[1]}]}"),
		  "4:11: rule r.1: \"suffix\" is an operator: it cannot be a field inside \"$or\"" },
		{ MATCH("{\"$owners\":{\"known\":[true]}}"),
		  "3:20: rule r.1: events have no \"$owners\"" },
		{ MATCH("{\"a\":[1],\"a\":[2]}"), "3:20: a member appears twice" },
	};

	(void)state;
	refuse_all(cases, SSF_ARRAY_SIZE(cases));
}

static void refused_actions(void **state)
{
#define ACTION(action) FILE_OF(HEAD ON "\"actions\":[\n" action "]}")
#define EMIT(event, rest) ACTION("{\"emit\":\"" event "\",\"subject\":\"agent\"" rest "}")
	static const struct refusal cases[] = {
		{ ACTION("7"), "3:1: rule r.1: an action is an object" },
		{ ACTION("{}"), "3:1: rule r.1: an action has \"emit\", \"revoke\" or \"suspend\"" },
		{ ACTION("{\"quarantine\":\"x\"}"),
		  "3:1: rule r.1: an action has \"emit\", \"revoke\" or \"suspend\"" },
		{ ACTION("{\"notify\":\"soc\",\"text\":\"x\"}"),
		  "3:11: rule r.1: \"notify\" is not supported by this version" },
		{ ACTION("{\"alert\":true}"),
		  "3:10: rule r.1: \"alert\" is not supported by this version" },
		{ ACTION("{\"emit\":\"caep:session-ended\",\"subject\":\"agent\"}"),
		  "3:9: rule r.1: unknown event name: take one like \"caep:session-revoked\"" },
		{ ACTION("{\"emit\":null,\"subject\":\"agent\"}"),
		  "3:9: rule r.1: unknown event name: take one like \"caep:session-revoked\"" },
		{ EMIT("ssf:verification", ""),
		  "3:9: rule r.1: \"ssf:verification\" is the stream's own event" },
		{ EMIT("caep:session-revoked", ",\"streams\":\"all\""),
		  "3:60: rule r.1: \"streams\" is not supported by this version" },
		{ EMIT("caep:session-revoked", ",\"txn\":\"all\""), "3:56: rule r.1: unknown key \"txn\"" },
		{ ACTION("{\"emit\":\"caep:session-revoked\"}"),
		  "3:1: rule r.1: the action needs \"subject\"" },
		{ ACTION("{\"emit\":\"caep:session-revoked\",\"subject\":\"owner\"}"),
		  "3:42: rule r.1: \"owner\" is not supported by this version" },
		{ ACTION("{\"emit\":\"caep:session-revoked\",\"subject\":\"me\"}"),
		  "3:42: rule r.1: \"subject\" takes \"agent\" or a subject identifier" },
		{ ACTION("{\"emit\":\"caep:session-revoked\",\"subject\":{\"id\":\"x\"}}"),
		  "3:42: rule r.1: a subject identifier needs \"format\"" },
		{ ACTION("{\"emit\":\"caep:session-revoked\",\"subject\":{\"format\":\"opaque\",\n"
			 "\"id\":\"${$agent.id\"}}"),
		  "4:6: rule r.1: not a ${path} or ${path|default}" },
		{ ACTION("{\"emit\":\"caep:session-revoked\",\"subject\":{\"format\":\"opaque\"}}"),
		  "3:42: rule r.1: id: missing" },
		{ ACTION("{\"emit\":\"caep:session-revoked\",\"subject\":{\"format\":\"complex\",\n"
			 "\"user\":{\"format\":\"account\",\"uri\":\"mailto:x\"}}}"),
		  "3:42: rule r.1: user: uri: does not start with acct:" },
		{ EMIT("risc:identifier-changed", ""),
		  "3:45: rule r.1: format: risc:identifier-changed takes email or phone_number alone" },
		{ ACTION("{\"emit\":\"risc:identifier-recycled\",\"subject\":{\"format\":\"opaque\",\"id\":\"${x}\"}}"),
		  "3:46: rule r.1: format: risc:identifier-recycled takes email or phone_number alone" },
		{ EMIT("caep:session-revoked", ",\"claims\":[]"),
		  "3:59: rule r.1: \"claims\" takes an object" },
		{ EMIT("caep:credential-change", ""),
		  "3:1: rule r.1: caep:credential-change needs \"credential_type\" in \"claims\"" },
		{ EMIT("caep:credential-change", ",\"claims\":{\"credential_type\":\"x\"}"),
		  "3:61: rule r.1: caep:credential-change needs \"change_type\" in \"claims\"" },
		{ EMIT("caep:credential-change",
		       ",\"claims\":{\"credential_type\":\"${x}\",\"change_type\":\"revoked\"}"),
		  "3:61: rule r.1: caep:credential-change: change_type: wrong type or value" },
		{ EMIT("caep:session-revoked", ",\"claims\":{\"reason_admin\":\n{\"en\":[\"${}\"]}}"),
		  "4:8: rule r.1: not a ${path} or ${path|default}" },
		{ EMIT("caep:session-revoked", ",\"claims\":{\"x\":\"${$tool.name}\"}"),
		  "3:64: rule r.1: \"$tool\" is not supported by this version" },
		{ ACTION("{\"revoke\":\"owner-agents\",\"target\":\"x\"}"),
		  "3:11: rule r.1: \"owner-agents\" is not supported by this version" },
		{ ACTION("{\"revoke\":\"session\",\"target\":\"x\"}"),
		  "3:11: rule r.1: \"revoke\" takes \"agent\", \"token\" or \"credential\"" },
		{ ACTION("{\"revoke\":\"agent\"}"), "3:1: rule r.1: the action needs \"target\"" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"\"}"),
		  "3:28: rule r.1: \"target\" takes a text" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"${a b}\"}"),
		  "3:28: rule r.1: not a ${path} or ${path|default}" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"reason\":5}"),
		  "3:41: rule r.1: \"reason\" takes a text" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"why\":5}"),
		  "3:38: rule r.1: unknown key \"why\"" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"until\":3600}"),
		  "3:40: rule r.1: "
		  "\"until\" takes a duration like \"90s\", \"5m\", \"24h\", \"30d\"" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"until\":\"1w\"}"),
		  "3:40: rule r.1: "
		  "\"until\" takes a duration like \"90s\", \"5m\", \"24h\", \"30d\"" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"until\":\"1h30m\"}"),
		  "3:40: rule r.1: "
		  "\"until\" takes a duration like \"90s\", \"5m\", \"24h\", \"30d\"" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"until\":\"0s\"}"),
		  "3:40: rule r.1: \"until\" takes from \"1s\" to \"3650d\"" },
		{ ACTION("{\"revoke\":\"agent\",\"target\":\"x\",\"until\":\"999999999d\"}"),
		  "3:40: rule r.1: \"until\" takes from \"1s\" to \"3650d\"" },
		{ ACTION("{\"suspend\":\"\"}"), "3:12: rule r.1: \"suspend\" takes a text" },
		{ ACTION("{\"suspend\":\"x\",\"until\":\"1d\"}"), "3:24: rule r.1: unknown key \"until\"" },
	};

	(void)state;
	refuse_all(cases, SSF_ARRAY_SIZE(cases));
}

/* Line, column and path are fields; the message does not repeat them. */
static void errors_carry_their_place_in_fields(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *path, *message;
	} cases[] = {
		{ "{\n  \"hrl\": 2 }", 2, 10, "/hrl", "the file needs \"hrl\": 1" },
		{ "{\"hrl\":1}", 1, 1, "", "the file needs \"rules\"" },
		{ FILE_OF(HEAD "\n\"on\":[\"a\",5]}"), 3, 11, "/rules/0/on/1",
		  "rule r.1: an event type is a string of 1 to 256 bytes" },
		{ MATCH("{\"a/b\":{\"~\":[{\"regex\":\"x\"}]}}"), 3, 31,
		  "/rules/0/match/a~1b/~0/0/regex", "rule r.1: unknown operator \"regex\"" },
		{ "{\"hrl\":1,\n\"rules\":[}\n", 2, 10, "", "not JSON" },
		{ "{\"hrl\":1,\n \"\xff\":1}", 2, 3, "", "not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		struct ssf_diagnostic diag;
		struct rule_file *f = NULL;

		assert_int_equal(rule_file_compile(ssf_str_c(cases[i].text), &f, &diag), -1);
		assert_int_equal(diag.line, cases[i].line);
		assert_int_equal(diag.column, cases[i].column);
		assert_string_equal(diag.path, cases[i].path);
		assert_string_equal(diag.err.msg, cases[i].message);
	}
}

/* --- limits ---------------------------------------------------------------------------------- */

static void add(struct ssf_buf *b, const char *text, unsigned times)
{
	while (times-- > 0)
		ssf_buf_adds(b, text);
}

static void size_limit(void **state)
{
	ssf_auto_buf text = SSF_BUF(2 * RULE_FILE_MAX);
	struct rule_file *f = NULL;
	struct ssf_diagnostic diag;

	(void)state;
	ssf_buf_adds(&text, full);
	add(&text, " ", RULE_FILE_MAX - (unsigned)text.len);
	assert_int_equal(rule_file_compile(ssf_buf_str(&text), &f, &diag), 0);
	rule_file_free(f);
	f = NULL;
	ssf_buf_addc(&text, ' ');
	assert_int_equal(rule_file_compile(ssf_buf_str(&text), &f, &diag), -1);
	assert_int_equal(diag.err.code, SSF_E_LIMIT);
	assert_int_equal(diag.line, 1);
	assert_int_equal(diag.column, 1);
	assert_string_equal(diag.err.msg, "larger than 1048576 bytes");
	assert_null(f);
}

static void depth_limits(void **state)
{
	ssf_auto_buf text = SSF_BUF(64 * 1024);

	(void)state;
	ssf_buf_adds(&text, "{\"hrl\":1,\"rules\":[\n" HEAD ON ACTIONS ",\n\"match\":");
	add(&text, "{\"a\":", 17);
	ssf_buf_adds(&text, "[1]");
	add(&text, "}", 17);
	ssf_buf_adds(&text, "}]}");
	refuse(text.ptr, "3:89: rule r.1: nested deeper than 16");

	ssf_buf_reset(&text);
	add(&text, "[", 10000);
	refuse(text.ptr, "1:1: nested deeper than 32");
}

static void count_limits(void **state)
{
	ssf_auto_buf text = SSF_BUF(64 * 1024);

	(void)state;
	ssf_buf_adds(&text, "{\"hrl\":1,\"rules\":[\n" HEAD ON "\n\"actions\":[");
	add(&text, "{\"suspend\":\"x\"},", 33);
	ssf_buf_adds(&text, "]}]}");
	refuse(text.ptr, "3:11: rule r.1: more than 32 actions");

	ssf_buf_reset(&text);
	ssf_buf_adds(&text, "{\"hrl\":1,\"rules\":[\n" HEAD "\n\"on\":[");
	add(&text, "\"a\",", 65);
	ssf_buf_adds(&text, "]}]}");
	refuse(text.ptr, "3:6: rule r.1: more than 64 event types");

	ssf_buf_reset(&text);
	ssf_buf_adds(&text, "{\"hrl\":1,\"rules\":[");
	add(&text, "{},", 257);
	ssf_buf_adds(&text, "]}");
	refuse(text.ptr, "1:18: more than 256 rules");

	ssf_buf_reset(&text);
	ssf_buf_adds(&text, "{\"hrl\":1,\"rules\":[\n" HEAD ON ACTIONS ",\n\"match\":{\"a\":[\n");
	add(&text, "1,", 1001);
	ssf_buf_adds(&text, "]}}]}");
	refuse(text.ptr, "4:2001: rule r.1: more than 1000 alternatives in one pattern");

	ssf_buf_reset(&text);
	ssf_buf_adds(&text, "{\"hrl\":1,\"rules\":[\n" HEAD ON ACTIONS ",\n\"match\":{\"$or\":[");
	add(&text, "{\"a\":[1]},", 257);
	ssf_buf_adds(&text, "]}}]}");
	refuse(text.ptr, "3:16: rule r.1: \"$or\" makes more than 256 branches");
}

/* A key of any length leaves an error that is still UTF-8. */
static void long_names(void **state)
{
	ssf_auto_buf text = SSF_BUF(64 * 1024);
	struct rule_file *f = NULL;
	struct ssf_diagnostic diag;

	(void)state;
	for (unsigned pad = 0; pad < 3; pad++) {
		ssf_buf_reset(&text);
		ssf_buf_adds(&text, "{\"hrl\":1,\"");
		add(&text, "x", pad);
		add(&text, "\xe2\x82\xac", 2000);
		ssf_buf_adds(&text, "\":1}");
		assert_int_equal(rule_file_compile(ssf_buf_str(&text), &f, &diag), -1);
		assert_non_null(strstr(diag.err.msg, "unknown key"));
		assert_true(ssf_utf8_valid(ssf_str_c(diag.err.msg)));
		assert_true(ssf_utf8_valid(ssf_str_c(diag.path)));
		assert_int_equal(diag.column, 9 + 3 + pad + 6000 + 1);
	}
}

/* --- matching -------------------------------------------------------------------------------- */

static void matches(void **state)
{
	ssf_auto(rule_file) f = compile(full);
	static const struct {
		const char *document;
		bool first;
		bool second;
	} cases[] = {
		{ "{\"type\":\"a.b\",\"detail\":{\"n\":1}}", true, true },
		{ "{\"type\":\"x.y\",\"detail\":{\"n\":1}}", true, false },
		{ "{\"type\":\"a.b\",\"detail\":{\"n\":2}}", false, true },
		{ "{\"type\":\"c\",\"detail\":{\"n\":1}}", false, false },
		{ "{\"type\":5,\"detail\":{\"n\":1}}", false, false },
		{ "{\"detail\":{\"n\":1}}", false, false },
		{ "[]", false, false },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *document = support_json(cases[i].document);
		struct ssf_err err;
		bool first = !cases[i].first, second = !cases[i].second;
		assert_int_equal(rule_match(rule_file_at(f, 0), document, &first, NULL, &err), 0);
		assert_int_equal(rule_match(rule_file_at(f, 1), document, &second, NULL, &err), 0);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(second, cases[i].second);
	}
}

static void traces(void **state)
{
	ssf_auto(rule_file) f = compile(
		MATCH("{\"p\":[\"z\",{\"prefix\":\"git\"}],\"q\":[{\"exists\":false}],"
		      "\"o\":[{\"exists\":true}],\"l\":{\"k\":[1],\"m\":[{\"anything-but\":3}]},"
		      "\"$or\":[{\"x.y\":[1],\"w\":[9]},{\"x.y\":[2]}]}"));
	static const char *const documents[] = {
		"{\"type\":\"a\",\"p\":[\"hub\",\"github\"],\"o\":{\"secret\":1},\"x.y\":2,\"w\":9,"
		"\"l\":[{\"k\":1,\"m\":3},{\"k\":1,\"m\":[3,4]}]}",
		"{\"type\":\"a\",\"p\":\"github\",\"o\":1,\"x.y\":1,\"w\":8,\"l\":{\"k\":1,\"m\":4}}",
	};
	static const char *const want[] = {
		"[{\"path\":\"l.k\",\"op\":\"exact\",\"value\":1},"
		"{\"path\":\"l.m\",\"op\":\"anything-but\",\"value\":4},"
		"{\"path\":\"o\",\"op\":\"exists\"},"
		"{\"path\":\"p\",\"op\":\"prefix\",\"value\":\"github\"},"
		"{\"path\":\"q\",\"op\":\"exists\"},"
		"{\"path\":\"x\\\\.y\",\"op\":\"exact\",\"value\":2}]",
		"[]",
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(documents); i++) {
		json_auto_t *document = support_json(documents[i]);
		json_auto_t *expected = support_json(want[i]);
		json_auto_t *trace = json_array();
		struct ssf_err err;
		bool matched;
		assert_int_equal(rule_match(rule_file_at(f, 0), document, &matched, trace, &err), 0);
		assert_int_equal(matched, i == 0);
		if (!json_equal(trace, expected)) {
			ssf_auto_free char *got = json_dumps(trace, JSON_COMPACT);
			fail_msg("%s", got);
		}
	}
}

/* --- the rules that come with the hub -------------------------------------------------------- */

/* In the order of the file: credential revoked, agent revoked, suspended outside production. */
static void shipped_rules(void **state)
{
	ssf_auto_free char *text = support_vector("../../examples/rules/leaked-secret.rules.json");
	ssf_auto(rule_file) f = compile(text);
	static const struct {
		const char *document;
		const char *want;
	} cases[] = {
		{ "{\"type\":\"secret.leaked\",\"detail\":{\"provider\":\"github\",\"validity\":\"active\"},"
		  "\"$agent\":{\"known\":true,\"id\":\"agent:a\",\"environment\":\"prod\"},"
		  "\"$credential\":{\"known\":true,\"id\":\"c\"}}", "ca-" },
		{ "{\"type\":\"secret.leaked\",\"detail\":{\"provider\":\"github\"},"
		  "\"$agent\":{\"known\":true,\"id\":\"agent:a\",\"environment\":\"dev\"},"
		  "\"$credential\":{\"known\":false}}", "-as" },
		{ "{\"type\":\"secret.leaked\",\"detail\":{\"provider\":\"github\",\"validity\":\"unknown\"},"
		  "\"$agent\":{\"known\":true,\"id\":\"agent:a\"},"
		  "\"$credential\":{\"known\":true,\"id\":\"c\"}}", "ca-" },
		{ "{\"type\":\"secret.leaked\",\"detail\":{\"validity\":\"inactive\"},"
		  "\"$agent\":{\"known\":true,\"id\":\"agent:a\",\"environment\":\"dev\"},"
		  "\"$credential\":{\"known\":true,\"id\":\"c\"}}", "---" },
		{ "{\"type\":\"secret.leaked\",\"detail\":{\"validity\":\"active\"},"
		  "\"$agent\":{\"known\":false},\"$credential\":{\"known\":false}}", "---" },
		{ "{\"type\":\"secret.found\",\"detail\":{\"validity\":\"active\"},"
		  "\"$agent\":{\"known\":true},\"$credential\":{\"known\":true}}", "---" },
	};

	(void)state;
	assert_int_equal(rule_file_count(f), 3);
	assert_int_equal(rule_file_at(f, 0)->mode, RULE_ENFORCE);
	assert_int_equal(rule_file_at(f, 1)->mode, RULE_ENFORCE);
	assert_int_equal(rule_file_at(f, 2)->mode, RULE_DRY_RUN);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		json_auto_t *document = support_json(cases[i].document);
		struct ssf_err err;
		char got[4] = "---";
		for (size_t k = 0; k < 3; k++) {
			bool matched;
			assert_int_equal(rule_match(rule_file_at(f, k), document, &matched, NULL, &err), 0);
			if (matched)
				got[k] = "cas"[k];
		}
		assert_string_equal(got, cases[i].want);
	}
}

/* What the actions of a rule lead to, one line each. */
static int note_event(void *arg, const char *uri, json_t *subject, json_t *claims,
		      struct ssf_err *err)
{
	(void)err;
	assert_string_equal(json_string_value(json_object_get(subject, "sub")), "agent:a");
	assert_non_null(json_object_get(claims, "reason_admin"));
	return ssf_buf_addf(arg, "emit %s\n", strrchr(uri, '/') + 1);
}

static int note_revocation(void *arg, const struct action_revocation *r, struct ssf_err *err)
{
	(void)err;
	return ssf_buf_addf(arg, "%s %s %s\n", r->effect, r->target_kind, r->target);
}

/* Everything that a shipped rule does can be done whenever the rule matches. */
static void shipped_actions(void **state)
{
	ssf_auto_free char *text = support_vector("../../examples/rules/leaked-secret.rules.json");
	ssf_auto(rule_file) f = compile(text);
	static const char least[] =
		"{\"type\":\"secret.leaked\",\"detail\":{},"
		"\"$agent\":{\"known\":true,\"id\":\"agent:a\"},"
		"\"$credential\":{\"known\":true,\"id\":\"cred-1\"}}";
	static const char *const want[] = {
		"revoke credential cred-1\n",
		("revoke agent agent:a\nemit session-revoked\nemit credential-change\n"
		 "emit credential-compromise\n"),
		"suspend agent agent:a\n",
	};
	json_auto_t *document = support_json(least);

	(void)state;
	assert_string_equal(rule_file_at(f, 1)->id, "secret.leaked-known-agent");
	for (size_t i = 0; i < rule_file_count(f); i++) {
		const struct rule *r = rule_file_at(f, i);
		ssf_auto_buf got = SSF_BUF(1024);
		const struct action_sink sink = { note_event, note_revocation, &got };
		const struct action_context c = { .rule_id = r->id, .rule_title = r->title,
						  .document = document,
						  .issuer = "https://hub.example",
						  .agent_id = "agent:a" };
		for (size_t k = 0; k < r->action_count; k++) {
			json_auto_t *record = json_object();
			struct ssf_err err;
			if (action_run(&r->actions[k], &c, &sink, record, &err) < 0)
				fail_msg("%s", err.msg);
		}
		assert_string_equal(got.ptr, want[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiled_rules),
		cmocka_unit_test(wants),
		cmocka_unit_test(references),
		cmocka_unit_test(refused_files),
		cmocka_unit_test(refused_rules),
		cmocka_unit_test(refused_patterns),
		cmocka_unit_test(refused_actions),
		cmocka_unit_test(errors_carry_their_place_in_fields),
		cmocka_unit_test(size_limit),
		cmocka_unit_test(depth_limits),
		cmocka_unit_test(count_limits),
		cmocka_unit_test(long_names),
		cmocka_unit_test(matches),
		cmocka_unit_test(traces),
		cmocka_unit_test(shipped_rules),
		cmocka_unit_test(shipped_actions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
