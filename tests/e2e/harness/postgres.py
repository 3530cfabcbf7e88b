# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the tests' own, for hubs that are started with --database."""
import atexit
import contextlib
import functools
import itertools
import os
import pathlib
import shutil
import signal
import subprocess

import psycopg2

from .paths import new_folder
from .poll import wait_until


class Account:
    """The system account that PostgreSQL runs as: it refuses to run as root."""

    def __init__(self):
        self.name = "postgres" if os.geteuid() == 0 else None
        self.popen_args = {"user": self.name, "group": self.name, "extra_groups": [],
                           "cwd": "/"} if self.name else {"cwd": "/"}

    def new_folder(self, base=None):
        folder = new_folder("ssf-e2e-pg-", base)
        if self.name:
            shutil.chown(folder, self.name)
        return folder


ACCOUNT = Account()


def bindir():
    return max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))


def run(name, *args):
    subprocess.run([bindir() / name, *args], check=True, capture_output=True, timeout=120,
                   **ACCOUNT.popen_args)


@functools.cache
def initialized():
    """A data directory as initdb leaves it, made once a process: copying is ten times as fast."""
    folder = ACCOUNT.new_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run("initdb", "-D", str(folder / "pg"), "-U", "ssfhub", "-A", "trust", "-E", "UTF8",
        "--locale=C", "--no-sync")
    return folder / "pg"


class Postgres:
    """A server on a unix socket with an empty database "ssfhub", which conninfo names."""

    def __init__(self, *settings, base=None):
        self.settings = settings or ("fsync=off",)
        self.folder = ACCOUNT.new_folder(base)
        self.popen = None
        self.numbers = itertools.count(1)
        subprocess.run(["cp", "-a", str(initialized()), str(self.folder / "pg")], check=True)
        self.conninfo = self.conninfo_of("ssfhub")
        try:
            self.start()
            self.new_database("ssfhub")
        except BaseException:
            self.close()
            raise

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.popen = subprocess.Popen(
                [bindir() / "postgres", "-D", str(self.folder / "pg"), "-k", str(self.folder),
                 "-c", "listen_addresses=", *(f"--{s}" for s in self.settings)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **ACCOUNT.popen_args)
        wait_until(self._answers, what="postgres answers")

    def _answers(self):
        assert self.popen.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(psycopg2.OperationalError):
            self.connect("postgres").close()
            return True

    def conninfo_of(self, database):
        return f"host={self.folder} user=ssfhub dbname={database}"

    def connect(self, database="ssfhub"):
        return psycopg2.connect(self.conninfo_of(database))

    def _execute(self, statement):
        with contextlib.closing(self.connect("postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def new_database(self, name=None, template="template0"):
        """Creates a copy of the template, and returns its name."""
        name = name or f"db{next(self.numbers)}"
        self._execute(f"create database {name} template {template} strategy file_copy")
        return name

    def drop_database(self, name):
        self._execute(f"drop database {name} with (force)")

    def stop(self):
        self.popen.send_signal(signal.SIGINT)   # fast shutdown
        self.popen.wait(60)

    def close(self):
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(signal.SIGQUIT)
            self.popen.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)
