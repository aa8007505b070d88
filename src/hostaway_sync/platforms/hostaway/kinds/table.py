"""The kinds of objects that are mirrored from Hostaway; a kind that it adds is one more row here.

Which paths there are, and how each behaves: notes on resources, 1 to 3 and 6. Never asked for are cards, payment
providers and texts with a guest's data filled in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.model.kinds.kind import MONTHLY, WEEKLY, ResourceSet, Scope
from hostaway_sync.platforms.hostaway.kinds.spec import Form, KindSpec, Variant, Window
from hostaway_sync.platforms.hostaway.parsing.casts import as_amount, as_date, as_integer, as_text, as_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.kinds.kind import Kind

_REVIEWS: Final = KindSpec(
    "reviews",
    "/reviews",
    # Guests may write for 14 days after they left, and hosts reply for some weeks more.
    window=Window("departureDateStart", before=60),
    params={"sortBy": "id"},
    columns={
        "listing_id": ("listingMapId", as_integer),
        "reservation_id": ("reservationId", as_integer),
        "channel_id": ("channelId", as_integer),
        "type": ("type", as_text),
        "status": ("status", as_text),
        "rating": ("rating", as_amount),
        "arrival_date": ("arrivalDate", as_date),
        "departure_date": ("departureDate", as_date),
        "submitted_at": ("submittedAt", as_timestamp),
    },
)
_TASKS: Final = KindSpec(
    "tasks",
    "/tasks",
    window=Window("canStartFromStart", before=14, last="canStartFromEnd", after=90),
    columns={
        "listing_id": ("listingMapId", as_integer),
        "reservation_id": ("reservationId", as_integer),
        "status": ("status", as_text),
        "assignee_id": ("assigneeUserId", as_integer),
        "title": ("title", as_text),
        "can_start_from": ("canStartFrom", as_timestamp),
        "should_end_by": ("shouldEndBy", as_timestamp),
        "started_at": ("startedAt", as_timestamp),
        "completed_at": ("completedAt", as_timestamp),
        "cost": ("cost", as_amount),
        "currency": ("costCurrency", as_text),
    },
)
_SPECS: Final = (
    _REVIEWS,
    _TASKS,
    KindSpec(
        "custom_fields",
        "/customFields",
        # Without the parameter not every deployment lists all of them.
        variants=tuple(Variant({"objectType": one}) for one in ("reservation", "listing", "task")),
    ),
    KindSpec("cancellation_policies", "/cancellationPolicies"),
    KindSpec(
        "channel_cancellation_policies",
        "/cancellationPolicies/{channel}",
        every=WEEKLY,
        # Each channel counts its policies by itself.
        variants=tuple(
            Variant(path=f"/cancellationPolicies/{channel}", prefix=f"{channel}:")
            for channel in ("airbnb", "booking", "marriott", "vrbo")
        ),
    ),
    KindSpec("account_tax_settings", "/accountTaxSettings", stamp="updatedOn"),
    KindSpec("seasonal_rules", "/seasonalRules"),
    KindSpec("owner_statements", "/ownerStatements"),
    KindSpec(
        "listing_fee_settings", "/listingFeeSettings/{parent}", scope=Scope.LISTING, every=WEEKLY, stamp="updatedOn"
    ),
    KindSpec(
        "listing_tax_settings", "/listingTaxSettings/{parent}", scope=Scope.LISTING, every=WEEKLY, stamp="updatedOn"
    ),
    *(
        KindSpec(name, path, scope=Scope.INSTALLATION, every=MONTHLY)
        for name, path in (
            ("amenities", "/amenities"),
            ("bed_types", "/bedTypes"),
            ("property_types", "/propertyTypes"),
        )
    ),
    *(
        KindSpec(name, path, scope=Scope.INSTALLATION, every=MONTHLY, form=Form.MAP)
        for name, path in (
            ("countries", "/countries"),
            ("languages", "/languages"),
            ("currencies", "/currencies"),
            ("payment_methods", "/reservations/paymentMethods"),
        )
    ),
    KindSpec(
        "expenses",
        "/expenses",
        ResourceSet.FINANCE,
        stamp="updatedOn",
        # Attachments are addresses that open files.
        dropped=frozenset({"attachments", "ownerUserEmail", "ownerUserName", "ownerUserPhone"}),
    ),
    KindSpec(
        "charges",
        "/guestPayments/charges",
        ResourceSet.FINANCE,
        # A longer range is refused. Without an order of ids offsets are unsafe: what is to come stands before the rest.
        window=Window(
            "chargeDateStart",
            before=30,
            last="chargeDateEnd",
            after=30,
            also=(("scheduledDateStart", "scheduledDateEnd"),),
        ),
        params={"sortBy": "id"},
        dropped=frozenset({"providerCustomerId", "cardLast4", "last4"}),
        by_reservation="reservationIds",
    ),
    KindSpec("auto_payments", "/guestPayments/autoPayment", ResourceSet.FINANCE, stamp="updatedOn"),
    KindSpec("finance_custom_formulas", "/financeCustomFormula", ResourceSet.FINANCE, stamp="updatedOn"),
    KindSpec("message_templates", "/messageTemplates", ResourceSet.TEXTS),
    KindSpec("coupons", "/coupons", ResourceSet.TEXTS),
    KindSpec("users", "/users", ResourceSet.PEOPLE, params={"includeResources": 1}),
    KindSpec("user_groups", "/userGroups", ResourceSet.PEOPLE),
)

KINDS: Final[Mapping[str, KindSpec]] = {spec.name: spec for spec in _SPECS}
"""By name, in the order in which a run reads them."""


def list_kinds() -> tuple[Kind, ...]:
    """Return what the mirror must know of each kind."""
    return tuple(spec.kind for spec in KINDS.values())
