"""Fixtures of all tests: a real PostgreSQL, a migrated database for each test, and no environment of the machine."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from tests.support import secret_scan
from tests.support.database_reset import reset_database
from tests.support.db_roles import DbRoles
from tests.support.examples import FIRST_FAILURE, THOROUGH
from tests.support.rehearsal import REHEARSAL_URL
from tests.support.sync_env import SyncEnv

from hostaway_sync.app.resources import list_view_names, name_core
from hostaway_sync.sandbox import Sandbox
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.embedded import EmbeddedPostgres
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tests.support.servers.fake_aws import FakeAws
    from tests.support.servers.fake_vault import FakeVault

# None of the machine's own settings may reach a test.
for _name in [
    name
    for name in os.environ
    if name.startswith(("HOSTAWAY_SYNC_", "OTEL_")) and not name.startswith("HOSTAWAY_SYNC_TEST_")
]:
    del os.environ[_name]
# Nor may its ignored signals: under nohup every program of the tests would ignore SIGHUP, too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The result must depend neither on the machine's speed nor on jitter: no example has a deadline, and CI draws the same
# ones every time, a developer's machine new ones.
_any_machine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("any machine", _any_machine)
settings.register_profile(THOROUGH, _any_machine)
settings.register_profile("repeatable", _any_machine, derandomize=True)
# For the mutants: that a test fails is enough, the smallest example of it takes minutes.
settings.register_profile(
    FIRST_FAILURE,
    _any_machine,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable" if os.environ.get("CI") else "any machine"))


# Of each test process: a server's files are some 200 MB when all tests have run, and another process may take as much.
_ROOM = 2_000_000_000

# Where a test takes seconds.
_LONG = {"cli", "integration", "system"}

# Imported and collected objects are no garbage: without this a fifth of the tests' time is spent on them.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage from here on, and only among objects of the tests."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run short tests last, so that no process still has a long one when the others have ended.

    Property tests are the longest of the short ones: they come last where the first failure ends it all.
    """
    items.sort(key=lambda item: _LONG.isdisjoint(item.path.parts))
    if os.environ.get("HYPOTHESIS_PROFILE") == FIRST_FAILURE:
        items.sort(key=lambda item: getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail every test that prints or logs a secret."""
    report = yield
    secret_scan.fail_on_secrets(report)
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Return a PostgreSQL of this test process; HOSTAWAY_SYNC_TEST_PG_BIN names other binaries."""
    del tmp_path_factory  # it is below a 0700 directory, which root's server could not enter
    binaries = os.environ.get("HOSTAWAY_SYNC_TEST_PG_BIN")
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-tests-", dir=_roomy_memory()))
    directory.chmod(0o711)
    postgres = EmbeddedPostgres(directory / "pg", bin_dir=Path(binaries) if binaries else None)
    postgres.start()
    # No data need to survive a crash, and a database is copied in a tenth of the time.
    for setting in ("fsync = off", "max_wal_size = '64MB'", "autovacuum = off"):
        _execute(postgres, f"ALTER SYSTEM SET {setting}")
    _execute(postgres, "SELECT pg_reload_conf()")
    yield postgres
    postgres.release()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template(server: EmbeddedPostgres) -> str:
    """Return the name of a migrated database that others are copied from."""
    name = "template_of_tests"
    _execute(server, f"CREATE DATABASE {name}")
    database = Database(server.url(name), schema="hostaway")
    revisions.upgrade_database(database, list_view_names(), name_core("core"))
    database.close()
    _execute(server, f"CREATE DATABASE {name}_rehearsal TEMPLATE {name} STRATEGY file_copy")
    os.environ[REHEARSAL_URL] = server.url(f"{name}_rehearsal")
    return name


@pytest.fixture
def empty_database_url(server: EmbeddedPostgres) -> Iterator[str]:
    """Return the URL of a database without migrations."""
    name = f"test_{uuid.uuid4().hex}"
    _execute(server, f"CREATE DATABASE {name}")
    yield server.url(name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def spare() -> list[str]:
    """Return the names of databases that were emptied after a test, for the next one."""
    return []


@pytest.fixture
def database_url(server: EmbeddedPostgres, template: str, spare: list[str]) -> Iterator[str]:
    """Return the URL of a migrated, empty database: one that an earlier test used, or a copy of the template."""
    if spare:
        name = spare.pop()
    else:
        name = f"test_{uuid.uuid4().hex}"
        _execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield server.url(name)
    if reset_database(server.url(name), like=server.url(template)):
        spare.append(name)
    else:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Return a migrated, empty database; waits between attempts take no time."""
    database = Database(database_url, sleep=lambda _: None, schema="hostaway")
    yield database
    database.close()


@pytest.fixture
def db_roles(database: Database) -> Iterator[DbRoles]:
    """Return the roles of a database, with the three groups made."""
    db_roles = DbRoles(database)
    db_roles.create_groups()
    yield db_roles
    db_roles.drop_all()


@pytest.fixture
def ring() -> KeyRing:
    """Return a key ring of one key."""
    return KeyRing([b"k" * 32])


@pytest.fixture
def fake_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """Return a fake AWS of this test; the environment of this process leads to it."""
    from tests.support.servers.fake_aws import running_fake_aws

    with running_fake_aws() as fake_aws:
        for name, value in fake_aws.environment.items():
            monkeypatch.setenv(name, value)
        yield fake_aws


@pytest.fixture
def fake_vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    """Return a fake Vault of this test; the environment of this process leads to it."""
    from tests.support.servers.fake_vault import running_fake_vault

    for name in ("VAULT_TOKEN_FILE", "VAULT_NAMESPACE", "VAULT_KV_MOUNT", "VAULT_CACERT"):
        monkeypatch.delenv(name, raising=False)
    with running_fake_vault() as vault:
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)
        yield vault


@pytest.fixture
def sync_env(database: Database, tmp_path: Path) -> Iterator[Callable[..., SyncEnv]]:
    """Return a function that starts a sandbox with the options given and stores its accounts."""
    with ExitStack() as stack:

        def build(*, store: bool = True, **options: Any) -> SyncEnv:
            options = {"reservations": 12, "listings": 3, "token_delay": 0.0} | options
            sandbox = stack.enter_context(Sandbox(**options))
            # An address tells no function from another.
            origin = None if " at 0x" in repr(options) else repr((store, sorted(options.items())))
            built = SyncEnv(sandbox, database, tmp_path, stack, origin)
            for account_id in sandbox.accounts if store else ():
                built.store_account(account_id)
            return built

        yield build


def _roomy_memory() -> Path | None:
    """Return a directory in memory with room for a server's files; None where there is none.

    On a disk a fifth of the server's time goes into making files.
    """
    memory = Path("/dev/shm")  # noqa: S108  (a directory of our own is made in it)
    is_usable = os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free > _ROOM
    return memory if is_usable else None


def _execute(server: EmbeddedPostgres, statement: str) -> None:
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
