from __future__ import annotations

import pytest

from hostaway_sync.environment.origins import Origin, read_origin
from hostaway_sync.errors import AddressRefused
from hostaway_sync.outbound.addresses import is_public
from hostaway_sync.outbound.targets import read_target

PUBLIC = (
    *("93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"),
    "2002:808:808::1",
)
PRIVATE = (
    *("127.0.0.1", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.192", "198.18.0.1", "192.88.99.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *("::", "::1", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "2001::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"),
    *("2002:7f00:1::", "2002:a00:1::1", "::127.0.0.1", "fe80::1%"),
)


def test_only_addresses_of_the_internet_are_public() -> None:
    """Neither this machine nor its network nor its cloud is public, however its address is written in IPv6."""
    assert [address for address in PUBLIC if not is_public(address)] == []
    assert [address for address in PRIVATE if is_public(address)] == []


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://n8n:5678", Origin("http", "n8n", 5678)),
        ("https://Hooks.Example.com/", Origin("https", "hooks.example.com", 443)),
        ("http://[::1]:80", Origin("http", "[::1]", 80)),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: Origin) -> None:
    """The usual port need not be written."""
    assert read_origin(text) == origin
    assert read_origin(str(origin)) == origin


@pytest.mark.parametrize(
    "text", ["n8n:5678", "http://n8n/hook", "http://u@n8n", "ftp://n8n", "http://n8n?x", "", "http://n8n#a"]
)
def test_whatever_else_is_no_origin(text: str) -> None:
    """Neither a path nor a user belongs to it, and no other scheme is known."""
    with pytest.raises(ValueError, match=r"is not an http|has more than"):
        read_origin(text)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/", "is not https"),
        ("http://n8n:5679/hook", "is not https"),
        ("https://user:word@example.com/", "a user, a password"),
        ("https://example.com/#part", "number sign"),
        ("file:///etc/passwd", "is not an http or https address"),
        ("https://a..b/", "cannot be"),
        ("https://" + "a" * 2000, "longer than"),
        ("hooks.example.com/a", "is not an http or https address"),
        ("ftp://example.com/", "is not an http or https address"),
        ("https://10.1.2.3/", r"^10\.1\.2\.3 is not public"),
        ("https://2130706433/", r"^127\.0\.0\.1 is not public"),
        ("https://[::1]:8443/", r"name https://\[::1\]:8443 in HOSTAWAY"),
        ("https://LocalHost/", "^localhost is not public"),
        ("https://a.localhost./", "is not public"),
        ("https://exam\tple.com/", "control character"),
        ("https://example.com/\x1b[31m", "control character"),
        (" https://example.com/", "a space"),
        ("https://example.com\\@10.0.0.1/", "backslash"),
    ],
)
def test_a_url_that_may_not_be_asked_is_refused(url: str, words: str) -> None:
    """The sentence says what is wrong with it."""
    with pytest.raises(AddressRefused, match=words):
        read_target(url, frozenset({read_origin("http://n8n:5678")}))


def test_an_origin_of_the_settings_is_exempt_and_no_other() -> None:
    """An exemption is for one scheme, one host and one port."""
    allowed = frozenset({read_origin("http://n8n:5678")})
    assert read_target("http://N8N:5678/hook?a=1", allowed).is_exempt
    target = read_target("https://n8n:5678/hook", allowed)
    assert (target.is_exempt, target.url) == (False, "https://n8n:5678/hook")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://hooks.slack.com/services/T0/B0/token", "https://hooks.slack.com/…"),
        ("https://n8n.example.com:5678/?key=token", "https://n8n.example.com:5678/…"),
        ("https://example.com", "https://example.com/"),
    ],
)
def test_of_a_masked_url_only_scheme_and_host_are_left(url: str, masked: str) -> None:
    """A path and a query often hold a secret; that there is one is to be seen."""
    assert read_target(url, frozenset()).masked == masked
