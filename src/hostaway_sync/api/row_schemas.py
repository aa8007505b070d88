"""The JSON Schema of rows: what the views of `core` show, by the types and comments of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.api.responses import refer
from hostaway_sync.model.messages import CommunicationType, IntentState
from hostaway_sync.model.records import Mode, RunState
from hostaway_sync.model.rows.lists import RowList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.rows.columns import RowColumn

_NAMES: Final = {
    RowList.ACCOUNTS: "Account",
    RowList.LISTINGS: "Listing",
    RowList.RESERVATIONS: "Reservation",
    RowList.MESSAGES: "Message",
    RowList.CALENDAR_DAYS: "CalendarDay",
}
LISTED: Final = (*_NAMES.values(), "SyncRun", "SentMessage", "DeadLetter")
"""The names of rows that lists have."""

_TIME: Final = "timestamp with time zone"
_TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": ["string", "null"]},
    "uuid": {"type": ["string", "null"], "format": "uuid"},
    _TIME: {"type": ["string", "null"], "format": "date-time"},
    "date": {"type": ["string", "null"], "format": "date"},
    "time without time zone": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "bigint": {"type": ["integer", "null"]},
    "numeric": {"type": ["number", "null"]},
    "double precision": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "text[]": {"type": ["array", "null"], "items": {"type": "string"}},
    "jsonb": {"description": "Any JSON."},
}
_ONLY_IF_ASKED: Final = "raw_payload"


def row_schemas(mirror: Mirror) -> dict[str, Any]:
    """Return the schemas of all rows by name, and of what is built of them."""
    schemas = {name: _row_schema(mirror.rows.list_columns(one)) for one, name in _NAMES.items()}
    schemas["ReservationDetails"] = {
        "allOf": [
            refer("Reservation"),
            {
                "type": "object",
                "properties": {
                    "messages": refer("MessagePage"),
                    "history": {"type": "array", "items": refer("LifeEvent")},
                    "listing": {"anyOf": [refer("Listing"), {"type": "null"}]},
                },
            },
        ]
    }
    return {**schemas, **_RUN, **_LIFE, **_CHANGES, **_SENT, **_WORK}


def _row_schema(columns: Iterable[RowColumn]) -> dict[str, Any]:
    properties, required = {}, []
    for column in columns:
        properties[column.name] = {**_TYPES[column.type], **({"description": column.comment} if column.comment else {})}
        if column.name != _ONLY_IF_ASKED:
            required.append(column.name)
    return {"type": "object", "properties": properties, "required": required}


_LIFE: Final[dict[str, Any]] = {
    "LifeEvent": {
        "type": "object",
        "description": "One thing that happened to a stay.",
        "properties": {
            "at": {"type": ["string", "null"], "format": "date-time"},
            "kind": {"type": "string"},
            "says": {"type": "string", "description": "What happened, in words."},
            "resource": {"type": ["string", "null"]},
            "record_id": {"type": ["string", "null"]},
            "change_id": {"type": ["string", "null"]},
            "before": {"type": ["object", "null"]},
            "after": {"type": ["object", "null"]},
            "cause": {"type": ["string", "null"]},
            "cause_id": {"type": ["string", "null"]},
        },
        "required": ["at", "kind", "says"],
    },
    "Life": {
        "type": "object",
        "properties": {
            "account_id": {"type": "string"},
            "reservation_id": {"type": "string"},
            "events": {"type": "array", "items": refer("LifeEvent")},
        },
        "required": ["account_id", "reservation_id", "events"],
    },
}
_ID: Final = {"type": "string"}
_BOOL: Final = {"type": "boolean"}
_WORD: Final = _TYPES["text"]
_SENT: Final[dict[str, Any]] = {
    "SentMessage": {
        "type": "object",
        "description": "A message to a guest that was sent from here, or is to be; without its text.",
        "properties": {
            "intent_id": {"type": "string", "description": "Its number here."},
            "account_id": {"type": "string"},
            "reservation_id": {"type": "string"},
            "conversation_id": {"type": "string"},
            "message_id": {**_WORD, "description": "The message that it became in its thread."},
            "channel_type": {"type": "string", "enum": [one.value for one in CommunicationType]},
            "idempotency_key": _WORD,
            "state": {"type": "string", "enum": [one.value for one in IntentState]},
            "is_queued": {"type": "boolean", "description": "A worker is to send it."},
            "quiet_hours": _WORD,
            "error": {**_WORD, "description": "Why it failed, or why its outcome is not known."},
            **dict.fromkeys(("created_at", "not_before_at", "sending_at", "settled_at"), _TYPES[_TIME]),
            "concerns": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Of the answer to who sent it: what is odd about its guest's stay.",
            },
        },
        "required": [
            *("intent_id", "account_id", "reservation_id", "conversation_id", "message_id", "channel_type"),
            *("idempotency_key", "state", "is_queued", "quiet_hours", "error"),
            *("created_at", "not_before_at", "sending_at", "settled_at"),
        ],
    }
}
_WORK: Final[dict[str, Any]] = {
    "NewAccount": {
        "allOf": [
            refer("Account"),
            {
                "type": "object",
                "properties": {"sync_run": {**refer("SyncJob"), "description": "Its first sync."}},
                "required": ["sync_run"],
            },
        ]
    },
    "AccountRemoval": {
        "type": "object",
        "properties": {
            "account_id": _ID,
            "webhooks_removed": {"type": ["integer", "null"], "description": "Null: the platform refused."},
            **dict.fromkeys(("purged", "token_revoked"), _BOOL),
            "rows_deleted": {"type": "object", "additionalProperties": {"type": "integer"}},
            "troubles": {"type": "array", "items": {"type": "string"}, "description": "What a person may do there."},
        },
        "required": ["account_id", "purged", "webhooks_removed", "token_revoked", "rows_deleted", "troubles"],
    },
    "DeadLetter": {
        "type": "object",
        "description": "Work that failed for good, and waits for a person.",
        "properties": {
            **dict.fromkeys(("dead_letter_id", "account_id", "kind", "job", "error"), _ID),
            "state": {"type": "string", "enum": ["waiting", "retried", "discarded"]},
            **dict.fromkeys(("target_resource", "target_id"), _WORD),
            "deliveries": {"type": "integer", "description": "How many deliveries it holds up."},
            **dict.fromkeys(("created_at", "resolved_at"), _TYPES[_TIME]),
        },
        "required": [
            *("dead_letter_id", "account_id", "kind", "job", "error", "state", "target_resource", "target_id"),
            *("deliveries", "created_at", "resolved_at"),
        ],
    },
    "SyncJob": {
        "type": "object",
        "description": "A sync that a worker is to run.",
        "properties": {
            **dict.fromkeys(("job", "account_id"), _ID),
            "mode": {"type": "string", "enum": [one.value for one in Mode]},
            "resources": {"type": "array", "items": {"type": "string"}, "description": "None: all that are mirrored."},
        },
        "required": ["job", "account_id", "mode", "resources"],
    },
}
_COUNTS: Final = ("seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing")
_MOMENT: Final = _TYPES[_TIME]
_RUN: Final[dict[str, Any]] = {
    "SyncRun": {
        "type": "object",
        "properties": {
            "run_id": {"type": "string", "format": "uuid"},
            "account_id": {"type": "string"},
            "mode": {"type": "string", "enum": [one.value for one in Mode]},
            "state": {"type": "string", "enum": [one.value for one in RunState]},
            "triggered_at": _MOMENT,
            "started_at": _MOMENT,
            "finished_at": _MOMENT,
            "retry_count": {"type": "integer"},
            "max_retries": {"type": "integer"},
            "error": {"type": ["string", "null"]},
            "api_calls": {"type": "integer"},
            "resources": {
                "type": "object",
                "description": "By resource: how many records the run met, by what became of them.",
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "state": {"type": "string"},
                        "error": {"type": ["string", "null"]},
                        **{name: {"type": "integer"} for name in _COUNTS},
                    },
                    "required": ["state", "error", *_COUNTS],
                },
            },
        },
        "required": [
            *("run_id", "account_id", "mode", "state", "triggered_at", "started_at", "finished_at", "retry_count"),
            *("max_retries", "error", "api_calls", "resources"),
        ],
    },
}
_TEXT: Final = _TYPES["text"]
_ANY: Final = {"type": ["object", "null"]}
_CHANGES: Final[dict[str, Any]] = {
    "Change": {
        "type": "object",
        "description": "One change of one record.",
        "properties": {
            "cursor": {"type": "string", "description": "The place after this change."},
            "change_id": {"type": "string"},
            "account_id": {"type": "string"},
            "customer_id": _TYPES["uuid"],
            "resource": {"type": "string"},
            "record_id": {"type": "string", "description": "Of a day of a calendar `<listing_id>/<date>`."},
            "change": {"type": "string", "description": "`inserted`, `updated`, `missing`, `returned` or `erased`."},
            "changed_at": _MOMENT,
            "source_updated_at": _MOMENT,
            "keys": {**_TYPES["text[]"], "description": "The top-level keys that differ; null: all, or none."},
            "before": _ANY,
            "after": _ANY,
            "cause": _TEXT,
            "cause_id": _TEXT,
        },
        "required": [
            *("cursor", "change_id", "account_id", "customer_id", "resource", "record_id", "change", "changed_at"),
            *("source_updated_at", "keys", "before", "after", "cause", "cause_id"),
        ],
    },
    "ChangePage": {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": refer("Change")},
            "next": {"type": "string", "description": "The cursor to go on with, now or later."},
            "more": {"type": "boolean", "description": "Whether there is more now."},
            "lost": {"type": "boolean", "description": "Whether changes after the cursor were deleted unread."},
        },
        "required": ["items", "next", "more", "lost"],
    },
}
