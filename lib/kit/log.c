/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes each entry with one write(2) of at most PIPE_BUF bytes, so that lines
 * of several threads and processes never mix. Only printable ASCII comes out:
 * no value can start a line of its own or command a terminal. Fields that do
 * not fit into the line are left out and counted.
 */
#include "lib/kit/log.h"

#include "lib/ssf/timestamp.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_VALUE_MAX 256
#define LOG_TAIL_MAX 32 /* " dropped=NN\n" */

struct line {
	char bytes[PIPE_BUF];
	size_t len;
	bool full;
};

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static atomic_int log_level = LOG_LEVEL_INFO;
static unsigned log_process; /* set before there are threads */
static atomic_ullong log_counts[LOG_LEVEL_ERROR + 1];
static pthread_once_t id_key_once = PTHREAD_ONCE_INIT;
static unsigned char id_key[32];
static bool id_key_ready;

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

void log_set_process(unsigned number)
{
	log_process = number;
}

uint64_t log_count(enum log_level level)
{
	return atomic_load_explicit(&log_counts[level], memory_order_relaxed);
}

int log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

static void line_add(struct line *l, const char *bytes, size_t len)
{
	if (l->full || len > sizeof(l->bytes) - LOG_TAIL_MAX - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->bytes + l->len, bytes, len);
	l->len += len;
}

static void line_adds(struct line *l, const char *s)
{
	line_add(l, s, strlen(s));
}

static bool is_plain(struct ssf_str v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.ptr[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return v.len > 0;
}

static void line_add_escaped(struct line *l, unsigned char c)
{
	char hex[8];

	switch (c) {
	case '"':
	case '\\':
		line_add(l, (const char[]){ '\\', (char)c }, 2);
		break;
	case '\n':
		line_add(l, "\\n", 2);
		break;
	case '\r':
		line_add(l, "\\r", 2);
		break;
	case '\t':
		line_add(l, "\\t", 2);
		break;
	default:
		if (c >= ' ' && c <= '~') {
			line_add(l, (const char *)&c, 1);
		} else {
			snprintf(hex, sizeof(hex), "\\x%02x", c);
			line_adds(l, hex);
		}
	}
}

static void line_add_value(struct line *l, struct ssf_str v)
{
	bool cut = v.len > LOG_VALUE_MAX;

	if (!cut && is_plain(v)) {
		line_add(l, v.ptr, v.len);
		return;
	}
	if (cut)
		v.len = LOG_VALUE_MAX;
	line_adds(l, "\"");
	for (size_t i = 0; i < v.len; i++)
		line_add_escaped(l, (unsigned char)v.ptr[i]);
	line_adds(l, cut ? "...\"" : "\"");
}

static void make_id_key(void)
{
	id_key_ready = RAND_bytes(id_key, sizeof(id_key)) == 1;
}

static void line_add_id(struct line *l, struct ssf_str v)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	char hex[2 * 6 + 1];

	pthread_once(&id_key_once, make_id_key);
	/* Without a key the hash could be reversed by trying names: show nothing then. */
	if (!id_key_ready || v.ptr == NULL ||
	    HMAC(EVP_sha256(), id_key, sizeof(id_key), (const unsigned char *)v.ptr, v.len, mac,
		 &mac_len) == NULL) {
		line_adds(l, "-");
		return;
	}
	ssf_hex(mac, 6, hex);
	line_adds(l, hex);
}

static void line_add_secret(struct line *l, struct ssf_str v)
{
	uint8_t hash[SSF_SHA256_LEN];
	char hex[2 * 4 + 1];
	char text[48];

	ssf_sha256(v, hash);
	ssf_hex(hash, 4, hex);
	snprintf(text, sizeof(text), "%zu:%s", v.len, hex);
	line_adds(l, text);
}

static void line_add_field(struct line *l, const struct log_field *f)
{
	char number[24];

	line_adds(l, " ");
	line_adds(l, f->key);
	line_adds(l, "=");
	switch (f->type) {
	case LOG_TYPE_STR:
		line_add_value(l, f->str);
		break;
	case LOG_TYPE_INT:
		snprintf(number, sizeof(number), "%lld", (long long)f->num);
		line_adds(l, number);
		break;
	case LOG_TYPE_ID:
		line_add_id(l, f->str);
		break;
	case LOG_TYPE_SECRET:
		line_add_secret(l, f->str);
		break;
	}
}

static void line_add_head(struct line *l, enum log_level level, const char *event)
{
	struct timespec now = { 0 };
	char time[SSF_TIMESTAMP_LEN];
	char head[64];

	clock_gettime(CLOCK_REALTIME, &now);
	ssf_timestamp_text_ms((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, time);
	snprintf(head, sizeof(head), "time=%s level=%s event=", time, level_names[level]);
	line_adds(l, head);
	line_add_value(l, ssf_str_c(event));
	if (log_process > 0) {
		snprintf(head, sizeof(head), " process=%u", log_process);
		line_adds(l, head);
	}
}

void log_emit(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	struct line l;
	size_t dropped = 0;

	if ((int)level < atomic_load(&log_level))
		return;
	atomic_fetch_add_explicit(&log_counts[level], 1, memory_order_relaxed);
	l.len = 0;
	l.full = false;
	line_add_head(&l, level, event);
	for (size_t i = 0; i < n; i++) {
		size_t before = l.len;

		line_add_field(&l, &fields[i]);
		if (l.full) {
			l.len = before;
			l.full = false;
			dropped++;
		}
	}
	if (dropped > 0)
		l.len += (size_t)snprintf(l.bytes + l.len, LOG_TAIL_MAX - 1, " dropped=%zu",
					  dropped);
	l.bytes[l.len++] = '\n';
	/* There is nowhere to report that the log itself cannot be written. */
	if (write(STDERR_FILENO, l.bytes, l.len) < 0)
		return;
}

struct log_field log_view(const char *key, struct ssf_str value)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_STR, .str = value };
}

struct log_field log_str(const char *key, const char *value)
{
	return log_view(key, ssf_str_c(value));
}

struct log_field log_int(const char *key, int64_t value)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_INT, .num = value };
}

struct log_field log_id(const char *key, const char *value)
{
	struct ssf_str view = { value, value != NULL ? strlen(value) : 0 };

	return (struct log_field){ .key = key, .type = LOG_TYPE_ID, .str = view };
}

struct log_field log_secret(const char *key, struct ssf_str value)
{
	return (struct log_field){ .key = key, .type = LOG_TYPE_SECRET, .str = value };
}

struct log_field log_why(const struct ssf_err *err)
{
	return log_str("error", err->msg);
}
