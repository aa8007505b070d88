from __future__ import annotations

import re

from tests.support.project.images import DEPLOY

from hostaway_sync.api.guards import LARGEST_BODY

PROXIES = [path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "proxy").iterdir())]
UNITS = {"m": 1024 * 1024, "MiB": 1024 * 1024}


def test_proxies_lead_to_the_api_within_its_limits() -> None:
    """The examples name the port of `serve-api` and the largest body that it takes; `tests/system` runs them."""
    command = (DEPLOY.parent / "src" / "hostaway_sync" / "cli" / "serve_api.py").read_text(encoding="utf-8")
    (port,) = re.findall(r'"Listen on this port."\)\] = (\d+)', command)
    assert len(PROXIES) == 2
    for text in PROXIES:
        assert re.findall(r"127\.0\.0\.1:(\d+)", text) == [port]
        ((size, unit),) = re.findall(r"max(?:_body)?_size (\d+)(\w+)", text)
        assert int(size) * UNITS[unit] == LARGEST_BODY


def test_proxies_keep_what_is_for_operators_inside() -> None:
    """Neither hands on `/ready` and `/metrics`, and neither logs headers, where keys travel."""
    for text in PROXIES:
        assert all(re.search(rf"(location = |@operators path .*){path}\b", text) for path in ("/ready", "/metrics"))
        assert "http_authorization" not in text.lower()
        assert "http_x_api_key" not in text.lower()
