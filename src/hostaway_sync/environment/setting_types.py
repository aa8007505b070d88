"""Types of settings that are written as one line of text: networks, ids, names, fields of payloads."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator

from hostaway_sync.environment.origins import Origin, read_origin
from hostaway_sync.model.ids import read_id
from hostaway_sync.model.redaction import parse_rules


def _parse_networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = value.replace(",", " ").split()
    try:
        for word in words:
            ipaddress.ip_network(word)
    except ValueError:
        raise ValueError("must be addresses or networks, separated by commas, for example 10.0.0.0/8") from None
    return tuple(words)


def _parse_ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    ids = frozenset(read_id(word) for word in value.replace(",", " ").split())
    if None in ids:
        raise ValueError("must be reservation ids, separated by commas, for example 41200077,41200078")
    return ids


ReservationIds = Annotated[frozenset[int], BeforeValidator(_parse_ids)]


Networks = Annotated[tuple[str, ...], BeforeValidator(_parse_networks)]


def _parse_names(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _parse_origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = value.replace(",", " ").split()
    try:
        return frozenset(map(read_origin, words))
    except ValueError as error:
        raise ValueError(f"must be schemes and hosts written in full, such as http://n8n:5678: one {error}") from None


Origins = Annotated[frozenset[Origin], BeforeValidator(_parse_origins)]
Names = Annotated[tuple[str, ...], BeforeValidator(_parse_names)]


def _parse_payload_fields(value: object) -> object:
    if isinstance(value, str):
        parse_rules(value)
    return value


PayloadFields = Annotated[str, BeforeValidator(_parse_payload_fields)]
