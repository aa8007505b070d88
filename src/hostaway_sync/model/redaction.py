"""Redaction of payloads: removes fields, or replaces their values by a keyed hash, before a payload is stored.

    reservations.phone=drop          one key of a resource, and of its copies in conversations
    *.phone=hash                     one key of every resource, but for what no account owns
    tasks.title=drop                 one key of another kind of objects
    reservations.fields.value=drop   a path; it applies to every item of a list

Equal values have equal hashes, whatever their capital letters, so rows can still be joined.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.vocabulary import Vocabulary

HASH_RULE: Final = b"\x02"
"""First byte of the hash of a redacted payload; four bytes that identify the rules follow."""
MARK_BYTES: Final = 5
_DIGEST_BYTES: Final = 16
_HASHED: Final = "hmac-sha256:"
_UNREAD: Final = b"not kept: "
_IS_HASHED: Final = re.compile(rb'"hmac-sha256:[0-9a-f]{32}"')
_FIRST_RESOURCES: Final = ("listings", "reservations", "conversations", "messages")
# Those that `*` did not name at first.
_EVERY_KIND: Final = "kinds"
_LATER_RESOURCES: Final = ("calendar", _EVERY_KIND)
_RESOURCES: Final = _FIRST_RESOURCES + _LATER_RESOURCES
_NAMED: Final = (*_FIRST_RESOURCES, "calendar")
_DELIVERIES: Final = "deliveries"
_RULE: Final = re.compile(r"(\*|[a-z]+(?:_[a-z]+)*)\.([A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*){0,7})=(drop|hash)")
_OBJECTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LISTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_FORM: Final = (
    "must be resource.key=drop or resource.key=hash, separated by commas, for example reservations.phone=hash"
)


@dataclass(frozen=True, slots=True)
class RedactionRule:
    """Drops or hashes one field; `path` leads to it, through objects and lists."""

    resource: str
    path: tuple[str, ...]
    is_hashed: bool


def parse_rules(text: str) -> tuple[RedactionRule, ...]:
    """Parse the rules of a setting.

    Raises:
        ValueError: the text has another form; `require_needed_fields` knows which resources there are.
    """
    rules: list[RedactionRule] = []
    for word in text.replace(",", " ").split():
        found = _RULE.fullmatch(word)
        if found is None:
            raise ValueError(_FORM)
        wanted, path = found[1], tuple(found[2].split("."))
        named = _RESOURCES if wanted == "*" else (wanted,)
        rules += [RedactionRule(resource, path, found[3] == "hash") for resource in named]
    return tuple(rules)


def require_needed_fields(rules: Iterable[RedactionRule], vocabulary: Vocabulary) -> None:
    """Raise ValueError if a rule names no resource, or hides a key that the mirror itself needs."""
    for rule in rules:
        if rule.resource not in {*_RESOURCES, *vocabulary.object_keys}:
            known = ", ".join((*_NAMED, *sorted(vocabulary.object_keys)))
            raise ValueError(f"names {rule.resource}, but only {known} and * have payloads")
        if rule.path[0] in vocabulary.needed_keys.get(rule.resource, ()):
            raise ValueError(f"hides {rule.resource}.{rule.path[0]}, which the mirror itself needs")


class _Tree(dict[str, "_Tree | bool"]):
    """Redaction rules as a tree of keys; a leaf tells whether its value is hashed (True) or dropped (False)."""

    def add(self, path: tuple[str, ...], *, is_hashed: bool) -> None:
        """Add a path; dropping takes precedence over hashing, and a whole value over its parts."""
        first, rest = path[0], path[1:]
        known = self.get(first)
        if not rest:
            self[first] = is_hashed and known is not False
        elif not isinstance(known, bool):
            tree = known or _Tree()
            tree.add(rest, is_hashed=is_hashed)
            self[first] = tree

    def hides(self, other: _Tree) -> bool:
        """Whether this tree hides all that `other` hides; a hash hides less than dropping: it shows equal values."""
        return all(_hides(self.get(key), below) for key, below in other.items())


class Redactor:
    """Redacts the payloads of one resource, or of deliveries."""

    def __init__(self, paths: Iterable[tuple[tuple[str, ...], bool]], mark: bytes, secret: bytes) -> None:
        self._tree = _tree(paths)
        self._mark = mark
        self._secret = secret

    def __bool__(self) -> bool:
        """Whether any rule applies."""
        return bool(self._tree)

    def digest(self, raw: bytes) -> bytes:
        """Return the hash of an object's exact bytes; without the secret, no guess can be compared with it."""
        return self._mark + blake2b(raw, digest_size=_DIGEST_BYTES, key=self._secret).digest()

    def redact(self, payload: str) -> str:
        """Return a JSON text after redaction; values that are hashed already stay unchanged."""
        return bytes(self._redact(msgspec.Raw(payload.encode()), self._tree)).decode()

    def redact_exact(self, raw: bytes, payload: str | None) -> bytes:
        """Return exact bytes after redaction; if they are no JSON object, `payload` instead, or else their size."""
        for text in (raw, (payload or "").encode()):
            try:
                _OBJECTS.decode(text)
            except msgspec.MsgspecError:
                continue
            return bytes(self._redact(msgspec.Raw(text), self._tree))
        if raw.startswith(_UNREAD):
            return raw
        return _UNREAD + f"{len(raw)} bytes, blake2b {self.digest(raw)[MARK_BYTES:].hex()}".encode()

    def hash_text(self, value: str) -> str:
        """Return the hash that replaces a text."""
        return _hashed(self._secret, value.strip().casefold().encode())

    def _redact(self, raw: msgspec.Raw, tree: _Tree) -> msgspec.Raw:
        try:
            members = _OBJECTS.decode(raw)
        except msgspec.MsgspecError:
            try:
                items = _LISTS.decode(raw)
            except msgspec.MsgspecError:
                return raw
            return msgspec.Raw(msgspec.json.encode([self._redact(item, tree) for item in items]))
        for key, below in tree.items():
            value = members.get(key)
            if value is None:
                continue
            if isinstance(below, _Tree):
                members[key] = self._redact(value, below)
            elif not below:
                del members[key]
            elif value != msgspec.Raw(b"null") and not _IS_HASHED.fullmatch(bytes(value)):
                members[key] = msgspec.Raw(msgspec.json.encode(self._hash_of(value)))
        return msgspec.Raw(msgspec.json.encode(members))

    def _hash_of(self, value: msgspec.Raw) -> str:
        try:
            return self.hash_text(msgspec.json.decode(value, type=str))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _hashed(self._secret, bytes(value))


def hides_at_least(rules: Iterable[RedactionRule], others: Iterable[RedactionRule], vocabulary: Vocabulary) -> bool:
    """Whether `rules` hide in every payload at least what `others` hide.

    This is a partial order: it may be False for two sets of rules in both directions.
    """
    ours, theirs = _paths(tuple(rules), vocabulary), _paths(tuple(others), vocabulary)
    return all(_tree(ours.get(place, ours[_EVERY_KIND])).hides(_tree(theirs[place])) for place in theirs)


def redacted_resources(rules: Iterable[RedactionRule], vocabulary: Vocabulary) -> frozenset[str]:
    """Return the resources whose payloads the rules change; conversations hold copies of other resources."""
    return frozenset(place for place, paths in _paths(tuple(rules), vocabulary).items() if paths)


def is_redacted_kind(kind: str, rules: Iterable[RedactionRule]) -> bool:
    """Whether the rules change payloads of another kind of objects."""
    return any(rule.resource in {kind, _EVERY_KIND} for rule in rules)


def format_rules(rules: Iterable[RedactionRule]) -> str:
    """Return rules in the form of the setting, sorted and without repetitions."""
    kept: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        kept.setdefault((".".join(rule.path), "hash" if rule.is_hashed else "drop"), set()).add(rule.resource)
    words = [
        f"{resource}.{path}={how}"
        for (path, how), resources in kept.items()
        for resource in (["*"] if resources == set(_RESOURCES) else resources)
    ]
    return ",".join(sorted(words))


class Redaction:
    """The redaction of all payloads of a mirror.

    Args:
        rules: the fields to hide.
        secret: the 32 bytes of the hash key; processes with the same secret make the same hashes.
        vocabulary: tells where a payload holds copies of other objects, and a delivery its object.

    Attributes:
        mark: the first bytes of the hash of a payload redacted by these rules.
        rules: the fields to hide.
        vocabulary: as given.
    """

    def __init__(self, rules: Iterable[RedactionRule], secret: bytes, vocabulary: Vocabulary) -> None:
        rules = tuple(rules)
        fingerprint = hmac.new(secret, "\n".join(_name_rules(rules)).encode(), sha256).digest()
        self.mark = HASH_RULE + fingerprint[: MARK_BYTES - len(HASH_RULE)]
        self.rules = rules
        self.vocabulary = vocabulary
        paths = _paths(rules, vocabulary)
        self._redactors = {name: Redactor(paths[name], self.mark, secret) for name in paths}
        self.deliveries = Redactor(paths[_DELIVERIES], self.mark, secret)

    def redactor_for(self, resource: str) -> Redactor | None:
        """Return the redactor of a resource or of another kind of objects, or None if no rule applies to it."""
        return self._redactors.get(resource, self._redactors[_EVERY_KIND]) or None

    def hash_text(self, value: str) -> str:
        """Return the hash that replaces a text."""
        return self.deliveries.hash_text(value)


def _name_rules(rules: tuple[RedactionRule, ...]) -> list[str]:
    """Return the lines that identify rules; those of a rule for `*` are the same as before `*` named more resources."""
    lines_of: dict[str, list[str]] = {name: [] for name in (*_RESOURCES, *_other_kinds(rules))}
    for rule in rules:
        lines_of[rule.resource].append(f"{'.'.join(rule.path)} {rule.is_hashed}")
    lines = [f"{name} {line}" for name in _FIRST_RESOURCES for line in lines_of[name]]
    everywhere = set.intersection(*(set(lines_of[name]) for name in _FIRST_RESOURCES))
    for name in _LATER_RESOURCES:
        lines += [f"{name} {line}" for line in set(lines_of[name]) - everywhere]
        lines += [f"{name} {line} not" for line in everywhere - set(lines_of[name])]
    lines += [f"{name} {line}" for name in _other_kinds(rules) for line in lines_of[name]]
    return sorted(lines)


def _hides(ours: _Tree | bool | None, theirs: _Tree | bool) -> bool:  # noqa: FBT001  (what a tree holds)
    """Whether one action on a field hides at least what another one hides; None: the field is kept."""
    if ours is None:
        return False
    if isinstance(ours, _Tree):
        return isinstance(theirs, _Tree) and ours.hides(theirs)
    return not ours or theirs is not False


def _paths(rules: tuple[RedactionRule, ...], vocabulary: Vocabulary) -> dict[str, list[tuple[tuple[str, ...], bool]]]:
    """Return the paths to hide in each kind of payload, with those of copies of other objects."""
    kinds = _other_kinds(rules)
    own = {
        name: [
            (rule.path, rule.is_hashed)
            for rule in rules
            if rule.resource == name or (name in kinds and rule.resource == _EVERY_KIND)
        ]
        for name in (*_RESOURCES, *kinds)
    }
    copies = [((key, *path), is_hashed) for name, key in vocabulary.copy_keys.items() for path, is_hashed in own[name]]
    # Deliveries tell of these alone.
    told = [rule for rule in rules if rule.resource in _FIRST_RESOURCES]
    everywhere = [((*place, *rule.path), rule.is_hashed) for place in vocabulary.delivery_paths for rule in told]
    return own | {"conversations": own["conversations"] + copies, _DELIVERIES: everywhere}


def _other_kinds(rules: Iterable[RedactionRule]) -> list[str]:
    """Return the other kinds of objects that rules name, in order."""
    return sorted({rule.resource for rule in rules} - set(_RESOURCES))


def _tree(paths: Iterable[tuple[tuple[str, ...], bool]]) -> _Tree:
    tree = _Tree()
    for path, is_hashed in paths:
        tree.add(path, is_hashed=is_hashed)
    return tree


def _hashed(secret: bytes, value: bytes) -> str:
    return _HASHED + hmac.new(secret, value, sha256).hexdigest()[:32]
