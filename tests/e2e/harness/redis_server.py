# SPDX-License-Identifier: Apache-2.0
"""A Redis server of the test's own."""
import pathlib
import signal

import redis

from .poll import wait_until
from .process import Proc


class Redis:
    """A redis-server without persistence, on a unix socket and, if a port is given, on loopback."""

    def __init__(self, folder, port=0, password=None):
        self.folder = pathlib.Path(folder)
        self.path = str(self.folder / "redis.sock")
        self.port = port
        self.password = password
        self.proc = None
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        argv = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket",
                self.path, "--save", "", "--appendonly", "no", "--dir", str(self.folder),
                "--daemonize", "no"]
        if self.password:
            argv += ["--requirepass", self.password]
        self.proc = Proc(argv, self.folder, f"redis-{self.starts}")
        wait_until(self._answers, what="redis-server answers")

    def _answers(self):
        try:
            return self.client().ping()
        except redis.exceptions.ConnectionError:
            assert self.proc.alive(), self.proc.stdout()
            return False

    def client(self):
        return redis.Redis(unix_socket_path=self.path, password=self.password,
                           decode_responses=True)

    def pause(self):
        self.proc.send_signal(signal.SIGSTOP)

    def resume(self):
        self.proc.send_signal(signal.SIGCONT)

    def kill(self):
        self.proc.popen.kill()
        self.proc.popen.wait(60)

    def close(self):
        self.proc.close()
