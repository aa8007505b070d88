"""The page: what an operator keeps open on a second screen, in a browser, without a shell.

    session (signed in with a key) → scope → the library → view → template

Everything is shown without JavaScript; a small script of ours only brings what has moved since.
"""

from __future__ import annotations
