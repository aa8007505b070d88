"""GraphQL: the same rows for the same callers, many at once, read-only; with the extra `graphql` alone.

    text → tokens, depth and cost (limits) → fields (schema) → one question for all parents of a level (loads) → answer

The types are made from the columns of the views of `core`. Only `routes.graphql` imports this package, when asked.
"""

from __future__ import annotations
