"""Imports the whole program, for the process from which tests fork it."""

from __future__ import annotations

import gc
import importlib
import pkgutil

import hostaway_sync

for module in pkgutil.walk_packages(hostaway_sync.__path__, "hostaway_sync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

# What is imported is no garbage in any process, and a page that no process writes to is shared by all.
gc.freeze()
