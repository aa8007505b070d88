"""Imports and builds the whole program, for the process from which tests fork it."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil

from tests.support.rehearsal import REHEARSAL_URL, rehearse

import hostaway_sync
from hostaway_sync.cli.main import command_tree

for module in pkgutil.walk_packages(hostaway_sync.__path__, "hostaway_sync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
command_tree()
if url := os.environ.pop(REHEARSAL_URL, None):
    rehearse(url)

# Objects made until now are no garbage in any process, and a page that no process writes to is shared by all.
gc.collect()
gc.freeze()
