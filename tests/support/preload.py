"""Imports the whole program, for the process from which tests fork it."""

from __future__ import annotations

import importlib
import pkgutil

import hostaway_sync

for module in pkgutil.walk_packages(hostaway_sync.__path__, "hostaway_sync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
