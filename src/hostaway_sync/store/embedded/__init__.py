"""The embedded PostgreSQL server: started by its first user, stopped by its last.

start → join the users → does it answer? ── yes ────────────────────────────────────→ attached (a few ms)
                              └─ no → lock → location → binaries → cluster → started (0.1 s; 0.5 s with initdb)
release → leave the users → the last one? → stop

server      the facade: start, attach and stop, decided by file locks alone
location    directory of the cluster, and the system user that runs the server
binaries    which `postgres` to run
cluster     `initdb`, and the launch with its settings
processes   living processes of a server that does not answer

File locks are in `environment.file_locks`: the kernel drops a lock whenever its process ends.
"""

from __future__ import annotations

from hostaway_sync.store.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
