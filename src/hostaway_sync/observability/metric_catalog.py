"""The catalog of all metrics: name, meaning, labels and origin.

*Stored* metrics are read from the database and are the same for every reader. *Measured* metrics are those of one
process: of the receiver since its start, or of all runs that wrote to a textfile. The values of labels are bounded:
by constants of the program, or by the number of accounts or automations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: its exposed name; the series of a histogram add a suffix.
        kind: its Prometheus type.
        help: its meaning, with the unit.
        labels: the names of its labels.
        is_stored: it is read from the database; otherwise it is measured.
        buckets: the upper bounds of a histogram, without the last one.
    """

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    is_stored: bool = False
    buckets: tuple[float, ...] = ()


def _stored(name: str, sentence: str, *labels: str) -> Metric:
    return Metric(f"hostaway_sync_{name}", MetricKind.GAUGE, sentence, labels, is_stored=True)


_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

DATABASE_UP = _stored("database_up", "1 when the database could be asked; else nothing that is stored is here.")
ACCOUNTS = _stored("accounts", "Accounts, by `state`: active or disabled.", "state")
NEW_WORDS = _stored(
    "new_words",
    "Reservations whose `kind` of word, status or channel, this release does not know; `core` has unknown or other.",
    "kind",
)
LAST_SUCCESS = _stored(
    "last_success_timestamp_seconds",
    "Start of the last run of an active account that was a success in all resources; 0: there was none.",
    "account",
)
LAST_RUN_SUCCESS = _stored(
    "last_run_success",
    "1 when the last run of an active account that ended was a success and no alarm stands, else 0.",
    "account",
)
ALARMS = _stored(
    "alarms",
    "Alarms that stand for an active account, by `kind`: brake, partial or differs; 0: none.",
    "account",
    "kind",
)
LAST_RUN_SECONDS = _stored("last_run_seconds", "Duration of the last run of an active account that ended.", "account")
RUNS = _stored("runs_last_day", "Runs asked for in the last 24 hours, by `state`.", "state")
ROWS = _stored(
    "rows_last_day",
    "Records met by the runs of the last 24 hours, by what became of their rows.",
    "resource",
    "change",
)
QUEUE_JOBS = _stored(
    "queue_jobs",
    "Deferred work, by `kind` (deliver, dispatch, refresh, send, sync) and `state` (waiting, running).",
    "kind",
    "state",
)
QUEUE_AGE = _stored(
    "queue_oldest_due_seconds", "For how long the oldest job that could be started waits; 0: none.", "kind"
)
WORKERS = _stored("workers", "Workers that said within the last minute that they live.")
WAITING_DELIVERIES = _stored("waiting_deliveries", "Deliveries whose object was not read again yet.")
OLDEST_WAITING = _stored(
    "oldest_waiting_delivery_seconds", "Age of the oldest delivery that nobody has tried to work yet; 0: none."
)
DEAD_LETTERS = _stored("dead_letters", "Work that failed for good and waits for a person, by `kind`.", "kind")
UNKNOWN_SENDS = _stored("unknown_sends", "Messages to guests of which nobody knows whether they were sent.")
DRIFT = _stored(
    "drift_objects",
    "Objects that the `verify` that counts found different, less those of lists that a whole run has read since.",
    "account",
)
LAST_VERIFIED = _stored(
    "last_verified_timestamp_seconds", "When an account was last compared with its source.", "account"
)
CALENDAR_DUE = _stored(
    "calendar_due_listings", "Listings of an active account with days that stays have changed, not read yet.", "account"
)
CALENDAR_DUE_AGE = _stored(
    "calendar_oldest_mark_seconds",
    "For how long the listing that waits longest has days that a stay has changed; 0: none has.",
    "account",
)
CALENDAR_UNREAD = _stored(
    "calendar_unread_listings", "Listings of an active account whose calendar was never read whole.", "account"
)
CALENDAR_OLDEST = _stored(
    "calendar_oldest_reading_seconds",
    "Age of the oldest whole reading of a listing's calendar, archived listings included; 0: none.",
    "account",
)
CALENDAR_LATE = _stored(
    "calendar_oldest_turn_seconds",
    "For how long the listing that waits longest should have been read again; 0: none waits.",
    "account",
)
CALENDAR_MISSING = _stored(
    "calendar_missing_days",
    "Days that did not come in the last reading of their calendar, though the source should have them.",
    "account",
)
CALENDAR_REFUSED = _stored(
    "calendar_refused_listings", "Listings of an active account whose calendar the source refused last time.", "account"
)
KIND_AGE = _stored(
    "other_resource_reading_periods",
    "Age of the oldest last reading of a resource's lists, in periods of that resource; 0: none was read.",
    "account",
    "resource",
)
KIND_TROUBLES = _stored(
    "other_resource_unread_lists",
    "Lists of a resource that were not read last time, by `state`: unavailable (refused) or failed.",
    "account",
    "resource",
    "state",
)
AUTOMATION_WAITING = _stored(
    "automation_waiting_events", "Events that an automation was not told of yet.", "automation"
)
AUTOMATION_FAILING = _stored(
    "automation_failing_seconds",
    "For how long an automation has been told of nothing, though it was tried; 0: the last try succeeded.",
    "automation",
)
AUTOMATION_DISABLED = _stored(
    "automation_disabled",
    "1 when the program has disabled an automation because its consumer fails, else 0.",
    "automation",
)
BUDGET_USED = _stored("budget_used_requests", "Requests of the current window that the address has used up.")
BUDGET_LIMIT = _stored("budget_limit_requests", "Requests that the address has in one window.")

API_REQUESTS = Metric(
    "hostaway_sync_api_requests_total",
    MetricKind.COUNTER,
    "Requests to the source that ended; `status` is `none` when no whole answer came.",
    ("method", "route", "status"),
)
API_SECONDS = Metric(
    "hostaway_sync_api_request_seconds",
    MetricKind.HISTOGRAM,
    "From the departure of a request to the end of its answer.",
    ("method", "route"),
    buckets=_SLOW,
)
API_WAIT = Metric(
    "hostaway_sync_api_wait_seconds_total",
    MetricKind.COUNTER,
    "For how long the budget kept requests back, all added up.",
)
DATABASE_SECONDS = Metric(
    "hostaway_sync_database_seconds",
    MetricKind.HISTOGRAM,
    "Duration of statements, by `operation`: select, insert, update, delete or other.",
    ("operation",),
    buckets=_QUICK,
)
DELIVERIES = Metric(
    "hostaway_sync_deliveries_total", MetricKind.COUNTER, "Requests to the receiver's delivery path.", ("outcome",)
)
DELIVERY_SECONDS = Metric(
    "hostaway_sync_delivery_seconds",
    MetricKind.HISTOGRAM,
    "From the end of a request's head until its answer is ready, of deliveries that were stored.",
    buckets=_QUICK,
)
HTTP_REQUESTS = Metric(
    "hostaway_sync_http_requests_total",
    MetricKind.COUNTER,
    "Requests to the API of this program, by the template of their path; `unknown` where it has no such route.",
    ("method", "route", "status"),
)
HTTP_SECONDS = Metric(
    "hostaway_sync_http_request_seconds",
    MetricKind.HISTOGRAM,
    "From the head of a request to the API until its answer begins.",
    ("method", "route"),
    buckets=_QUICK,
)

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
