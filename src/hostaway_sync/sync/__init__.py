"""The pull pipeline: API → pages → records → PostgreSQL.

for each resource:
source.walk(resource)                  pages, as they arrive
| recorder.record_walked(page)       one transaction a page: lease, rows, counts, position of the walk
| plan.find_doubt(...)               whole? else walk again, at most twice
| missing_rows.mark_missing(...)     rows that a whole walk left out, requested one by one
| recorder.close_resource(...)       report, and the watermark if the resource was whole

account_order    the order in which accounts are mirrored (pure)
fleet            sync-all: several accounts at once
lease            holds the lease of an account while a run works on it
lists            mirrors a list
missing          marks rows that are gone
plan             decides what to read and what to believe (pure)
recording/       where pages go: into the tables, or into the counts of a dry run
refresh          reads one object again, beside a run
reporting/       reasons, outcome, alarms and log lines of a run
run              one run of one account
run_context      what each step of a run works with
run_options      what was asked of a run
sync_job         a run as a job of the queue
threads          mirrors many small lists: messages of conversations, conversations of reservations
verify/          the same pipeline read-only: compare, repair, certify
webhook_check    what a run does about the webhook of its account
"""
