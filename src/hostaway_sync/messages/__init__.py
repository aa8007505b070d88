"""The outbound pipeline: guest messages, decided once, sent at most once, settled later.

    wish ──→ guards          is it a text, may this guest be written to, is the stay not over?
         ──→ decision        what does the ledger say: send, take up again, sent already, settle first? (pure)
         ──→ intent          written down under a lock, before anything is sent
         ──→ newest page     proves the token; the highest id in the thread is the fence
         ──→ one request     `sending` is committed the instant before it leaves; nothing is tried again
         ──→ sent | failed | outcome_unknown
    outcome_unknown ──→ settling    only the message itself settles it: a higher id than the fence, our words, ours,
                                    no other intent's. Not finding it settles nothing: that waits for a person.

`sender` goes this way; `queued` has a worker go it later, for a batch or when quiet hours end. `settling` goes back
over what is open: after each run, and before each message.
"""
