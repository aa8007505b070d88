"""Background jobs on Procrastinate: deferred in a transaction, attempted, retried, or kept as dead letters.

    deferred ──→ waits ──→ worker: attempt ──→ verdict ─┬─ done
                   ↑                                    ├─ retry at     written down, a new job waits
                   │                                    ├─ snooze       a new job waits, no attempt is counted
                   └── rescued: its worker died ────────┴─ dead         a dead letter waits for a person

The engine is Procrastinate, with PostgreSQL as its broker. Of what it offers, retries are not used: a job that is tried
again while its twin waits would never end. Every attempt that fails ends its job, in the transaction that defers the
next one.

    policy.py      what an error means for the work (pure)
    conclusion.py  writes that down: attempt, next job, dead letter
    batching.py    what became of jobs that were done together
    engine.py      Procrastinate as we set it up
    session.py     one stay of the engine in the database: fetches jobs and hands them to threads
    worker.py      a thread that keeps such a session going, whatever the database does
    upkeep.py      what somebody must do once in a while: rescue, remember, prune

What a job does is handed in, as a callable a kind. Bookings of one account that wait are done together: the first one
takes others along, and each of them still has an end of its own.
"""
