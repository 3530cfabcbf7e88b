/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator applies: any JSON as a resource of each kind. What passes must show no secret. */
#include "hub/registry/resource_check.h"
#include "lib/ssf/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct resource_checker checker;
static struct resource_peers peers;

static void ready(void *arg)
{
	(void)arg;
}

/* Everything that a check needs, made once; there is no database behind it. */
static int set_up(void)
{
	static const struct db_conf conf = { .conninfo = "host=/nowhere", .connections = 1, .queue_max = 1,
					     .timeout_ms = 1000 };
	char path[] = "/tmp/fuzz_resource.XXXXXX";
	int fd = mkstemp(path);
	struct loop *loop;
	struct db *db;
	struct registry *registry;
	struct master_key *master;
	struct egress_policy *policy;

	if (fd < 0)
		return -1;
	close(fd);
	unlink(path);
	if (loop_new(&loop, NULL) < 0 || db_new(loop, &conf, NULL, NULL, &db, NULL) < 0 ||
	    registry_new(loop, db, ready, NULL, &registry, NULL) < 0 ||
	    egress_policy_new(NULL, false, &policy, NULL) < 0)
		return -1;
	struct ssf_err err;
	if (master_key_open(path, &master, &err) < 0)
		return -1;
	unlink(path);
	checker = (struct resource_checker){ registry, master, policy };
	for (int k = 0; k < KIND_COUNT; k++)
		peers.pending[k] = json_pack("{s:{s:s}}", "x", "audience", "https://x.example");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_auto_t *in = NULL;
	struct ssf_err err;

	if (checker.registry == NULL && set_up() < 0)
		abort();
	if (ssf_json_parse((struct ssf_str){ (const char *)data, size }, &ssf_json_default, &in, &err) < 0 ||
	    !json_is_object(in))
		return 0;
	/* files are not for strangers to name */
	json_object_del(in, "keys_file");
	for (int k = 0; k < KIND_COUNT; k++) {
		const struct ssf_json_path root = { NULL, NULL, 0 };
		const struct resource_input input = { (enum kind)k, "x", in, &root };
		struct ssf_diagnostic d = { .text = { (const char *)data, size } };
		json_t *spec = NULL;
		if (resource_check(&checker, &peers, &input, &spec, &d) < 0) {
			if (!ssf_utf8_valid(ssf_str_c(d.err.msg)) || !ssf_utf8_valid(ssf_str_c(d.path)))
				abort();
			continue;
		}
		json_decref(resource_show((enum kind)k, "x", spec));
		json_decref(spec);
	}
	return 0;
}
