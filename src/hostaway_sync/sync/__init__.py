"""The pull pipeline: API → pages → records → PostgreSQL.

    for each resource:
        source.walk(resource)            pages, as they arrive
          | recorder.walked(page)        one transaction a page: lease, rows, what became of them, where the walk stands
          | plan.doubt(...)              whole? else walk again, at most twice
          | recorder.close(resource)     counts, and the watermark if it was whole

`run` does this for one account, `fleet` for all of them; `plan` decides and touches nothing.
"""
