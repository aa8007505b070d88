"""A PostgreSQL server of our own: started by its first user, stopped by its last.

start → join the users → does it answer? ── yes ─────────────────────────────────→ attached (a few ms)
                              └─ no → start alone → home → binaries → cluster → started (0.1 s; 0.5 s from nothing)
release → leave the users → the last one? → stop

server      the facade: who may start, attach and stop, decided by locks alone
locks       file locks and waiting; the kernel drops a lock when its process ends, however that ends
home        where the cluster lives and as whom its server runs
binaries    which `postgres` to run
cluster     `initdb`, and the launch with its settings
processes   what is alive of a server that does not answer
"""

from __future__ import annotations

from hostaway_sync.store.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
