/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/server/lifecycle.h"

#include "hub/metrics/metrics.h"
#include "lib/kit/log.h"

#include <signal.h>
#include <stdio.h>

#define TICK_MS 250
#define COLLECT_TICKS 4
#define READY_WAIT_MS 60000

/* --- ready -------------------------------------------------------------------------------------- */

void lifecycle_print_ready(void *arg, unsigned port)
{
	const struct server *s = arg;

	printf("ssfhub: ready at %s (listening on port %u)\n", s->api.issuer.url, port);
	fflush(stdout);
}

void lifecycle_leases_ready(void *arg)
{
	struct server *s = arg;
	unsigned port = http_server_port(s->http.listener);

	s->api.readiness.running = true;
	stream_activity_start(s->work.activity);
	log_info("hub.ready", log_str("issuer", s->api.issuer.url), log_int("port", port),
		 log_str("owner", owner_id(s->base.owner)));
	if (s->child.number > 0)
		supervise_ready(&s->child);
	else
		lifecycle_print_ready(s, port);
}

/* A process takes leases only when it has loaded what it needs to do their work. */
static void take_leases_if_loaded(struct server *s)
{
	if (s->api.readiness.resources_loaded && s->api.readiness.keys_loaded)
		owner_start(s->base.owner);
}

void lifecycle_registry_ready(void *arg)
{
	struct server *s = arg;

	s->api.readiness.resources_loaded = true;
	take_leases_if_loaded(s);
}

void lifecycle_keys_ready(void *arg)
{
	struct server *s = arg;

	s->api.readiness.keys_loaded = true;
	take_leases_if_loaded(s);
}

/* --- end ---------------------------------------------------------------------------------------- */

static void end(struct server *s, int status)
{
	s->life.status = status;
	loop_stop(s->base.loop);
}

void lifecycle_drain(void *arg)
{
	struct server *s = arg;

	if (s->api.readiness.draining)
		return;
	log_info("hub.draining");
	s->api.readiness.draining = true;
	s->life.drain_deadline_ms = loop_now_ms() + s->conf.drain_timeout;
	part_list_drain(&s->life.parts, s);
}

static void on_tick(void *arg)
{
	struct server *s = arg;
	struct server_lifecycle *life = &s->life;
	int64_t now_us = loop_now_us();

	/* a late tick measures how long other callbacks held the loop up */
	if (life->tick_due_us != 0)
		metric_observe(loop_late, now_us - life->tick_due_us);
	life->tick_due_us = now_us + TICK_MS * 1000;
	if (metrics_processes() > 1 && ++life->ticks % COLLECT_TICKS == 0)
		monitor_metrics_collect(&s->api.monitor);
	if (keyring_is_locked_out(s->work.keyring)) {
		fprintf(stderr, "ssfhub: no stored signing key opens with this master.key\n");
		end(s, 1);
	} else if (!s->api.readiness.running && loop_now_ms() - s->api.monitor.started_ms > READY_WAIT_MS) {
		fprintf(stderr, "ssfhub: not ready in time; the log says why\n");
		end(s, 1);
	} else if (s->api.readiness.draining && (part_list_is_drained(&life->parts, s) ||
				       loop_now_ms() >= life->drain_deadline_ms)) {
		end(s, life->status);
	}
}

/* --- settings that change ----------------------------------------------------------------------- */

static void on_refused_change(void *arg, const char *name)
{
	(void)arg;
	log_warn("settings.change.ignored", log_str("setting", name));
}

/* SIGHUP: reads the settings from the same sources again. An error changes nothing. */
static void on_reload(void *arg)
{
	struct server *s = arg;
	struct conf fresh;
	struct conf_sources sources;
	struct settings_error e;
	enum log_level level;

	if (conf_load(&fresh, &sources, s->argc, s->argv, &e) < 0) {
		log_error("settings.reload.failed", log_str("setting", e.setting), log_str("file", e.file),
			  log_int("line", e.line), log_why(&e.err));
		return;
	}
	conf_reload(&s->conf, &fresh, on_refused_change, NULL);
	conf_done(&fresh);
	if (log_level_parse(s->conf.log_level, &level) == 0)
		log_set_level(level);
	log_info("settings.reloaded");
}

int lifecycle_start(struct server *s, struct ssf_err *err)
{
	struct server_lifecycle *life = &s->life;

	life->tick = loop_tick_start(s->base.loop, TICK_MS, on_tick, s);
	life->sigterm = loop_signal_start(s->base.loop, SIGTERM, lifecycle_drain, s);
	life->sigint = loop_signal_start(s->base.loop, SIGINT, lifecycle_drain, s);
	life->sighup = loop_signal_start(s->base.loop, SIGHUP, on_reload, s);
	if (life->tick == NULL || life->sigterm == NULL || life->sigint == NULL || life->sighup == NULL)
		return ssf_fail(err, SSF_E_NOMEM, "out of memory");
	return 0;
}

void lifecycle_stop(struct server *s)
{
	struct server_lifecycle *life = &s->life;

	loop_tick_cancel(SSF_STEAL(life->tick));
	loop_signal_cancel(SSF_STEAL(life->sigterm));
	loop_signal_cancel(SSF_STEAL(life->sigint));
	loop_signal_cancel(SSF_STEAL(life->sighup));
}
