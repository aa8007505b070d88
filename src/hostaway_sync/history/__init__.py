"""What changed and when: the feed of changes that never skips one, and the life of a reservation.

    transaction → row and its changes → batch of settled transactions → page → consumer          (feed)

`feed` reads and follows; the rules of its order are in `store/history/feed.py`.
"""

from __future__ import annotations
