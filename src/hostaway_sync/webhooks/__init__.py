"""The push pipeline: delivery → inbox → job → refresh.

    receiver                       one HTTP request
      | authenticator.admits(...)     path secret and Basic auth, those of this account
      | read_event(body)           what it claims: a hint, and nothing of it is mirrored
      | accept(delivery)           inbox row and job in one transaction; only then 200
    handlers                       reads the object again, and stores that

`serving` runs the receiver until a signal comes; `registering` tells the source where it is.
"""

from __future__ import annotations
