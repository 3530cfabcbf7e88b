/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that talk to a running hub through its admin API. Where it is and how to get in
 * is read from its data directory (hub.url, ca.pem, admin.token), or given by options.
 */
#include "hub/cli/cli.h"
#include "hub/cli/deadletters.h"
#include "hub/cli/emit.h"
#include "hub/cli/streams.h"

#include "lib/kit/file.h"
#include "lib/http/http_client.h"
#include "lib/kit/settings.h"
#include "lib/ssf/attr.h"

#include <jansson.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (64 * 1024 * 1024)
#define FILE_MAX (4 * 1024 * 1024)
#define OPTIONS_MAX 16

struct options {
	char *data;
	char *url;
	char *token_file;
	char *ca_file;
	/* of one command alone */
	char *subject;
	char *reason;
	char *claims;
	char *txn;
	char *alg;
	bool now;
	char *stream;
	int64_t limit;
	bool all;
	char *to;
};

static const struct setting option_table[] = {
	{ .name = "data", .type = SETTING_STRING, .offset = offsetof(struct options, data), .initial = "ssfhub-data",
	  .min = 0, .max = 0, .help = "The hub's data directory." },
	{ .name = "url", .type = SETTING_STRING, .offset = offsetof(struct options, url), .initial = NULL,
	  .min = 0, .max = 0, .help = "Where the hub is; default: DATA/hub.url." },
	{ .name = "token_file", .type = SETTING_STRING, .offset = offsetof(struct options, token_file), .initial = NULL,
	  .min = 0, .max = 0, .help = "Admin token; default: DATA/admin.token." },
	{ .name = "ca_file", .type = SETTING_STRING, .offset = offsetof(struct options, ca_file), .initial = NULL,
	  .min = 0, .max = 0, .help = "CA of the hub's certificate; default: DATA/ca.pem." },
	{ .name = NULL },
};

static const struct setting emit_options[] = {
	{ .name = "subject", .type = SETTING_STRING, .offset = offsetof(struct options, subject), .initial = NULL,
	  .min = 0, .max = 0, .help = "Whom it is about: a JSON object, or email:ADDRESS, opaque:ID, uri:URI, phone_number:+NUMBER, did:..." },
	{ .name = "reason", .type = SETTING_STRING, .offset = offsetof(struct options, reason), .initial = NULL,
	  .min = 0, .max = 0, .help = "Why, for administrators (reason_admin)." },
	{ .name = "claims", .type = SETTING_STRING, .offset = offsetof(struct options, claims), .initial = NULL,
	  .min = 0, .max = 0, .help = "The event's members, as a JSON object." },
	{ .name = "txn", .type = SETTING_STRING, .offset = offsetof(struct options, txn), .initial = NULL,
	  .min = 0, .max = 0, .help = "What it belongs to; default: a new txn." },
	{ .name = NULL },
};

static const struct setting keys_options[] = {
	{ .name = "alg", .type = SETTING_STRING, .offset = offsetof(struct options, alg), .initial = NULL,
	  .min = 0, .max = 0, .help = "rotate: RS256 or ES256 alone; default: both." },
	{ .name = "now", .type = SETTING_BOOL, .offset = offsetof(struct options, now), .initial = "off",
	  .min = 0, .max = 0, .help = "rotate: the new key signs at once, before receivers know it." },
	{ .name = NULL },
};

static const struct setting deadletters_options[] = {
	{ .name = "stream", .type = SETTING_STRING, .offset = offsetof(struct options, stream), .initial = NULL,
	  .min = 0, .max = 0, .help = "Of this stream alone; default: of all." },
	{ .name = "limit", .type = SETTING_INT, .offset = offsetof(struct options, limit), .initial = "100",
	  .min = 1, .max = 1000000, .help = "At most so many." },
	{ .name = "all", .type = SETTING_BOOL, .offset = offsetof(struct options, all), .initial = "off",
	  .min = 0, .max = 0, .help = "redrive: all of the stream, the oldest first." },
	{ .name = NULL },
};

static const struct setting streams_options[] = {
	{ .name = "to", .type = SETTING_STRING, .offset = offsetof(struct options, to), .initial = NULL,
	  .min = 0, .max = 0, .help = "rewind: the first event to be read again, or a time: 2026-11-25T04:00:00Z." },
	{ .name = NULL },
};

/* Which command has options of its own: not in the environment, and refused by the others. */
static const struct own_options {
	const char *command;
	const struct setting *table;
} own_options[] = {
	{ "emit", emit_options },
	{ "keys", keys_options },
	{ "deadletters", deadletters_options },
	{ "streams", streams_options },
};

/* One request and its answer. */
struct exchange {
	struct options options;
	struct loop *loop;
	struct ssf_buf body;
	int status;
	bool failed;
	struct ssf_err err;
};

/* --- asking --------------------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct http_result *r, const struct ssf_err *err)
{
	struct exchange *x = arg;

	if (err != NULL) {
		x->failed = true;
		x->err = *err;
	} else {
		x->status = r->status;
		ssf_buf_add(&x->body, r->body.ptr, r->body.len);
	}
	loop_stop(x->loop);
}

/* A file's text without the blanks at its end. */
static int read_line(const char *given, const char *dir, const char *name, const char *prefix,
		     struct ssf_buf *out, struct ssf_err *err)
{
	ssf_auto_free char *path = given != NULL ? strdup(given) : file_join(dir, name);

	if (path == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "%s", name);
	ssf_buf_adds(out, prefix);
	if (file_read(path, out, err) < 0)
		return ssf_fail_prefix(err, "is this the hub's data directory?");
	while (out->len > 0 && (unsigned char)out->ptr[out->len - 1] <= ' ')
		out->ptr[--out->len] = '\0';
	return 0;
}

static int send_request(struct exchange *x, const char *method, const char *path, struct ssf_str body,
			struct ssf_err *err)
{
	ssf_auto_free char *ca = x->options.ca_file != NULL ? strdup(x->options.ca_file) :
							      file_join(x->options.data, "ca.pem");
	ssf_auto_buf url = SSF_BUF(4096);
	ssf_auto_buf authorization = SSF_BUF(4096);
	struct ca_store *trust = NULL;
	struct http_client *client = NULL;
	struct http_call *call;
	int r = -1;

	if (x->options.url != NULL)
		ssf_buf_adds(&url, x->options.url);
	else if (read_line(NULL, x->options.data, "hub.url", "", &url, err) < 0)
		return -1;
	ssf_buf_adds(&url, path);
	if (read_line(x->options.token_file, x->options.data, "admin.token", "Authorization: Bearer ",
		      &authorization, err) < 0)
		return -1;
	struct http_call_spec spec = {
		.method = method,
		.url = url.ptr,
		.headers = { authorization.ptr, "Content-Type: application/json" },
		.body = body,
		.timeout_ms = 30000,
		.max_body = ANSWER_MAX,
	};
	if (ca_store_new(strncmp(url.ptr, "https:", 6) == 0 ? ca : NULL, &trust, err) == 0 &&
	    http_client_new(x->loop, NULL, trust, &client, err) == 0 &&
	    http_call_start(client, &spec, on_answer, x, &call, err) == 0) {
		loop_run(x->loop);
		r = x->failed ? -1 : 0;
		if (x->failed)
			*err = x->err;
	}
	http_client_free(client);
	ca_store_free(trust);
	return r;
}

/* The description of an error answer, as the operator wants to read it. */
static void print_error(const struct exchange *x)
{
	json_t *body = json_loadb(x->body.ptr != NULL ? x->body.ptr : "", x->body.len, 0, NULL);
	const char *text = json_string_value(json_object_get(body, "description"));

	fprintf(stderr, "ssfhub: %s (status %d)\n", text != NULL ? text : "the hub refused", x->status);
	json_decref(body);
}

static int request(struct exchange *x, const char *method, const char *path, struct ssf_str body)
{
	struct ssf_err err;

	x->status = 0;
	ssf_buf_reset(&x->body);
	if (send_request(x, method, path, body, &err) < 0) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		return -1;
	}
	if (x->status < 200 || x->status > 299) {
		print_error(x);
		return -1;
	}
	return 0;
}

/* --- commands ---------------------------------------------------------------------------------------------- */

static json_t *answer_json(const struct exchange *x)
{
	return json_loadb(x->body.ptr != NULL ? x->body.ptr : "", x->body.len, 0, NULL);
}

static int print_answer(struct exchange *x, const char *path)
{
	json_t *body;

	if (request(x, "GET", path, (struct ssf_str){ NULL, 0 }) < 0)
		return 1;
	body = answer_json(x);
	json_dumpf(body, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(body);
	return 0;
}

/* "dir/leaked-secret.rules.json" is the rule file "leaked-secret". */
static void rules_path(const char *file, char *out, size_t size)
{
	const char *slash = strrchr(file, '/');
	const char *name = slash != NULL ? slash + 1 : file;

	snprintf(out, size, "/v1/apply?id=%.*s", (int)strcspn(name, "."), name);
}

static int cmd_apply(struct exchange *x, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		char path[512];
		struct ssf_err err;
		ssf_auto_buf text = SSF_BUF(FILE_MAX);
		json_t *body, *item;
		size_t n;

		if (file_read(argv[i], &text, &err) < 0) {
			fprintf(stderr, "ssfhub: %s: %s\n", argv[i], err.msg);
			return 1;
		}
		rules_path(argv[i], path, sizeof(path));
		if (request(x, "POST", path, ssf_buf_str(&text)) < 0) {
			fprintf(stderr, "ssfhub: nothing of %s was applied\n", argv[i]);
			return 1;
		}
		body = answer_json(x);
		json_array_foreach(json_object_get(body, "applied"), n, item)
			printf("%s %s version %lld\n",
			       json_string_value(json_object_get(item, "kind")),
			       json_string_value(json_object_get(item, "id")),
			       (long long)json_integer_value(json_object_get(item, "version")));
		json_decref(body);
	}
	return 0;
}

static int cmd_get(struct exchange *x, int argc, char **argv)
{
	char path[512];

	snprintf(path, sizeof(path), argc > 1 ? "/v1/%s/%s" : "/v1/%s", argv[0], argc > 1 ? argv[1] : "");
	return print_answer(x, path);
}

static int cmd_delete(struct exchange *x, int argc, char **argv)
{
	char path[512];

	(void)argc;
	snprintf(path, sizeof(path), "/v1/%s/%s", argv[0], argv[1]);
	return request(x, "DELETE", path, (struct ssf_str){ NULL, 0 }) < 0 ? 1 : 0;
}

static int cmd_explain(struct exchange *x, int argc, char **argv)
{
	char path[512];

	(void)argc;
	snprintf(path, sizeof(path), "/v1/explain/%s", argv[0]);
	return print_answer(x, path);
}

static int cmd_unattributed(struct exchange *x, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return print_answer(x, "/v1/unattributed");
}

static int cmd_revocations(struct exchange *x, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return print_answer(x, "/v1/revocations");
}

static int cmd_lift(struct exchange *x, int argc, char **argv)
{
	char path[512];

	(void)argc;
	snprintf(path, sizeof(path), "/v1/revocations/%s/%s/%s", argv[0], argv[1], argv[2]);
	return request(x, "DELETE", path, (struct ssf_str){ NULL, 0 }) < 0 ? 1 : 0;
}

static int cmd_emit(struct exchange *x, int argc, char **argv)
{
	const struct emit_event event = { argv[0], x->options.subject, x->options.claims, x->options.txn,
					  x->options.reason };
	json_auto_t *body = NULL, *answer = NULL;
	ssf_auto_free char *sent = NULL;
	struct ssf_err err;

	(void)argc;
	if (emit_body(&event, &body, &err) < 0) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
		return 2;
	}
	sent = json_dumps(body, 0);
	if (request(x, "POST", "/v1/events", ssf_str_c(sent)) < 0)
		return 1;
	answer = answer_json(x);
	printf("%s\n", json_string_value(json_object_get(answer, "txn")));
	return 0;
}

static long long number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *value = json_string_value(json_object_get(o, key));

	return value != NULL ? value : "-";
}

static const char *up(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key)) ? "up" : "away";
}

static bool is_failing(const json_t *stream)
{
	return json_is_false(json_object_get(stream, "healthy"));
}

static void print_status(const json_t *s)
{
	const json_t *log = json_object_get(s, "log"), *rules = json_object_get(s, "rules");
	const json_t *stream;
	size_t i;

	printf("hub      %s, %s, up %lld s\n", text(s, "issuer"),
	       json_is_true(json_object_get(s, "ready")) ? "ready" : "not ready", number(s, "uptime_s"));
	printf("database %s\n", up(json_object_get(s, "database"), "up"));
	printf("log      at %lld, %lld events waiting to be stored\n", number(log, "head"),
	       number(log, "waiting_to_be_stored"));
	printf("rules    %lld active, at %lld, %lld behind\n", number(rules, "active"),
	       number(rules, "cursor"), number(rules, "unread_seqs"));
	json_array_foreach(json_object_get(s, "streams"), i, stream)
		printf("stream   %s: %s, %s, %lld waiting, oldest %lld s, %lld not read yet, %lld dead letters%s%s\n",
		       text(stream, "id"), text(stream, "method"), text(stream, "status"),
		       number(stream, "backlog"), number(stream, "oldest_age_s"),
		       number(stream, "unread_seqs"), number(stream, "dead_letters"), is_failing(stream) ? ", failing: " : "",
		       is_failing(stream) ? text(stream, "last_error") : "");
}

static int cmd_status(struct exchange *x, int argc, char **argv)
{
	json_t *body;

	(void)argc;
	(void)argv;
	if (request(x, "GET", "/v1/status", (struct ssf_str){ NULL, 0 }) < 0)
		return 1;
	body = answer_json(x);
	print_status(body);
	json_decref(body);
	return 0;
}

/* --- keys ---------------------------------------------------------------------------------------------------- */

static int print_keys(const struct exchange *x)
{
	json_t *keys = answer_json(x);
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
		printf("%s %s %s, signs from %s, published until %s\n", text(key, "kid"), text(key, "alg"),
		       text(key, "state"), text(key, "signs_from"), text(key, "published_until"));
	json_decref(keys);
	return 0;
}

static int keys_rotate(struct exchange *x)
{
	json_t *body = json_pack("{s:s*, s:b}", "alg", x->options.alg, "now", x->options.now);
	char *sent = json_dumps(body, 0);
	int r = request(x, "POST", "/v1/keys/rotate", ssf_str_c(sent));

	free(sent);
	json_decref(body);
	return r < 0 ? 1 : print_keys(x);
}

static int keys_revoke(struct exchange *x, const char *kid)
{
	char path[512];

	snprintf(path, sizeof(path), "/v1/keys/%s", kid);
	return request(x, "DELETE", path, (struct ssf_str){ NULL, 0 }) < 0 ? 1 : 0;
}

static int cmd_keys(struct exchange *x, int argc, char **argv)
{
	const char *what = argc > 0 ? argv[0] : "list";

	if (strcmp(what, "list") == 0 && argc < 2)
		return request(x, "GET", "/v1/keys", (struct ssf_str){ NULL, 0 }) < 0 ? 1 : print_keys(x);
	if (strcmp(what, "rotate") == 0 && argc == 1)
		return keys_rotate(x);
	if (strcmp(what, "revoke") == 0 && argc == 2)
		return keys_revoke(x, argv[1]);
	fprintf(stderr, "usage: ssfhub keys [list | rotate [--alg A] [--now] | revoke KID]\n");
	return 2;
}

/* streams test ID: one line, and 1 when it was not delivered. */
static int streams_test(struct exchange *x, const char *id)
{
	json_auto_t *body = NULL;
	char path[512];
	bool delivered;

	snprintf(path, sizeof(path), "/v1/streams/%s/test", id);
	if (request(x, "POST", path, SSF_STR("{}")) < 0)
		return 1;
	body = answer_json(x);
	delivered = json_is_true(json_object_get(body, "delivered"));
	printf("%s: %s in %lld ms", text(body, "stream"),
	       delivered						? "delivered" :
	       json_is_true(json_object_get(body, "dead_lettered")) ? "refused, a dead letter" :
								      "not delivered",
	       number(body, "ms"));
	if (!delivered && json_object_get(body, "last_error") != NULL)
		printf(": %s", text(body, "last_error"));
	putchar('\n');
	return delivered ? 0 : 1;
}

/* streams health ID: one member a line. */
static int streams_health(struct exchange *x, const char *id)
{
	char path[512];

	snprintf(path, sizeof(path), "/v1/streams/%s/health", id);
	return print_answer(x, path);
}

/* streams rewind ID --to TIME|SEQ */
static int streams_rewind(struct exchange *x, const char *id)
{
	const char *to = x->options.to;
	bool is_seq = strspn(to, "0123456789") == strlen(to);
	json_auto_t *body = is_seq ? json_pack("{s:I}", "seq", (json_int_t)strtoll(to, NULL, 10)) :
				     json_pack("{s:s}", "time", to);
	json_auto_t *done = NULL;
	ssf_auto_free char *sent = json_dumps(body, 0);
	char path[512];

	snprintf(path, sizeof(path), "/v1/streams/%s/rewind", id);
	if (request(x, "POST", path, ssf_str_c(sent != NULL ? sent : "")) < 0)
		return 1;
	done = answer_json(x);
	printf("%s: read again from %lld\n", text(done, "stream"), number(done, "first"));
	return 0;
}

static int streams_list(struct exchange *x)
{
	json_auto_t *body = NULL;

	if (request(x, "GET", "/v1/status", (struct ssf_str){ NULL, 0 }) < 0)
		return 1;
	body = answer_json(x);
	streams_print(json_object_get(body, "streams"), wall_now_ms() / 1000, stdout);
	return 0;
}

static int cmd_streams(struct exchange *x, int argc, char **argv)
{
	const char *what = argc > 0 ? argv[0] : "";
	bool to = x->options.to != NULL;

	if (argc == 0 && !to)
		return streams_list(x);
	if (argc == 2 && !to && strcmp(what, "test") == 0)
		return streams_test(x, argv[1]);
	if (argc == 2 && !to && strcmp(what, "health") == 0)
		return streams_health(x, argv[1]);
	if (argc == 2 && to && strcmp(what, "rewind") == 0)
		return streams_rewind(x, argv[1]);
	fprintf(stderr, "usage: ssfhub streams [test ID | health ID | rewind ID --to TIME|SEQ]\n");
	return 2;
}

/* --- dead letters ---------------------------------------------------------------------------------------------- */

/* Page by page, as one may hold 1000. */
static int deadletters_list(struct exchange *x)
{
	const char *stream = x->options.stream;
	char path[512], after[DEADLETTERS_AFTER_MAX];
	int64_t left = x->options.limit;
	size_t count;

	deadletters_after(NULL, stream != NULL, after);
	do {
		json_auto_t *page = NULL;
		int64_t want = left < 1000 ? left : 1000;
		snprintf(path, sizeof(path), "/v1/deadletters?%s&limit=%lld%s%s", after, (long long)want,
			 stream != NULL ? "&stream=" : "", stream != NULL ? stream : "");
		if (request(x, "GET", path, (struct ssf_str){ NULL, 0 }) < 0)
			return 1;
		page = answer_json(x);
		count = json_array_size(page);
		deadletters_print(page, left == x->options.limit, stdout);
		deadletters_after(count > 0 ? json_array_get(page, count - 1) : NULL, stream != NULL, after);
		left -= want;
	} while (count == 1000 && left > 0);
	return 0;
}

/* seq NULL: all. 1 also when some of all stay dead letters. */
static int deadletters_redrive(struct exchange *x, const char *stream, const char *seq)
{
	json_auto_t *body = seq != NULL ? json_pack("{s:I}", "seq", (json_int_t)strtoll(seq, NULL, 10)) :
					  json_pack("{s:b}", "all", true);
	json_auto_t *done = NULL;
	ssf_auto_free char *sent = json_dumps(body, 0);
	char path[512];

	snprintf(path, sizeof(path), "/v1/streams/%s/redrive", stream);
	if (request(x, "POST", path, ssf_str_c(sent != NULL ? sent : "")) < 0)
		return 1;
	done = answer_json(x);
	printf("%s: %lld sent again", text(done, "stream"), number(done, "redriven"));
	if (number(done, "gone") > 0)
		printf(", %lld not in the log any more", number(done, "gone"));
	if (number(done, "remaining") > 0)
		printf(", %lld later: ask again when these are out", number(done, "remaining"));
	putchar('\n');
	return number(done, "remaining") > 0 ? 1 : 0;
}

static int cmd_deadletters(struct exchange *x, int argc, char **argv)
{
	bool all = x->options.all, redrive = argc > 1 && strcmp(argv[0], "redrive") == 0;

	if (argc == 0 && !all)
		return deadletters_list(x);
	if (redrive && x->options.stream == NULL && argc == (all ? 2 : 3) &&
	    (all || strspn(argv[2], "0123456789") == strlen(argv[2])))
		return deadletters_redrive(x, argv[1], all ? NULL : argv[2]);
	fprintf(stderr, "usage: ssfhub deadletters [--stream ID] [--limit N] | redrive STREAM SEQ|--all\n");
	return 2;
}

static const struct command {
	const char *name;
	int (*run)(struct exchange *x, int argc, char **argv);
	int min, max;
	const char *args;
	const char *help;
} commands[] = {
	{ "apply", cmd_apply, 1, 100, "FILE ...", "put resources or rules (*.rules.json) from files" },
	{ "get", cmd_get, 1, 2, "KIND [ID]", "show resources, in the form that apply takes" },
	{ "delete", cmd_delete, 2, 2, "KIND ID", "remove a resource" },
	{ "status", cmd_status, 0, 0, "", "what is up, how far behind each stream is" },
	{ "streams", cmd_streams, 0, 2, "[ACTION]",
	  "how each stream is; test ID, health ID, rewind ID --to TIME|SEQ" },
	{ "explain", cmd_explain, 1, 1, "TXN", "what came in, what matched and why, what followed" },
	{ "unattributed", cmd_unattributed, 0, 0, "", "leaks of nobody that is registered" },
	{ "revocations", cmd_revocations, 0, 0, "", "what is revoked or suspended now" },
	{ "emit", cmd_emit, 1, 1, "TYPE --subject SUBJECT [--reason TEXT] [--claims JSON] [--txn TXN]",
	  "send one event to all who take it: emit caep:session-revoked --subject email:ada@acme.example" },
	{ "lift", cmd_lift, 3, 3, "EFFECT KIND TARGET", "take one back: lift revoke agent agent:triage-bot" },
	{ "deadletters", cmd_deadletters, 0, 3, "[ACTION]",
	  "events that streams have given up on; redrive STREAM SEQ|--all sends them again" },
	{ "keys", cmd_keys, 0, 2, "[ACTION]", "signing keys: list, rotate [--alg A] [--now], revoke KID" },
};

void cli_client_help(void)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(commands); i++)
		printf("  ssfhub %-12s %-12s  %s\n", commands[i].name, commands[i].args, commands[i].help);
	for (size_t i = 0; i < SSF_ARRAY_SIZE(own_options); i++) {
		printf("\nOptions of %s:\n\n", own_options[i].command);
		settings_help(own_options[i].table, stdout);
	}
	puts("\nThese find the hub through its data directory:\n");
	settings_help(option_table, stdout);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < SSF_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static size_t append_options(const struct setting *table, struct setting out[OPTIONS_MAX], size_t n)
{
	for (const struct setting *s = table; s->name != NULL; s++) {
		assert(n + 1 < OPTIONS_MAX);
		out[n++] = *s;
	}
	out[n] = (struct setting){ .name = NULL };
	return n;
}

/* What a command takes: option_table and its own. */
static void options_of(const struct command *command, struct setting out[OPTIONS_MAX])
{
	size_t n = append_options(option_table, out, 0);

	for (size_t i = 0; i < SSF_ARRAY_SIZE(own_options); i++) {
		if (strcmp(own_options[i].command, command->name) == 0)
			n = append_options(own_options[i].table, out, n);
	}
}

static int run(struct exchange *x, const struct command *command, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0) {
			fprintf(stderr, "ssfhub: %s takes no option %s\n", command->name, argv[i]);
			return 2;
		}
	}
	if (argc - 1 < command->min || argc - 1 > command->max) {
		fprintf(stderr, "usage: ssfhub %s %s\n", command->name, command->args);
		return 2;
	}
	return command->run(x, argc - 1, argv + 1);
}

int cli_client(int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);
	struct exchange x = { .status = 0 };
	struct setting table[OPTIONS_MAX];
	const struct settings all = { table, &x.options, NULL }, common = { option_table, &x.options, NULL };
	struct settings_error e;
	struct ssf_err err;
	char why[512];
	int status = 2;

	if (command == NULL) {
		fprintf(stderr, "ssfhub: no command \"%s\"; see ssfhub help\n", argv[0]);
		return 2;
	}
	options_of(command, table);
	ssf_buf_init(&x.body, ANSWER_MAX);
	if (settings_defaults(&all, &e) < 0 || settings_env(&common, "SSFHUB", &e) < 0 ||
	    settings_args(&all, &argc, argv, &e) < 0) {
		settings_error_text(&e, why, sizeof(why));
		fprintf(stderr, "ssfhub: %s\n", why);
	} else if (loop_new(&x.loop, &err) < 0) {
		fprintf(stderr, "ssfhub: %s\n", err.msg);
	} else {
		status = run(&x, command, argc, argv);
		loop_free(x.loop);
	}
	ssf_buf_done(&x.body);
	settings_done(&all);
	return status;
}
