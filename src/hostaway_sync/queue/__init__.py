"""Background jobs on Procrastinate: deferred in a transaction, attempted, retried, or kept as dead letters.

    deferred ──→ waits ──→ worker: attempt ──→ decision ─┬─ done
                   ↑                                     ├─ retry at     stored, a new job waits
                   │                                     ├─ snooze       a new job waits, no attempt is counted
                   └── rescued: its worker died ─────────┴─ dead         a dead letter waits for a person

Procrastinate uses PostgreSQL as its broker. Its own retries are not used: a job that is retried while its twin waits
would never end. Every attempt that fails ends its job, in the transaction that defers the next one.

    retry_policy        decides what an error means for the job (pure)
    outcomes            stores the decision: attempt, next job, dead letter
    batching            how each of several jobs ended that were done together
    procrastinate_app   Procrastinate as this program sets it up
    notifications       NOTIFY as a hint that there may be a job
    fetch_loop          fetches jobs and hands them to threads, until the database goes away
    worker              a thread that begins such a loop again whenever the database is back
    maintenance         periodic work: rescue jobs, defer forgotten ones, prune

Each kind of job has a handler, which is passed in. Waiting jobs about reservations of one account are done together:
the first one takes others along, and each of them still ends by itself.
"""
