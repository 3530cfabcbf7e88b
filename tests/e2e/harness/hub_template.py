# SPDX-License-Identifier: Apache-2.0
"""What a hub makes at its first start (schema, keys, CA, master key), made once and then copied.

A hub on a copy is ready in 0.4 s; one with a private PostgreSQL needs 1.6 s, most of it for initdb,
migrations and RSA keys."""
from .hub import Hub
from .postgres import Postgres

TEMPLATE = "hub_template"


class HubTemplate:
    """A PostgreSQL server with the database of a hub that has been started and stopped once."""

    def __init__(self, tls):
        self.postgres = Postgres("fsync=off", "max_connections=500", "shared_buffers=32MB",
                                 "min_wal_size=32MB", "max_wal_size=64MB")
        self.hub = None
        try:
            self.postgres.new_database(TEMPLATE)
            self.hub = Hub(tls, "--database", self.postgres.conninfo_of(TEMPLATE))
            self.hub.stop()
        except BaseException:
            self.close()
            raise

    def new_hub(self, tls, *args, fresh=False, **kwargs):
        """A hub on a database of its own, which goes with the hub. fresh: an empty database and an
        empty data directory, so that this is its first start."""
        if fresh:
            name = self.postgres.new_database()
            data = None
        else:
            name = self.postgres.new_database(template=TEMPLATE)
            data = self.hub.data
        hub = Hub(tls, "--database", self.postgres.conninfo_of(name), *args, data=data, **kwargs)
        hub.at_close = lambda: self.postgres.drop_database(name)
        return hub

    def new_database(self):
        """The conninfo of an empty database, for hubs with --database; it goes with the server."""
        return self.postgres.conninfo_of(self.postgres.new_database())

    def close(self):
        if self.hub is not None:
            self.hub.close()
        self.postgres.close()
