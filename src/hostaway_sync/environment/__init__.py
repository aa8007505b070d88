"""What surrounds the process: variables, environment files, other files the operator named, and the proxy to use."""

from __future__ import annotations
