/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line an entry on stderr, logfmt, with a time in UTC. An entry is
 * an event name and typed fields; there is no printf-like call, so that a
 * secret or a raw body cannot slip into a format. The field's type decides how
 * its value shows:
 *
 *   log_str     as is (for names that we chose), quoted and escaped, cut at 256 bytes
 *   log_id      identifiers of people and agents: a keyed hash, same value same hash
 *               within one run, so that lines can be correlated
 *   log_secret  length and the first 4 bytes of the SHA-256
 *
 * Usage: log_info("stream.push.settled", log_id("stream", id), log_int("attempt", n));
 * Event names are lower-case words with dots, and stand in docs/reference/log-events.md.
 * May be called from any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/ssf/buf.h"
#include "lib/ssf/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum log_type { LOG_TYPE_STR, LOG_TYPE_INT, LOG_TYPE_ID, LOG_TYPE_SECRET };

struct log_field {
	const char *key;
	enum log_type type;
	struct ssf_str str;
	int64_t num;
};

/* Below level nothing is written. Default: INFO. */
void log_set_level(enum log_level level);
/* Of several processes that write to one place: which one this is, in every line. 0: none is named. */
void log_set_process(unsigned number);
uint64_t log_count(enum log_level level); /* entries written since the start */
int log_level_parse(const char *name, enum log_level *out); /* "debug" ...; -1 if unknown */

void log_emit(enum log_level level, const char *event, const struct log_field *fields, size_t n);

struct log_field log_str(const char *key, const char *value);   /* NULL shows as "" */
struct log_field log_view(const char *key, struct ssf_str value);
struct log_field log_int(const char *key, int64_t value);
struct log_field log_id(const char *key, const char *value);
struct log_field log_secret(const char *key, struct ssf_str value);
struct log_field log_why(const struct ssf_err *err);            /* key "error", the message */

#define LOG_EMIT_(level, event, ...) \
	log_emit((level), (event), \
		 (const struct log_field[]){ { .key = NULL }, ##__VA_ARGS__ } + 1, \
		 sizeof((const struct log_field[]){ { .key = NULL }, ##__VA_ARGS__ }) / \
				 sizeof(struct log_field) - 1)
#define log_debug(event, ...) LOG_EMIT_(LOG_LEVEL_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...) LOG_EMIT_(LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...) LOG_EMIT_(LOG_LEVEL_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_EMIT_(LOG_LEVEL_ERROR, event, ##__VA_ARGS__)
