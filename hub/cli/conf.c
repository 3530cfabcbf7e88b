/* SPDX-License-Identifier: Apache-2.0 */
/* Every setting of the server, once. */
#include "hub/cli/conf.h"

#include "lib/kit/file.h"
#include "lib/ssf/attr.h"

#include <stdlib.h>
#include <string.h>

#define CONF(type, name, initial, min, max, help) \
	{ #name, SETTING_##type, offsetof(struct conf, name), initial, min, max, help }
#define SECOND 1000LL
#define DAY (86400LL * SECOND)

const struct setting conf_table[] = {
	CONF(STRING, data, "ssfhub-data", 0, 0, "Directory for keys, tokens and the private database."),
	CONF(STRING, listen, "127.0.0.1:8443", 0, 0, "Address and port to serve on; port 0 picks one."),
	CONF(INT, processes, "1", 1, 64, "Processes that share the port and the work; more than one needs a core each."),
	CONF(STRING, peer_listen, "127.0.0.1:0", 0, 0,
	     "Where other processes on the database reach this one; the second takes the next port."),
	CONF(STRING, peer_host, NULL, 0, 0,
	     "Name of peer_listen for other machines, which tls_cert has to be good for."),
	CONF(STRING, issuer, NULL, 0, 0,
	     "Issuer of our SETs and base of our URLs; default https://localhost:PORT."),
	CONF(STRING, database, NULL, 0, 0,
	     "libpq conninfo; without it a private PostgreSQL runs in the data directory."),
	CONF(STRING, pg_bindir, NULL, 0, 0, "Where initdb and postgres are; default: found."),
	CONF(STRING, config, NULL, 0, 0, "File with more settings, one \"key = value\" a line."),
	CONF(STRING, tls_cert, NULL, 0, 0,
	     "PEM certificate chain; without it a development CA is made in the data directory."),
	CONF(STRING, tls_key, NULL, 0, 0, "PEM private key of tls_cert."),
	CONF(BOOL, tls_off, "off", 0, 0, "Serve plain HTTP, for use behind a proxy on this machine."),
	CONF(STRING, ca_file, NULL, 0, 0,
	     "PEM certificates trusted besides the system's when the hub connects to others."),
	CONF(STRING, push_allow, NULL, 0, 0,
	     "Networks that push may go to although they are not public: CIDRs, or \"private\"."),
	CONF(BOOL, push_allow_http, "off", 0, 0, "Allow push to http:// addresses."),
	CONF(SIZE, max_body, "4m", 1024, 64 << 20, "Largest body of a request."),
	CONF(INT, max_connections, "10000", 1, 1000000, "Connections at once; more have to wait."),
	CONF(DURATION, request_timeout, "15s", 100, DAY, "For a client to send a whole request."),
	CONF(DURATION, push_timeout, "10s", 100, 600 * SECOND, "For one push, all included."),
	CONF(DURATION, retry_min, "500ms", 1, DAY, "First backoff of a failing push; it doubles, with jitter."),
	CONF(DURATION, retry_max, "5m", 1, DAY, "Longest backoff of a failing push."),
	CONF(DURATION, delivery_max_age, "7d", SECOND, 365 * DAY,
	     "Events that still fail at this age become dead letters."),
	CONF(DURATION, retention, "30d", SECOND, 3650 * DAY,
	     "How long events are kept, at least; longer than delivery_max_age."),
	CONF(DURATION, partition, "0s", 0, 365 * DAY,
	     "How long a partition of the log is written to, which goes as a whole; 0s: a sixth of retention."),
	CONF(DURATION, poll_wait, "30s", 0, 600 * SECOND, "How long a long poll is held."),
	CONF(INT, max_streams, "16", 1, 10000, "Streams that one client may make itself."),
	CONF(STRING, default_subjects, "ALL", 0, 0,
	     "ALL or NONE: whether streams that receivers make begin with all subjects or with none."),
	CONF(STRING, critical_subject_members, NULL, 0, 0,
	     "Members of complex subjects that receivers must understand, with commas; in the metadata."),
	CONF(DURATION, subject_removal_grace, "0s", 0, 365 * DAY,
	     "How long a subject keeps flowing after a receiver has removed it."),
	CONF(DURATION, min_verification_interval, "1s", 0, 3600 * SECOND,
	     "Between two verification requests for one stream; 0: no limit."),
	CONF(DURATION, token_lifetime, "30m", SECOND, 3600 * SECOND, "How long an access token of ours is good."),
	CONF(INT, rate_limit_client, "200", 0, 1000000,
	     "Requests a second of one client, twice that at once; 0: no limit."),
	CONF(INT, rate_limit_address, "400", 0, 1000000,
	     "The same for one address (of IPv6: one /64 network), before it has said who it is."),
	CONF(BOOL, forwarded_for, "off", 0, 0,
	     "Take addresses from the last entry of X-Forwarded-For: only behind a proxy that writes it."),
	CONF(DURATION, key_rotation, "90d", 0, 3650 * DAY,
	     "How long a signing key signs, not less than key_publish_ahead; 0s: until it is rotated by hand."),
	CONF(DURATION, key_publish_ahead, "24h", SECOND, 365 * DAY,
	     "How long a new key is in the JWKS before it signs."),
	CONF(DURATION, key_keep, "8d", SECOND, 3650 * DAY,
	     "How long a key stays in the JWKS after another one signs; longer than delivery_max_age."),
	CONF(DURATION, heartbeat, "0s", 0, 365 * DAY,
	     "Between two verification events that the hub sends by itself, whole seconds; 0: none."),
	CONF(DURATION, inactivity_timeout, "0s", 0, 365 * DAY,
	     "Pauses a stream whose receiver has not been heard of for so long, whole seconds; 0: never."),
	CONF(INT, backlog_limit, "1000000", 0, 1000000000,
	     "Pauses a stream for which more events wait; 0: no limit."),
	CONF(DURATION, checkpoint, "200ms", 10, 60 * SECOND, "Between two savings of stream cursors; with many streams 3 ms for each that has moved, up to 3 s."),
	CONF(DURATION, drain_timeout, "10s", 0, 600 * SECOND, "For requests and pushes to end at SIGTERM."),
	CONF(INT, database_connections, "4", 1, 64, "Connections to PostgreSQL, besides the owner's."),
	CONF(DURATION, database_timeout, "10s", 100, 600 * SECOND, "For one statement, waiting included."),
	CONF(INT, crypto_threads, "2", 1, 64, "Threads that sign with RSA."),
	CONF(STRING, metrics_listen, NULL, 0, 0,
	     "Address and port that serve /metrics, /healthz and /readyz to anybody, over plain HTTP."),
	CONF(INT, metrics_streams, "1000", 0, 100000,
	     "When there are more streams, /metrics shows no series for each, only those of all together."),
	CONF(STRING, log_level, "info", 0, 0, "debug, info, warn or error."),
	{ .name = NULL },
};

/* The file is named by the environment or the command line, and yields to both. */
static int load_file(struct conf *c, const char *path, struct ssf_err *err)
{
	ssf_auto_buf text = SSF_BUF(64 * 1024);

	if (file_read(path, &text, err) < 0)
		return -1;
	return settings_parse(conf_table, c, path, ssf_buf_str(&text), err);
}

static const char *config_path(int argc, char **argv)
{
	const char *path = getenv("SSFHUB_CONFIG");

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--config=", 9) == 0)
			path = argv[i] + 9;
		else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			path = argv[i + 1];
	}
	return path;
}

int conf_load(struct conf *c, int *argc, char **argv, struct ssf_err *err)
{
	const char *path = config_path(*argc, argv);

	memset(c, 0, sizeof(*c));
	if (settings_defaults(conf_table, c, err) < 0 ||
	    (path != NULL && load_file(c, path, err) < 0) ||
	    settings_env(conf_table, c, "SSFHUB", err) < 0 ||
	    settings_args(conf_table, c, argc, argv, err) < 0) {
		conf_done(c);
		return -1;
	}
	return 0;
}

void conf_done(struct conf *c)
{
	settings_done(conf_table, c);
}
