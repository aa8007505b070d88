"""The HTTP API: programs and people without a shell do what the command line can do, within their own accounts.

    request → caller (authorization) → scope → row of the caller's accounts → parameters → the library → answer

No rule of the product lives here: what an account, a run or a message may do, `app` decides.
"""

from __future__ import annotations
