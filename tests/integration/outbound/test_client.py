from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.servers.consumer import Answer, consuming, make_certificate

from hostaway_sync.environment.origins import read_origin
from hostaway_sync.errors import AddressRefused, TargetUnavailable
from hostaway_sync.outbound.client import OutboundClient, OutboundLimits

if TYPE_CHECKING:
    from pathlib import Path

BRIEF = OutboundLimits(connect_s=0.3, total_s=0.3, answer_bytes=1_000)


def open_client(*origins: str, limits: OutboundLimits | None = None) -> OutboundClient:
    """Return a client for which these origins are exempt."""
    return OutboundClient(frozenset(map(read_origin, origins)), limits)


def test_the_answer_is_cut_and_no_redirect_is_followed() -> None:
    """An answer of a gigabyte costs its first bytes; a redirect is an answer like any other."""
    with consuming() as consumer:
        client = open_client(consumer.url, limits=OutboundLimits(answer_bytes=1_000))
        consumer.answer = lambda _: Answer(body=b"x" * 1_000_000, times=1_000)
        reply = client.post(f"{consumer.url}/hook?a=1", b"{}", {"webhook-id": "evt_1"})
        assert (reply.status, reply.body) == (200, b"x" * 1_000)
        heard = consumer.heard[0]
        assert (heard.path, heard.body, heard.headers["webhook-id"]) == ("/hook?a=1", b"{}", "evt_1")
        assert heard.headers["host"] == f"127.0.0.1:{consumer.port}"
        assert consumer.sent_bytes < 100_000_000
        consumer.answer = lambda _: Answer(302, {"Location": f"{consumer.url}/other"}, b"over there")
        reply = client.post(consumer.url, b"{}", {})
        assert (reply.status, reply.body, len(consumer.heard)) == (302, b"over there", 2)


def test_a_server_that_does_not_answer_is_given_up() -> None:
    """It is given up after the same time when it keeps sending a byte now and then."""
    with consuming() as consumer:
        client = open_client(consumer.url, limits=BRIEF)
        consumer.answer = lambda _: (consumer.ending.wait(60) and Answer()) or Answer()
        with pytest.raises(
            TargetUnavailable, match=r"^http://127.0.0.1:\d+ cannot be told: it did not answer in time$"
        ):
            client.post(consumer.url, b"{}", {})
        consumer.answer = lambda _: Answer(drip=True)
        with pytest.raises(TargetUnavailable, match="did not answer in time"):
            client.post(consumer.url, b"{}", {})
        url = consumer.url
    with pytest.raises(TargetUnavailable, match="nothing listens there"):
        client.post(url, b"{}", {})


def test_a_host_with_a_private_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by its name nor by its number, nor where only one of its addresses is private."""
    with consuming() as consumer:
        client = open_client("http://n8n:5678")
        for host in ("localhost", "127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused, match="is not public"):
                client.post(f"https://{host}:{consumer.port}/", b"{}", {})

        def resolve(_host: str, port: int, **_: Any) -> list[Any]:
            addresses = ("93.184.216.34", "127.0.0.1")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with pytest.raises(AddressRefused, match=r"^two.example has an address that is not public: nothing was sent"):
            client.post(f"https://two.example:{consumer.port}/", b"{}", {})
        assert consumer.heard == []


def test_the_address_that_was_judged_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The name is resolved once; TLS and the request still carry the name."""
    certificate = make_certificate(tmp_path / "good.pem", "hooks.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def note(host: str, port: int, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return resolve("127.0.0.1" if host == "hooks.example" else host, port, *rest, **more)

    with consuming(certificate) as consumer:
        monkeypatch.setattr(socket, "getaddrinfo", note)
        url = f"https://hooks.example:{consumer.port}"
        assert open_client(url).post(f"{url}/a", b"{}", {}).status == 200
        assert consumer.heard[0].headers["host"] == f"hooks.example:{consumer.port}"
        assert consumer.server_names == ["hooks.example"]
        assert asked.count("hooks.example") == 1


def test_a_certificate_of_another_host_is_not_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An origin that the settings name may be private, and its certificate must still be right."""
    with consuming(make_certificate(tmp_path / "other.pem", "other.example")) as consumer:
        url = f"https://localhost:{consumer.port}"
        with pytest.raises(TargetUnavailable, match=r"its certificate is not trusted \(self-signed certificate\)"):
            open_client(url).post(url, b"{}", {})
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
        with pytest.raises(TargetUnavailable, match=r"certificate is not trusted .*localhost"):
            open_client(url).post(url, b"{}", {})
        assert consumer.heard == []
