# SPDX-License-Identifier: Apache-2.0
"""TCP ports and connections on loopback."""
import pathlib
import random
import socket

from .poll import wait_until

EPHEMERAL = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST = 10000
_given = set()


def _candidates():
    """Ports that the kernel gives to no outgoing connection: a hub can be restarted on such a port
    while other tests run. 0 (any) where there are too few of them."""
    last = int(EPHEMERAL.read_text().split()[0])
    while last - FIRST > 5000:
        yield random.randrange(FIRST, last)
    while True:
        yield 0


def free_port():
    """A port that nothing is bound to, and that this process has not handed out before."""
    for candidate in _candidates():
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            port = s.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_read(sock):
    """Waits until the other process has read all that was sent: nothing is in its receive queue."""
    mine, its = (f":{address[1]:04X}" for address in (sock.getsockname(), sock.getpeername()))

    def is_read():
        with open("/proc/net/tcp", encoding="ascii") as f:
            fields = [line.split() for line in f]
        # a line may be missing or be there twice while the table changes: then look again
        received = [c[4] for c in fields if c[1].endswith(its) and c[2].endswith(mine)]
        sent = [c[4] for c in fields if c[1].endswith(mine) and c[2].endswith(its)]
        return len(received) == len(sent) == 1 and received[0].endswith(":00000000") and \
            sent[0].startswith("00000000:")
    wait_until(is_read, what="the request is read")
