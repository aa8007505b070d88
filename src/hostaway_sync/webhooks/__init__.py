"""The push pipeline: delivery → inbox → job → refresh.

    server/app                            one HTTP request
      | authenticator.authenticate(...)   path secret and Basic auth, those of this account
      | read_event(body)                  what the delivery claims: a hint, and nothing of it is mirrored
      | inbox.accept_delivery(delivery)            inbox row and job in one transaction; only then 200
    refresh_job                           reads the object again, and stores that

`server/run` serves the receiver until a signal comes; `registration/registrar` tells the platform where it is.
"""

from __future__ import annotations
