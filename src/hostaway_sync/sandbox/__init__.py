"""A fake Hostaway: a real HTTP server on 127.0.0.1 that behaves as the API notes say.

    seed: ids, stamps, order → rows: JSON text → world: state and changes → server: pages, routes, HTTP → your client
                                                                               ↑
                                                       switches, tokens, rate limits, faults

    from hostaway_sync.sandbox import AccountSpec, Sandbox, Switches
    from hostaway_sync.sandbox.server import faults

    with Sandbox(reservations=787, token_delay=0) as sandbox:
        client(sandbox.url, sandbox.account_id, sandbox.client_secret)
        thread = sandbox.world.conversations_of(reservation_id)[0]
        sandbox.world.guest_message(thread, "Is it quiet at night?")          # and much else: see World, WorldChanges
        sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", skip=1, times=2)
        sandbox.world.accepted                       # messages that it accepted, whatever it answered
        dict(sandbox.world.truth("messages"))        # id → payload, as a whole walk with every flag set lists them
        sandbox.world.calendar_truth(listing_id, first, last)                 # days follow stays; edit_days writes them
        sandbox.world.objects("reviews")             # id → object, of each kind of `rows.resources.kinds.KINDS`
        sandbox.world.put_object("tasks", {"id": task_id, "status": "completed"})    # and delete_object
        sandbox.calls["GET /reservations"], sandbox.max_in_window("account:70001"), sandbox.requests

Rows are made from the seed whenever they are asked for, so that a million reservations cost no memory, and equal seeds
give equal bytes. Only changed rows are kept in memory, and the ids of other resources once they were asked for. Where
the notes are unsure there is a switch (`Switches`).

Limits: dashboards, and writes other than those in `routes.ROUTES` are missing; calendars know neither several units
of one listing nor a booking window; lists in any order but the default one, and those of the other resources in
every order, are sorted as a whole for every change; webhooks are probed and called on loopback addresses only, and
`Sandbox.deliver` calls them, without retries. Rate limits count each process of the sandbox for itself.
"""

from __future__ import annotations

from hostaway_sync.sandbox.server.account import ACCOUNT_ID, CLIENT_SECRET, AccountSpec
from hostaway_sync.sandbox.server.faults import Effect, Faults, Rule
from hostaway_sync.sandbox.server.request import Reply, Request
from hostaway_sync.sandbox.server.server import LoggedRequest, Sandbox
from hostaway_sync.sandbox.switches import Switches
from hostaway_sync.sandbox.world.state import RESOURCES
from hostaway_sync.sandbox.world.world import World

__all__ = [
    "ACCOUNT_ID",
    "CLIENT_SECRET",
    "RESOURCES",
    "AccountSpec",
    "Effect",
    "Faults",
    "LoggedRequest",
    "Reply",
    "Request",
    "Rule",
    "Sandbox",
    "Switches",
    "World",
]
