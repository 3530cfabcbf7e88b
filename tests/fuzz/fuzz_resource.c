/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator applies: any JSON as a resource of each kind. What passes must show no secret. */
#include "hub/registry/kinds.h"
#include "lib/ssf/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kinds kinds;

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
	struct egress_policy *guard;

	if (fd < 0)
		return -1;
	close(fd);
	unlink(path);
	if (loop_new(&loop, NULL) < 0 || db_new(loop, &conf, NULL, NULL, &db, NULL) < 0 ||
	    registry_new(loop, db, ready, NULL, &registry, NULL) < 0 ||
	    egress_policy_new(NULL, false, &guard, NULL) < 0)
		return -1;
	struct ssf_err err;
	if (master_key_open(path, &master, &err) < 0)
		return -1;
	unlink(path);
	kinds = (struct kinds){ .registry = registry, .master = master, .guard = guard };
	for (int k = 0; k < KIND_COUNT; k++)
		kinds.pending[k] = json_pack("{s:{s:s}}", "x", "audience", "https://x.example");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_auto_t *in = NULL;
	struct ssf_err err;

	if (kinds.registry == NULL && set_up() < 0)
		abort();
	if (ssf_json_parse((struct ssf_str){ (const char *)data, size }, &ssf_json_default, &in, &err) < 0 ||
	    !json_is_object(in))
		return 0;
	/* files are not for strangers to name */
	json_object_del(in, "keys_file");
	for (int k = 0; k < KIND_COUNT; k++) {
		json_t *spec = NULL, *shown;
		if (kind_check(&kinds, (enum kind)k, "x", in, &spec, &err) < 0)
			continue;
		shown = kind_show((enum kind)k, "x", spec);
		json_decref(shown);
		json_decref(spec);
	}
	return 0;
}
