/* SPDX-License-Identifier: Apache-2.0 */
/* The URLs of the hub, which are made of the setting "issuer", or else of the port. */
#pragma once

#include "hub/server/server.h"

/* Before the port is known: checks the issuer of the settings, if there is one. */
ssf_nodiscard int urls_check(struct server *s, struct ssf_err *err);
/* The port is known: makes the URLs and writes hub.url for the commands. */
ssf_nodiscard int urls_set(struct server *s, unsigned port, struct ssf_err *err);
void urls_done(struct server *s);
