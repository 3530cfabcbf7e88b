/* SPDX-License-Identifier: Apache-2.0 */
#include "receivers/ssf-receive/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HUB "\"hub\":{\"issuer\":\"https://hub.example\"},\"audience\":\"https://api.example\""
#define PUSH "\"push\":{\"listen\":\"127.0.0.1:0\",\"path\":\"/events\"}"
#define POLL "\"poll\":{\"url\":\"https://hub.example/poll\",\"token_file\":\"/nowhere\"}"
#define REDIS "\"redis\":{\"address\":\"127.0.0.1:6379\"}"
#define PURGE "\"purge\":[{\"keys\":[\"sess:${sub}\"]}]"

static int parse(const char *text, struct config **out, struct ssf_err *err)
{
	ssf_auto_free char *copy = strdup(text);

	assert_non_null(copy);
	return config_parse("f", copy, strlen(copy), out, err);
}

static void a_push_configuration_is_read(void **state)
{
	static const char text[] =
		"// how one writes it\n"
		"{\"hub\":{\"issuer\":\"https://hub.example\",\n"
		"  \"jwks_url\":\"https://hub.example/j\",\"ca_file\":\"/ca.pem\"},\n"
		"\"audience\":\"https://api.example\",\n"
		"\"push\":{\"listen\":\"0.0.0.0:9443\",\"path\":\"/events\",\n"
		"  \"authorization\":\"Bearer x\",\"tls_cert\":\"/c\",\"tls_key\":\"/k\"},\n"
		"\"redis\":{\"address\":\"[::1]:6380\",\"username\":\"u\",\n"
		"  \"password_file\":\"/p\"},\n"
		"\"purge\":[{\"events\":[\"urn:e\"],\"subject\":{\"format\":\"iss_sub\"},\n"
		"  \"keys\":[\"a\",\"b:${sub}\"],\"index_sets\":[\"i:${sub}\"],\n"
		"  \"patterns\":[\"p:*\"],\n"
		"  \"set\":[{\"key\":\"k\",\"value\":\"${iat}\",\"ttl_s\":60}]},\n"
		"  {\"keys\":[\"c\"]}],\n"
		"}\n";
	ssf_auto(config) c = NULL;
	struct ssf_err err = { 0 };

	(void)state;
	assert_int_equal(parse(text, &c, &err), 0);
	assert_string_equal(c->issuer, "https://hub.example");
	assert_string_equal(c->jwks_url, "https://hub.example/j");
	assert_string_equal(c->ca_file, "/ca.pem");
	assert_string_equal(c->audience[0], "https://api.example");
	assert_null(c->audience[1]);
	assert_true(c->has_push);
	assert_string_equal(c->push.listen, "0.0.0.0:9443");
	assert_string_equal(c->push.authorization, "Bearer x");
	assert_string_equal(c->redis.host, "::1");
	assert_int_equal(c->redis.port, 6380);
	assert_string_equal(c->redis.username, "u");
	assert_null(c->redis_password);
	assert_int_equal(c->rules.count, 2);
	assert_int_equal(json_array_size(c->rules.list[0].events), 1);
	assert_non_null(c->rules.list[0].subject);
	assert_int_equal(c->rules.list[0].keys.count, 2);
	assert_int_equal(c->rules.list[0].index_sets.count, 1);
	assert_int_equal(c->rules.list[0].patterns.count, 1);
	assert_int_equal(c->rules.list[0].mark_count, 1);
	assert_int_equal(c->rules.list[0].marks[0].ttl_s, 60);
	assert_null(c->rules.list[1].events);
	assert_null(c->rules.list[1].subject);
}

static void a_poll_configuration_has_defaults(void **state)
{
	ssf_auto(config) c = NULL;
	struct ssf_err err = { 0 };

	(void)state;
	assert_int_equal(parse("{" HUB "," POLL
			       ",\"redis\":{\"address\":\"unix:/run/r.sock\"}," PURGE "}",
			       &c, &err),
			 0);
	assert_false(c->has_push);
	assert_int_equal(c->poll.wait_s, 30);
	assert_int_equal(c->poll.max_events, 100);
	assert_string_equal(c->redis.path, "/run/r.sock");
	assert_null(c->redis.host);
	assert_null(c->jwks_url);
}

static void errors_say_where(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{ "{\n  \"hub\": {\"issuer\":\"https://a\",\n    \"isuer\":1}}",
		  "f:3:13: hub: unknown member \"isuer\"" },
		{ "{" HUB ",\n" PUSH ",\n" REDIS ",\n\"purge\":[{\"keys\":[\"ok\",\n \"${\"]}]}",
		  "f:5:2: template: ${ without }" },
		{ "{" HUB ",\n\"poll\":{\"url\":\"http://hub.example\",\"token_file\":\"/t\"}}",
		  "f:2:15: url must start with https://" },
		{ "{" HUB ",\n" PUSH ",\n\"redis\":{\"address\":\"redis.example:6379\"}}",
		  "f:3:20: address must hold an IP address, not a name" },
		{ "{" HUB "}", "f:1:1: give either push or poll" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto(config) c = NULL;
		struct ssf_err err = { 0 };

		assert_int_equal(parse(cases[i].text, &c, &err), -1);
		assert_string_equal(err.msg, cases[i].want);
	}
}

static void wrong_configurations_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} cases[] = {
		{ "", "" },
		{ "[]", "must be an object" },
		{ "{" HUB "," PUSH "," POLL "," REDIS "," PURGE "}", "either push or poll" },
		{ "{" HUB "," PUSH "," REDIS "," PURGE ",\"extra\":1}",
		  "unknown member \"extra\"" },
		{ "{" HUB "," PUSH "," REDIS "," PURGE ",\"a/b\":1}", "unknown member \"a/b\"" },
		{ "{" HUB "," HUB "," PUSH "," REDIS "," PURGE "}", "" },
		{ "{" PUSH "," REDIS "," PURGE "}", "hub must be an object" },
		{ "{\"hub\":{\"issuer\":\"http://a\"}}", "issuer must start with https://" },
		{ "{\"hub\":{\"issuer\":7}}", "issuer must be a string" },
		{ "{\"hub\":{\"issuer\":\"https://a\"}," PUSH "}", "audience is missing" },
		{ "{" HUB ",\"push\":{\"listen\":\"0.0.0.0:1\",\"path\":\"/\"}}",
		  "tls_cert is needed" },
		{ "{" HUB
		  ",\"push\":{\"listen\":\"127.0.0.1:1\",\"path\":\"/\",\"tls_key\":\"/k\"}}",
		  "belong together" },
		{ "{" HUB ",\"push\":{\"listen\":\"127.0.0.1:1\",\"path\":\"events\"}}",
		  "path must start with /" },
		{ "{" HUB
		  ",\"push\":{\"listen\":\"127.0.0.1:1\",\"path\":\"/\",\"authorization\":\"a\","
		  "\"authorization_file\":\"/f\"}}",
		  "not both" },
		{ "{" HUB ",\"poll\":{\"url\":\"https://a\"}}", "token_file is missing" },
		{ "{" HUB ",\"poll\":{\"url\":\"https://a\",\"token_file\":\"/t\",\"wait_s\":0}}",
		  "wait_s must be an integer from 1 to 300" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"unix:relative\"}}", "absolute path" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"127.0.0.1\"}}", "address must be" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"127.0.0.1:0\"}}", "address must be" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"127.0.0.1:65536\"}}",
		  "address must be" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"127.0.0.1: 1\"}}",
		  "address must be" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"[::1:1\"}}", "address must be" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"[127.0.0.1]:1\"}}", "IP address" },
		{ "{" HUB "," PUSH ",\"redis\":{\"address\":\"127.0.0.1:1\",\"username\":\"u\"}}",
		  "username needs password_file" },
		{ "{" HUB "," PUSH "," REDIS "}", "purge must be an array" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[]}", "purge must be an array" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[{}]}", "a rule needs keys" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[{\"keys\":[]}]}", "not empty" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[{\"keys\":[1]}]}", "must be a string" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[{\"keys\":[\"a\"],\"events\":[1]}]}",
		  "an event type must be a string" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[{\"keys\":[\"a\"],\"subject\":1}]}",
		  "subject must be an object" },
		{ "{" HUB "," PUSH "," REDIS
		  ",\"purge\":[{\"set\":[{\"key\":\"k\",\"value\":\"1\"}]}]}",
		  "ttl_s is missing" },
		{ "{" HUB "," PUSH "," REDIS
		  ",\"purge\":[{\"set\":[{\"key\":\"k\",\"ttl_s\":1}]}]}",
		  "a template must be a string" },
		{ "{" HUB "," PUSH "," REDIS ",\"purge\":[{\"set\":[{\"key\":\"k\",\"value\":\"1\","
		  "\"ttl_s\":0}]}]}",
		  "ttl_s must be an integer" },
	};

	(void)state;
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto(config) c = NULL;
		struct ssf_err err = { 0 };

		assert_int_equal(parse(cases[i].text, &c, &err), -1);
		assert_null(c);
		if (strstr(err.msg, cases[i].part) == NULL)
			fail_msg("case %zu: %s", i, err.msg);
	}
}

static void the_number_of_templates_is_bounded(void **state)
{
	for (int n = PURGE_RULES_TEMPLATES_MAX; n <= PURGE_RULES_TEMPLATES_MAX + 1; n++) {
		ssf_auto(config) c = NULL;
		ssf_auto_buf text;
		struct ssf_err err = { 0 };

		ssf_buf_init(&text, CONFIG_MAX_BYTES);
		ssf_buf_adds(&text, "{" HUB "," PUSH "," REDIS ",\"purge\":[{\"keys\":[\"0\"");
		for (int i = 1; i < n; i++)
			ssf_buf_addf(&text, ",\"%d\"", i);
		ssf_buf_adds(&text, "]}]}");
		assert_false(ssf_buf_failed(&text));
		assert_int_equal(parse(text.ptr, &c, &err), n <= PURGE_RULES_TEMPLATES_MAX ? 0 : -1);
	}
	(void)state;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void secrets_are_read_from_files(void **state)
{
	static const struct {
		const char *secret;
		const char *want; /* NULL: refused */
	} cases[] = {
		{ "t0ken", "t0ken" }, { "t0ken\n", "t0ken" }, { "t0ken\r\n", "t0ken" },
		{ "", NULL },	      { "\n", NULL },	      { "two\nlines\n", NULL },
	};
	char dir[] = "/tmp/test_config.XXXXXX";
	char secret[64];
	char path[64];
	char text[1024];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(secret, sizeof(secret), "%s/token", dir);
	snprintf(path, sizeof(path), "%s/receive.json", dir);
	snprintf(text, sizeof(text),
		 "{" HUB ",\"poll\":{\"url\":\"https://a\",\"token_file\":\"%s\"}," REDIS "," PURGE
		 "}",
		 secret);
	write_file(path, text);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(cases); i++) {
		ssf_auto(config) c = NULL;
		struct ssf_err err = { 0 };

		write_file(secret, cases[i].secret);
		assert_int_equal(config_load(path, &c, &err), cases[i].want != NULL ? 0 : -1);
		if (cases[i].want != NULL)
			assert_string_equal(c->poll.token, cases[i].want);
		else
			assert_non_null(strstr(err.msg, "token_file"));
	}
	unlink(secret);
	struct config *none = NULL;
	struct ssf_err err = { 0 };
	assert_int_equal(config_load(path, &none, &err), -1);
	assert_non_null(strstr(err.msg, "token_file"));
	unlink(path);
	assert_int_equal(config_load(path, &none, &err), -1);
	assert_int_equal(err.code, SSF_E_NOT_FOUND);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_push_configuration_is_read),
		cmocka_unit_test(a_poll_configuration_has_defaults),
		cmocka_unit_test(errors_say_where),
		cmocka_unit_test(wrong_configurations_are_refused),
		cmocka_unit_test(the_number_of_templates_is_bounded),
		cmocka_unit_test(secrets_are_read_from_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
