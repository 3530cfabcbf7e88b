/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-sign: makes the requests that bench-ingest sends, before anything is measured: SETs of a
 * transmitter of its own, signed, each with a jti, txn and subject of its own.
 *
 *   bench-sign --alg RS256|ES256 --count N --iss URL --aud URL --out FILE --jwk FILE
 *
 * The jti and txn of number i are 16 hexadecimal digits that look random, as ids of others do (so that
 * they come all over an index), a dash, and i in eight digits.
 */
#include "lib/ssf/set.h"
#include "tests/bench/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STRIDE 1536
#define JOBS_MAX 64
#define EVENT "https://schemas.openid.net/secevent/caep/event-type/session-revoked"

struct job {
	const char *iss, *aud;
	struct ssf_key *key;
	char *slots;
	uint32_t count;
	long jobs;
};

static json_t *subject(const char *iss, uint32_t i)
{
	char sub[32];

	snprintf(sub, sizeof(sub), "user-%08u", i);
	return json_pack("{s:s, s:s, s:s}", "format", "iss_sub", "iss", iss, "sub", sub);
}

/* A step of splitmix64: another value for every i. */
static uint64_t scatter(uint64_t i)
{
	i = (i + 1) * 0x9e3779b97f4a7c15ULL;
	i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9ULL;
	i = (i ^ (i >> 27)) * 0x94d049bb133111ebULL;
	return i ^ (i >> 31);
}

static int sign(const struct job *j, uint32_t i, struct ssf_buf *token, struct ssf_err *err)
{
	json_int_t now = (json_int_t)time(NULL);
	json_auto_t *sub_id = subject(j->iss, i);
	json_auto_t *claims = json_pack("{s:I, s:s, s:{s:s}}", "event_timestamp", now,
					"initiating_entity", "policy", "reason_admin", "en",
					"the session is not to go on");
	ssf_auto_buf payload = SSF_BUF(STRIDE);
	char id[32];

	snprintf(id, sizeof(id), "%016llx-%08u", (unsigned long long)scatter(i), i);
	struct ssf_set_spec spec = { .iss = j->iss, .aud = j->aud, .jti = id, .txn = id, .iat = now,
				     .sub_id = sub_id, .event_uri = EVENT, .event_claims = claims };
	if (ssf_set_compose(&spec, &payload, err) < 0)
		return -1;
	return ssf_jws_sign(j->key, SSF_SET_TYP, ssf_buf_str(&payload), token, err);
}

static int make_request(const struct job *j, uint32_t i, struct ssf_err *err)
{
	ssf_auto_buf token = SSF_BUF(STRIDE), all = SSF_BUF(STRIDE - sizeof(uint32_t));
	char *slot = j->slots + (size_t)i * STRIDE;
	uint32_t len;

	if (sign(j, i, &token, err) < 0)
		return -1;
	ssf_buf_addf(&all, "POST /events HTTP/1.1\r\nHost: localhost\r\n"
		     "Content-Type: " SSF_SET_MEDIA_TYPE "\r\nAccept: application/json\r\nContent-Length: %zu\r\n\r\n", token.len);
	if (ssf_buf_append(&all, ssf_buf_str(&token), err) < 0)
		return -1;
	len = (uint32_t)all.len;
	memcpy(slot, &len, sizeof(len));
	memcpy(slot + sizeof(len), all.ptr, all.len);
	return 0;
}

static int run_job(const struct job *j, long n)
{
	struct ssf_err err;

	for (uint32_t i = (uint32_t)n; i < j->count; i += (uint32_t)j->jobs) {
		if (make_request(j, i, &err) < 0) {
			fprintf(stderr, "bench-sign: %s\n", err.msg);
			return 1;
		}
	}
	return 0;
}

/* Every processor signs its share into the file. */
static void run_jobs(const struct job *j)
{
	int failed = 0, status;

	for (long n = 0; n < j->jobs; n++) {
		pid_t pid = fork();
		if (pid < 0)
			share_die("fork: %s", strerror(errno));
		if (pid == 0)
			_exit(run_job(j, n));
	}
	for (long n = 0; n < j->jobs; n++)
		failed |= wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	if (failed)
		exit(1);
}

static char *map_out(const char *path, uint32_t count)
{
	struct requests_head head = { REQUESTS_MAGIC, count, STRIDE };
	size_t size = sizeof(head) + (size_t)count * STRIDE;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *at;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		share_die("%s: %s", path, strerror(errno));
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		share_die("%s: %s", path, strerror(errno));
	close(fd);
	memcpy(at, &head, sizeof(head));
	return at + sizeof(head);
}

int main(int argc, char **argv)
{
	const char *out = share_option(argv, "out", NULL), *jwk_path = share_option(argv, "jwk", NULL);
	const char *alg = share_option(argv, "alg", "RS256");
	struct job j = { .iss = share_option(argv, "iss", NULL), .aud = share_option(argv, "aud", NULL),
			 .count = (uint32_t)share_number(argv, "count", 0),
			 .jobs = sysconf(_SC_NPROCESSORS_ONLN) };
	struct ssf_err err;

	(void)argc;
	if (j.iss == NULL || j.aud == NULL || j.count == 0 || out == NULL || jwk_path == NULL)
		share_die("usage: bench-sign --alg ALG --count N --iss URL --aud URL --out FILE "
			  "--jwk FILE");
	if (j.jobs > JOBS_MAX)
		j.jobs = JOBS_MAX;
	if (ssf_key_generate(ssf_alg_from_name(ssf_str_c(alg)), &j.key, &err) < 0)
		share_die("bench-sign: %s", err.msg);
	json_auto_t *jwk = ssf_key_to_jwk(j.key);
	if (jwk == NULL || json_dump_file(jwk, jwk_path, JSON_COMPACT) < 0)
		share_die("%s: cannot be written", jwk_path);
	j.slots = map_out(out, j.count);
	run_jobs(&j);
	ssf_key_free(j.key);
	return 0;
}
