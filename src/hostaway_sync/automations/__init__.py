"""The pipeline out of the mirror: change → event → delivery → consumer.

    changes ──→ dispatch job ──→ automation_deliveries ──→ job of one consumer ─┬─ told
                                          ↑                                     ├─ again, on the queue's ladder
                                          └─────────────────────────────────────┘
                                                                                └─ dead letter, or the consumer disabled

    events        which change is which event: one table of data (pure)
    conditions    `KEY=VALUE` and the row that it is compared with (pure)
    payload       what a consumer is told (pure)
    answer        how a consumer answered (pure)
    decision      what follows an answer (pure)
    signature     Standard Webhooks, through the library of that name
    commands      a program as consumer
    consumers     tells a URL or a command
    dispatch_job  reads the feed and notes who is to be told
    delivery_job  tells one consumer, in the order of each record

A delivery keeps the number of its change and nothing of its content: what is told is read when it is told.
"""
