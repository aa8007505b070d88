"""A real PgBouncer before the tests' server: a process of its own, on a Unix socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support.deliveries import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostaway_sync.store.embedded import EmbeddedPostgres

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
PORT = 6432
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="there is no PgBouncer: install Debian's `pgbouncer`")


@contextmanager
def pgbouncer(server: EmbeddedPostgres, url: str, settings: Mapping[str, str], *, processes: int = 1) -> Iterator[str]:
    """Run a PgBouncer of some processes with these settings; return a URL that leads through it to `url`."""
    direct = sa.make_url(url)
    owner = server.socket_dir.stat()
    room = Path(tempfile.mkdtemp(prefix="hostaway-sync-pooler-"))
    os.chown(room, owner.st_uid, owner.st_gid)
    users = room / "users"
    users.write_text(f'"{direct.username}" "x"\n"postgres" "x"\n', encoding="ascii")
    users.chmod(0o644)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, room)
        for number in range(processes):
            own = room / str(number)
            own.mkdir()
            os.chown(own, owner.st_uid, owner.st_gid)
            wanted = {
                "unix_socket_dir": own,
                "listen_port": PORT,
                "auth_type": "trust",
                "auth_file": users,
                "logfile": own / "log",
                "pidfile": own / "pid",
                "server_check_delay": 0,
                **settings,
            }
            lines = [f"{name} = {value}" for name, value in wanted.items()]
            database = f"* = host={server.socket_dir} port=5432"
            configuration = own / "ini"
            configuration.write_text("\n".join(["[databases]", database, "[pgbouncer]", *lines, ""]), encoding="ascii")
            configuration.chmod(0o644)
            assert PROGRAM
            process = subprocess.Popen(
                [PROGRAM, "--quiet", str(configuration)],
                user=None if os.geteuid() == owner.st_uid else owner.st_uid,
                group=None if os.geteuid() == owner.st_uid else owner.st_gid,
                extra_groups=None if os.geteuid() == owner.st_uid else [],
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            eventually((own / f".s.PGSQL.{PORT}").exists, "it listens")
        places = {"host": ",".join(str(room / str(number)) for number in range(processes))}
        places["port"] = ",".join([str(PORT)] * processes)
        through = direct.set(host=None, port=None, query=places)
        yield through.render_as_string(hide_password=False)
