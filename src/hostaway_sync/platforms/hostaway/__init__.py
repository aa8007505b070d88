"""Everything that is true of Hostaway, and nothing else.

    parsing.resources ──► paging ──► client, http ──► http.protocol ──► parsing
    what to ask for       in what    sends it         what the          bytes → values → Record
                          order                       answer means

Only `client`, `http.api`, `http.transport` and what they stand on do I/O or share state between threads. All other
modules decide, with time and answers as arguments.
"""

from __future__ import annotations
