"""Answer one GraphQL request of a caller."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, execute, print_schema, validate
from graphql.execution import get_variable_values
from starlette.concurrency import run_in_threadpool

from hostaway_sync.api.graphql.limits import choose_operation, measure, parse_query
from hostaway_sync.api.graphql.loads import Loads
from hostaway_sync.api.graphql.schema import TYPES, build_schema
from hostaway_sync.api.problems import PREFIX, Problem, ProblemKind
from hostaway_sync.api.refusals import problem_of
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.callers import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql import DocumentNode

    from hostaway_sync.api.graphql.body import Body
    from hostaway_sync.app.data.rows import Rows
    from hostaway_sync.model.callers import Caller

_MOST_ERRORS: Final = 20
_RAW: Final = "raw_payload"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A request that will be answered."""

    document: DocumentNode
    operation_name: str | None
    with_raw: bool


class Engine:
    """Answers requests.

    Args:
        rows: of the mirror; it is asked for the columns of the views at once.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._schema: GraphQLSchema = build_schema({one: rows.list_columns(one) for one in TYPES})

    def print_schema(self) -> str:
        """Return the schema in its own language."""
        return print_schema(self._schema)

    async def answer(self, body: Body, caller: Caller) -> dict[str, Any]:
        """Return the answer: `data`, or `errors`, or both, as the specification of GraphQL has them."""
        accepted = await run_in_threadpool(self._accept, body, caller)
        if not isinstance(accepted, _Accepted):
            return {"errors": [_error_document(error, _refusal(error)) for error in accepted]}
        result = execute(
            self._schema,
            accepted.document,
            context_value=Loads(self._rows, caller.access, with_raw=accepted.with_raw),
            variable_values=body.variables or {},
            operation_name=accepted.operation_name,
            hide_suggestions=True,
        )
        done = result if isinstance(result, ExecutionResult) else await result
        errors = [_error_document(error, _problem_of(error)) for error in (done.errors or ())[:_MOST_ERRORS]]
        return {"data": done.data, **({"errors": errors} if errors else {})}

    def _accept(self, body: Body, caller: Caller) -> _Accepted | Iterable[GraphQLError]:
        """Return the request, if it is valid, within limits, and of what the caller may ask for; else why not."""
        try:
            document = parse_query(body.query)
            operation = choose_operation(document, body.operation_name)
            invalid = validate(self._schema, document, max_errors=_MOST_ERRORS, hide_suggestions=True)
            if invalid:
                return invalid
            values = get_variable_values(
                self._schema,
                operation.variable_definitions or (),
                dict(body.variables or {}),
                max_errors=_MOST_ERRORS,
                hide_suggestions=True,
            )
            if isinstance(values, list):
                return values
            found = measure(self._schema, document, operation, values.coerced)
        except GraphQLError as error:
            return [error]
        except RecursionError:
            return [GraphQLError("The request is nested too deeply.")]
        if found.introspects and not caller.may(Scope.ADMIN):
            return [GraphQLError("The schema is shown to callers with the scope admin.")]
        return _Accepted(document, body.operation_name, _RAW in found.names)


def _error_document(error: GraphQLError, problem: Problem) -> Mapping[str, Any]:
    """Return an error as a member of `errors`."""
    document: dict[str, Any] = {"message": problem.detail or problem.kind.title}
    if error.locations:
        document["locations"] = [{"line": one.line, "column": one.column} for one in error.locations]
    if error.path:
        document["path"] = error.path
    return document | {"extensions": {"type": f"{PREFIX}{problem.kind.slug}"}}


def _refusal(error: GraphQLError) -> Problem:
    """Return the problem of a request that is not answered."""
    return Problem(ProblemKind.INVALID, error.message)


def _problem_of(error: GraphQLError) -> Problem:
    """Return the problem of a field; of a fault of ours nothing but that it happened."""
    cause = error.original_error
    if isinstance(cause, HostawaySyncError):
        problem = problem_of(cause)
        if problem.kind.status >= 500:  # noqa: PLR2004  (HTTP statuses)
            log.warning("api: graphql: %s", cause)
        return problem
    if cause is None:
        return _refusal(error)
    log.error("api: graphql: unexpected %s", type(cause).__name__, exc_info=cause)
    return Problem(ProblemKind.INTERNAL)
