# SPDX-License-Identifier: Apache-2.0
"""A hub under test: its processes, its database, and what its log may contain."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import psycopg2
from jwcrypto import jwk, jws

from .admin_client import AdminClient
from .event_source import EventSource
from .paths import new_folder, program
from .poll import wait_until
from .ports import free_port, wait_read
from .process import Proc
from .sets import lint, part_of


class Hub(AdminClient, EventSource):
    """A hub with its own data directory. args are settings; without --database it runs a private
    PostgreSQL.

    like: another hub, whose issuer and data (not the database, which args name) this one shares, as
    on another machine. data: a data directory to begin with a copy of. base: where the folder is
    made, if not in the tests' usual place."""

    def __init__(self, tls, *args, env=None, like=None, data=None, base=None):
        self.folder = new_folder("ssf-e2e-", base)
        self.folder.chmod(0o711)
        self.data = self.folder / "data"
        self.database = args[args.index("--database") + 1] if "--database" in args else \
            f"host={self.data / 'run'} user=ssfhub dbname=ssfhub"
        self.port = free_port()
        self.issuer = self.url = f"https://localhost:{self.port}"
        if "--issuer" in args:
            self.issuer = args[args.index("--issuer") + 1]
        self.argv = [program("hub/ssfhub"), "serve", "--data", str(self.data),
                     "--listen", f"127.0.0.1:{self.port}", "--ca-file", tls.ca,
                     "--push-allow", "127.0.0.0/8,::1/128",
                     "--retry-min", "50ms", "--retry-max", "1s", *args]
        if like is not None:
            self.issuer = like.issuer
            self.idp = like.idp
            self.argv += ["--issuer", like.issuer]
            data = like.data
        if data is not None:
            self.data.mkdir(mode=0o700)
            for name in ("master.key", "admin.token", "ca.pem", "ca.key"):
                shutil.copy(data / name, self.data / name)
        self.env = env
        self.starts = []
        self.expected = set()   # log events of level error that the test provokes
        self.reported = set()   # errors for which a check has failed already
        self.undocumented = []  # answers that differ from the OpenAPI document
        self.connections = threading.local()
        self.at_close = None    # called when nothing of the hub runs any more
        self.start()

    # --- processes ------------------------------------------------------------------------------

    def start(self, wait=True):
        proc = Proc(self.argv, self.folder, f"hub-{len(self.starts) + 1}", env=self.env)
        self.starts.append(proc)
        if wait:
            try:
                proc.wait_stdout("ssfhub: ready at ")
            except AssertionError:
                self._end()
                raise
            self.session = self.new_session()
            self.admin_token = (self.data / "admin.token").read_text().strip()
        return self

    @property
    def proc(self):
        return self.starts[-1]

    def kill9(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.popen.wait(60)

    def stop(self):
        status = self.proc.stop()
        assert status == 0, f"exit status {status}:\n{self.proc.log()}"

    def restart(self):
        if self.proc.alive():
            self.stop()
        return self.start()

    def log(self):
        """The log of all starts."""
        return "".join(p.log() for p in self.starts)

    def members(self):
        """{owner: pid} of the processes of the running hub that are ready."""
        log, pids = self.proc.log(), {None: self.proc.pid}
        pids |= dict(re.findall(r"event=process\.started number=(\d+) pid=(\d+)", log))
        ready = re.findall(r"event=hub\.ready (?:process=(\d+) )?.* owner=(\S+)", log)
        return {owner: int(pids[number or None]) for number, owner in ready}

    def postgres_pid(self):
        return int((self.data / "pg" / "postmaster.pid").read_text().split()[0])

    def processes(self):
        """The pids of this hub and its private PostgreSQL: the data directory is on their command
        line."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                args = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if any(a.startswith(bytes(self.data)) for a in args):
                found.append(int(entry.parent.name))
        return found

    def check(self):
        """No sanitizer report, no error that the test did not expect, no undocumented answer."""
        for proc in self.starts:
            proc.check()
        errors = [line for line in self.log().splitlines() if " level=error " in line and
                  line not in self.reported and
                  not any(f" event={e} " in line + " " for e in self.expected)]
        self.reported.update(errors)
        wrong, self.undocumented = self.undocumented, []
        assert not errors + wrong, "\n".join(errors + wrong)

    def _end(self):
        for pid in [p.pid for p in self.starts if p.alive()]:
            os.kill(pid, signal.SIGKILL)
        for p in self.starts:
            p.popen.wait(60)
        if (self.data / "pg" / "postmaster.pid").exists():
            pid = self.postgres_pid()
            if pid in self.processes():
                os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not self.processes(), what=f"{self.data}: its processes end")

    def close(self):
        """For teardown: a hub that still runs has to end well, and to leave nothing behind."""
        failed = []
        try:
            if self.proc.alive():
                self.stop()
                left = self.processes()
                assert not left, f"processes left behind: {left}"
            self.check()
        except (AssertionError, subprocess.TimeoutExpired) as e:
            failed.append(str(e))
        finally:
            self._end()
            if self.at_close is not None:
                self.at_close()
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not failed, "\n".join(failed)

    # --- the database ---------------------------------------------------------------------------

    def connect(self):
        return psycopg2.connect(self.database)

    def sql(self, text, *params):
        """Executes a statement, and returns its rows. Each thread keeps a connection; a test may have
        ended it meanwhile."""
        connection = getattr(self.connections, "one", None)
        if connection is not None:
            try:
                return self._execute(connection, text, params)
            except psycopg2.Error:
                if not connection.closed:
                    raise
        self.connections.one = self.connect()
        self.connections.one.autocommit = True
        return self._execute(self.connections.one, text, params)

    @staticmethod
    def _execute(connection, text, params):
        with connection.cursor() as cursor:
            cursor.execute(text, params)
            return cursor.fetchall() if cursor.description else None

    def backdate(self, column, interval, stream=None):
        """Moves a time that is stored of streams (of one or of all) into the past. The running hub
        does not notice: the change counts from its next start on."""
        columns = ("cursor", "acked", "delivered", "last_success_at", "last_error_at", "last_error",
                   "failing", "active_at", "heartbeat_at", "heartbeat_seq", "backlog", "backlog_base")
        self.sql("update stream_state s set rewound = nextval('stream_rewound'), " + ", ".join(
            f"{c} = p.{c}" + (f" - interval '{interval}'" if c == column else "") for c in columns) +
            " from stream_positions() p where p.stream_id = s.stream_id and "
            "coalesce(p.stream_id = %s, true)", stream)

    # --- what HTTP libraries hide ---------------------------------------------------------------

    def begin(self, method, path, body, **headers):
        """Sends a request that the hub reads to its end but cannot answer yet. Returns the connection;
        http.client.HTTPResponse reads the answer."""
        context = ssl.create_default_context(cafile=str(self.data / "ca.pem"))
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=60),
                                server_hostname="localhost")
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
                 *[f"{k}: {v}" for k, v in headers.items()]]
        s.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        wait_read(s)
        return s

    def verify(self, token, audience):
        """Verifies a SET against the keys that the hub publishes, with jwcrypto; its claims."""
        assert lint(token) == []
        published = self.request("GET", "/jwks.json").json()["keys"]
        kid = part_of(token, 0)["kid"]
        key = jwk.JWK(**next(k for k in published if k["kid"] == kid))
        checked = jws.JWS()
        checked.deserialize(token, key, alg=part_of(token, 0)["alg"])
        claims = json.loads(checked.payload)
        assert claims["iss"] == self.issuer
        assert claims["aud"] == audience
        return claims
