"""Everything that is true of Hostaway, and nothing else.

    resources ──► pages ──► client ──► protocol ──► payloads, casts ──► resources
    what to ask   in what    sends      what the     bytes → values      values → Record
                  order      it         answer means

Only `client` does I/O; the others decide, with time and answers as arguments.
"""

from __future__ import annotations
