"""The environment of the process: variables, environment files, files that an operator named, and the proxy to use."""

from __future__ import annotations
