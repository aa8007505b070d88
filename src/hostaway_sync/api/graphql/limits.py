"""How much one request may ask for, counted before any of it is answered.

depth   fields inside fields
cost    rows that could come back: of a list its `limit`, inside another row once for each; of a single row one; of the
        life of a reservation a hundred; and an alias repeats what it renames
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    get_named_type,
    parse,
)

from hostaway_sync.api.graphql.fields import LARGEST_PAGE, USUAL_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode, GraphQLSchema, SelectionSetNode

MOST_TOKENS: Final = 2000
MOST_FRAGMENTS: Final = 20
DEEPEST: Final = 8
DEAREST: Final = 1000
COST_OF_HISTORY: Final = 100
_MOST_FIELDS: Final = 5000
_LIMIT: Final = "limit"
_INTROSPECTION: Final = frozenset({"__schema", "__type"})


@dataclass(slots=True)
class Measure:
    """What a request asks for.

    Attributes:
        depth: of the deepest field.
        cost: rows that could come back.
        names: of all fields.
    """

    depth: int
    cost: int
    names: set[str]

    @property
    def introspects(self) -> bool:
        """Whether the request asks for the schema."""
        return bool(self.names & _INTROSPECTION)


def parse_query(text: str) -> DocumentNode:
    """Return the tree of a request.

    Raises:
        GraphQLError: it is no GraphQL, or too long or too deep to be read.
    """
    document = parse(text, max_tokens=MOST_TOKENS)
    fragments = sum(isinstance(one, FragmentDefinitionNode) for one in document.definitions)
    if fragments > MOST_FRAGMENTS:
        raise GraphQLError(f"The request has {fragments} fragments: at most {MOST_FRAGMENTS} are read.")
    return document


def choose_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation that is asked for.

    Raises:
        GraphQLError: there is none, several have no name, or it is no query.
    """
    every = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    found = [one for one in every if name is None or (one.name is not None and one.name.value == name)]
    if len(found) != 1:
        raise GraphQLError("Name one of the operations of the request as operationName.")
    if found[0].operation is not OperationType.QUERY:
        raise GraphQLError("Only queries are answered: this API changes nothing by GraphQL, and streams nothing.")
    return found[0]


def measure(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, values: Mapping[str, Any]
) -> Measure:
    """Return what a valid request asks for; what is skipped by a directive counts, too.

    Args:
        schema: that it is valid for.
        document: of the request.
        operation: that is asked for.
        values: of its variables.

    Raises:
        GraphQLError: it is deeper or dearer than it may be, or a page longer.
    """
    assert schema.query_type is not None  # noqa: S101  (ours has one)
    counter = _Counter(document, values)
    counter.count(operation.selection_set, schema.query_type, times=1, depth=1)
    return counter.found


class _Counter:
    """Counts the fields of a request.

    Args:
        document: of the request.
        values: of its variables.
    """

    def __init__(self, document: DocumentNode, values: Mapping[str, Any]) -> None:
        self.found = Measure(0, 0, set())
        self._values = values
        self._fields = 0
        self._fragments = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }

    def count(self, selected: SelectionSetNode, kind: GraphQLObjectType, *, times: int, depth: int) -> None:
        """Count fields of so many rows of a type."""
        for one in selected.selections:
            if isinstance(one, FieldNode):
                self._count_field(one, kind, times=times, depth=depth)
            elif isinstance(one, InlineFragmentNode):
                self.count(one.selection_set, kind, times=times, depth=depth)
            elif isinstance(one, FragmentSpreadNode):
                self.count(self._fragments[one.name.value].selection_set, kind, times=times, depth=depth)

    def _count_field(self, field: FieldNode, kind: GraphQLObjectType, *, times: int, depth: int) -> None:
        name = field.name.value
        self._fields += 1
        self.found.names.add(name)
        if name in _INTROSPECTION:
            return  # the validation bounds how deep it goes
        self.found.depth = max(self.found.depth, depth)
        declared = kind.fields.get(name)
        rows = self._count_rows(field) if declared is not None and _LIMIT in declared.args else 1
        if name == "history":
            rows = COST_OF_HISTORY
        inner = None if declared is None else get_named_type(declared.type)
        is_row = isinstance(inner, GraphQLObjectType) and name != "items"
        self.found.cost += times * (rows if is_row else int(field.alias is not None))
        self._require_bounds()
        if isinstance(inner, GraphQLObjectType) and field.selection_set is not None:
            self.count(field.selection_set, inner, times=times * rows, depth=depth + 1)

    def _count_rows(self, field: FieldNode) -> int:
        """Return the rows of a page at most."""
        given = next((one.value for one in field.arguments or () if one.name.value == _LIMIT), None)
        rows = USUAL_PAGE
        if isinstance(given, IntValueNode):
            rows = int(given.value)
        elif isinstance(given, VariableNode):
            rows = self._values.get(given.name.value, USUAL_PAGE)
        if not 1 <= rows <= LARGEST_PAGE:
            raise GraphQLError(f"limit is {rows}: a page has 1 to {LARGEST_PAGE} rows.", field)
        return rows

    def _require_bounds(self) -> None:
        if self.found.depth > DEEPEST:
            raise GraphQLError(f"The request is more than {DEEPEST} fields deep: ask for less inside each row.")
        if self.found.cost > DEAREST:
            raise GraphQLError(
                f"More than {DEAREST} rows could come back: give smaller limits, of the outer lists first."
            )
        if self._fields > _MOST_FIELDS:
            raise GraphQLError(f"The request has more than {_MOST_FIELDS} fields, with those of its fragments.")
