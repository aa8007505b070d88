"""The outbound pipeline: guest messages, decided once, sent at most once, settled later.

    request ──→ guards        is it a text, may this guest be written to, is the stay not over? (pure)
            ──→ recipients    account, stay, thread and communication type: the outgoing message
            ──→ decision      what does the ledger say: send, take up again, sent already, settle first? (pure)
            ──→ intent        written to the ledger under a lock, before anything is sent
            ──→ newest page   proves the token; the highest id in the thread is the fence
            ──→ one request   `sending` is committed the instant before it leaves; nothing is tried again
            ──→ sent | failed | outcome_unknown
    outcome_unknown ──→ settlement    only the message itself settles it: a higher id than the fence, our words, sent
                                      by us, no other intent's. A message that is not found waits for a person.

`sender` does all this; `send_job` lets a worker do it later, for a batch or when quiet hours end. `settlement` looks at
open intents again: after each run, and before each message.
"""
