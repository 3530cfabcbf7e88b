# SPDX-License-Identifier: Apache-2.0
"""Where the tree and the built programs are."""
import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("SSF_BUILD", ROOT / "build" / "dev")).resolve()
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"   # Python programs that tests start


def program(path):
    """The full path of a built program: program("receivers/ssf-receive")."""
    full = BUILD / path
    assert full.is_file(), f"{full} is not built (SSF_BUILD names the build folder)"
    return str(full)


def have(*names):
    """Whether all these commands are installed."""
    return all(shutil.which(name) for name in names)
