"""What Schemathesis cannot know of the API; its program imports this module by the name in SCHEMATHESIS_HOOKS."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Leave out a cursor that is valid by its schema, which only the API can make; wait for no change.

    What is not valid is sent as it is.
    """
    del context, kwargs
    if case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE:
        for name in ("cursor", "wait"):
            case.query.pop(name, None)
        case.headers.pop("last-event-id", None)
