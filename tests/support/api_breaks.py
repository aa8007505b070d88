"""What a change of the API's document breaks for its clients: a pure comparison of two documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_METHODS: Final = frozenset(("get", "head", "post", "put", "patch", "delete"))
# By keyword of a schema: whether a value that is now lower takes values away from those who send.
_BOUNDS: Final = {
    "maximum": True,
    "maxLength": True,
    "maxItems": True,
    "minimum": False,
    "minLength": False,
    "minItems": False,
}


def find_breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what a client of the old document cannot do any more, or no longer gets, each in one sentence.

    What is sent may only be accepted more widely; what is answered may only get members and become narrower.
    """
    return list(_Comparison(old, new).run())


class _Comparison:
    """Two documents, whose references are followed each in its own."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self._old = old
        self._new = new

    def run(self) -> Iterator[str]:
        """Yield what breaks."""
        for path, operations in self._old["paths"].items():
            found = self._new["paths"].get(path)
            if found is None:
                yield f"{path}: the path is gone"
                continue
            for method in operations.keys() & _METHODS:
                place = f"{method.upper()} {path}"
                if method not in found:
                    yield f"{place}: the method is gone"
                    continue
                yield from self._operation(place, operations[method], found[method])

    def _operation(self, place: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
        yield from self._parameters(place, old, new)
        if old.get("x-scope") != new.get("x-scope"):
            yield f"{place}: another scope is needed"
        sent, wanted = old.get("requestBody", {}), new.get("requestBody", {})
        if wanted.get("required") and not sent.get("required"):
            yield f"{place}: a body is needed"
        yield from self._contents(f"{place}: body", sent, wanted, is_sent=True)
        for status, answer in old.get("responses", {}).items():
            now = new.get("responses", {}).get(status)
            if now is not None:
                yield from self._contents(f"{place}: {status}", answer, now, is_sent=False)
                for name in answer.get("headers", {}).keys() - now.get("headers", {}).keys():
                    yield f"{place}: {status}: the header {name} is gone"
            elif status.startswith("2"):
                yield f"{place}: {status} is gone"

    def _parameters(self, place: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
        before, after = (
            {(one["in"], one["name"]): one for one in operation.get("parameters", ())} for operation in (old, new)
        )
        for (kind, name), parameter in before.items():
            now = after.get((kind, name))
            if now is None:
                yield f"{place}: the parameter {name} is gone"
                continue
            if now.get("required") and not parameter.get("required"):
                yield f"{place}: the parameter {name} is needed"
            yield from self._schema(f"{place}: {name}", parameter["schema"], now["schema"], is_sent=True)
        for (kind, name), parameter in after.items():
            if (kind, name) not in before and parameter.get("required"):
                yield f"{place}: the parameter {name} is new, and needed"

    def _contents(self, place: str, old: dict[str, Any], new: dict[str, Any], *, is_sent: bool) -> Iterator[str]:
        for kind, content in old.get("content", {}).items():
            now = new.get("content", {}).get(kind)
            if now is None:
                yield f"{place}: {kind} is gone"
            elif "schema" in content:
                yield from self._schema(place, content["schema"], now.get("schema", {}), is_sent=is_sent)

    def _schema(
        self, place: str, old: dict[str, Any], new: dict[str, Any], *, is_sent: bool, seen: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        reference = str(old.get("$ref"))
        if "$ref" in old and reference in seen:
            return
        seen |= {reference}
        before, after = _flatten(self._old, old), _flatten(self._new, new)
        # Those who send must find all that was taken; those who read must meet nothing that was not there.
        wide, narrow = (before, after) if is_sent else (after, before)
        yield from _compare_values(place, wide, narrow, is_sent=is_sent)
        members, now = before["properties"], after["properties"]
        for name in members.keys() - now.keys():
            yield f"{place}: the member {name} is gone"
        needed = after["required"] - before["required"] if is_sent else before["required"] - after["required"]
        for name in sorted(needed & (now.keys() if is_sent else members.keys() & now.keys())):
            yield f"{place}: the member {name} is {'needed' if is_sent else 'not always there'}"
        for name in sorted(members.keys() & now.keys()):
            yield from self._schema(f"{place}.{name}", members[name], now[name], is_sent=is_sent, seen=seen)
        if before["items"] is not None and after["items"] is not None:
            yield from self._schema(f"{place}[]", before["items"], after["items"], is_sent=is_sent, seen=seen)


def _compare_values(place: str, wide: dict[str, Any], narrow: dict[str, Any], *, is_sent: bool) -> Iterator[str]:
    """Yield where `narrow` is narrower than `wide`, which breaks whoever relies on the wide one."""
    said = "is taken no more" if is_sent else "can come now"
    if narrow["types"]:
        for kind in sorted((wide["types"] or {"anything"}) - narrow["types"]):
            if not (kind == "integer" and "number" in narrow["types"]):
                yield f"{place}: {kind} {said}"
    if narrow["enum"]:
        for value in sorted((wide["enum"] or {"any other value"}) - narrow["enum"]):
            yield f"{place}: {value} {said}"
    if is_sent:
        yield from _compare_bounds(place, wide, narrow)


def _compare_bounds(place: str, wide: dict[str, Any], narrow: dict[str, Any]) -> Iterator[str]:
    for name in ("pattern", "format"):
        if narrow[name] not in {None, wide[name]}:
            yield f"{place}: {name} {narrow[name]} is needed"
    for name, is_upper in _BOUNDS.items():
        before, after = wide[name], narrow[name]
        if after is not None and (before is None or (after < before if is_upper else after > before)):
            yield f"{place}: {name} is {after} now"


def _flatten(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a schema says, with its reference and the parts that it is made of in it."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kind = schema.get("type")
    whole: dict[str, Any] = {
        "types": frozenset((kind,) if isinstance(kind, str) else kind or ()),
        "enum": frozenset(map(str, schema.get("enum", ()))),
        "properties": dict(schema.get("properties", {})),
        "required": frozenset(schema.get("required", ())),
        "items": schema.get("items"),
        **{name: schema.get(name) for name in ("pattern", "format", *_BOUNDS)},
    }
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        one = _flatten(document, part)
        for name in ("types", "enum", "required"):
            whole[name] |= one[name]
        whole["properties"] = one["properties"] | whole["properties"]
        for name in ("items", "pattern", "format", *_BOUNDS):
            whole[name] = one[name] if whole[name] is None else whole[name]
    return whole
