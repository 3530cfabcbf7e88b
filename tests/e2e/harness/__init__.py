# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests share. Everything is on loopback, and everything that is started has close().

A module is one thing:

  paths, poll, ports, process      the tree and its programs, waiting, free ports, child processes
  postgres, redis_server, tls      servers and certificates of the tests' own
  hub                              a hub: processes, database, log; it has the two below in it
  admin_client, event_source       the operator of a hub; the senders of events
  hub_template                     hubs that begin as copies, which is fast
  http_server, receiver            HTTPS servers in the test; receivers of pushes
  poll_stream, stream_client       a receiver that polls; one that manages its streams itself
  load, statements                 senders that survive a killed hub; the hub's SQL statements
  github, sets, leak_rules         a stand-in for GitHub; SETs; the rules of most tests
  openapi, exposition              checks of the hub's answers and of its metrics
  programs/                        receivers that run as processes of their own
"""
from . import exposition, openapi
from .admin_client import KINDS
from .github import GitHub, alert_body, webhook_headers
from .http_server import Answer, Request, Server
from .hub import Hub
from .hub_template import HubTemplate
from .leak_rules import THREE, rules
from .load import Load, check_all_arrived
from .paths import BUILD, PROGRAMS, ROOT, have, new_folder, program
from .poll import busy_factor, wait_until
from .poll_stream import PollStream
from .ports import free_port, listens, wait_read
from .postgres import Postgres
from .process import SANITIZER_MARKS, Proc
from .receiver import CountingReceiver, Endpoint, Push, Receiver
from .redis_server import Redis
from .sets import (CAEP, POLL, PUSH, REVOKED, RISC, SET_TYPE, SSF, STREAM_UPDATED, b64url, lint,
                   part_of, sign_set)
from .stream_client import StreamClient
from .tls import TLS
