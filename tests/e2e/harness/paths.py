# SPDX-License-Identifier: Apache-2.0
"""Where the tree and the built programs are."""
import os
import pathlib
import shutil
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("SSF_BUILD", ROOT / "build" / "dev")).resolve()
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"   # Python programs that tests start


def temporary_base():
    """Where tests make databases and data directories: SSF_TMP, or in memory if there is room. A disk
    would be busy with the thousand files that each database has."""
    memory = pathlib.Path("/dev/shm")
    if "SSF_TMP" in os.environ:
        return os.environ["SSF_TMP"]
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return str(memory)
    return "/tmp"


def new_folder(prefix, base=None):
    """A temporary folder. Not below pytest's own: the account that PostgreSQL runs as has to get
    through."""
    return pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=base or temporary_base()))


def program(path):
    """The full path of a built program: program("receivers/ssf-receive")."""
    full = BUILD / path
    assert full.is_file(), f"{full} is not built (SSF_BUILD names the build folder)"
    return str(full)


def have(*names):
    """Whether all these commands are installed."""
    return all(shutil.which(name) for name in names)
