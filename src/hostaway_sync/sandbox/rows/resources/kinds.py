"""The table of the sandbox's other resources: a row for each kind."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.resources import finance, people, reference, reviews, settings, tasks, texts
from hostaway_sync.sandbox.rows.resources.kind import Filter, Kind, days, numbered

if TYPE_CHECKING:
    from collections.abc import Iterator


def _named(name: str, path: str) -> Kind:
    return Kind(name, path, partial(reference.named_ids, name), partial(reference.named, name))


def _coded(name: str, path: str) -> Kind:
    return Kind(name, path, partial(reference.codes, name), partial(reference.name_of, name), shape="map")


def _channel_policies() -> Iterator[Kind]:
    for channel in settings.CHANNEL_POLICIES:
        yield Kind(
            f"{channel}_cancellation_policies",
            f"/cancellationPolicies/{channel}",
            partial(settings.channel_policy_ids, channel),
            partial(settings.channel_policy, channel),
        )


_ALL: Final = (
    _named("amenities", "/amenities"),
    _named("bed_types", "/bedTypes"),
    _named("property_types", "/propertyTypes"),
    _coded("countries", "/countries"),
    _coded("languages", "/languages"),
    _coded("currencies", "/currencies"),
    _coded("payment_methods", "/reservations/paymentMethods"),
    Kind("timezones", "/timezones", reference.zones, reference.zone, shape="map"),
    Kind("cancellation_policies", "/cancellationPolicies", numbered(3), settings.cancellation_policy),
    *_channel_policies(),
    Kind("account_tax_settings", "/accountTaxSettings", numbered(4), settings.account_tax),
    Kind(
        "custom_fields",
        "/customFields",
        numbered(6),
        settings.custom_field,
        shape="paged",
        filters=(Filter("objectType", "is", "objectType"),),
    ),
    Kind(
        "seasonal_rules",
        "/seasonalRules",
        numbered(5),
        settings.seasonal_rule,
        shape="paged",
        filters=(Filter("channelId", "is", "channelId"),),
    ),
    Kind("owner_statements", "/ownerStatements", numbered(9), settings.owner_statement),
    Kind(
        "listing_fee_settings",
        "/listingFeeSettings/{id}",
        settings.listing_fees,
        settings.listing_fee,
        owner="listing",
    ),
    Kind(
        "listing_tax_settings",
        "/listingTaxSettings/{id}",
        settings.listing_taxes,
        settings.listing_tax,
        owner="listing",
    ),
    Kind(
        "reviews",
        "/reviews",
        reviews.review_ids,
        reviews.review,
        shape="paged",
        order="-departureDate",
        sorts=("id", "arrivalDate", "departureDate", "submittedAt", "rating"),
        filters=(
            Filter("listingMapIds", "in", "listingMapId"),
            Filter("channelIds", "in", "channelId"),
            Filter("reservationId", "is", "reservationId"),
            Filter("channelReservationIds", "in", "externalReservationId"),
            Filter("statuses", "in", "status"),
            Filter("type", "is", "type"),
            *days("submittedAt"),
            *days("departureDate"),
            Filter("stayDateStart", "from", "departureDate"),
            Filter("stayDateEnd", "until", "arrivalDate"),
            Filter("hasHostReply", "filled", "revieweeResponse"),
        ),
        count="number",
    ),
    Kind(
        "tasks",
        "/tasks",
        tasks.task_ids,
        tasks.task,
        shape="paged",
        single="/tasks/{id}",
        filters=(
            *(
                Filter(key, "is", key)
                for key in (
                    "channelId", "reservationId", "listingMapId", "assigneeUserId", "status", "canStartFromEvent",
                    "shouldEndByEvent",
                )
            ),
            Filter("match", "text", "title"),
            *days("canStartFrom"),
            *days("shouldEndBy"),
        ),
    ),
)  # fmt: skip
_PEOPLE: Final = (
    Kind("user_groups", "/userGroups", numbered(4), people.user_group),
    Kind(
        "users",
        "/users",
        numbered(people.USERS),
        people.user,
        single="/user/{id}",
        on_request=("includeResources", "listingMapIds"),
    ),
)
_TEXTS: Final = (
    Kind(
        "message_templates",
        "/messageTemplates",
        numbered(texts.TEMPLATES),
        texts.message_template,
        shape="paged",
        filters=tuple(Filter(key, "is", key) for key in ("messageTemplateGroupId", "channelId", "listingMapId")),
    ),
    Kind("coupons", "/coupons", numbered(texts.COUPONS), texts.coupon, shape="paged"),
    Kind("listing_agreements", "/listingAgreement/{id}", texts.agreement_ids, texts.agreement, owner="listing"),
)
_FINANCE: Final = (
    Kind(
        "finance_custom_formulas",
        "/financeCustomFormula",
        numbered(2),
        finance.custom_formula,
        count="text",
    ),
    Kind("auto_payments", "/guestPayments/autoPayment", numbered(3), finance.auto_payment, count="number"),
    Kind(
        "charges",
        "/guestPayments/charges",
        finance.charge_ids,
        finance.charge,
        shape="paged",
        order="upcoming:scheduledDate",
        sorts=("id", "scheduledDate", "chargeDate", "amount"),
        filters=(
            Filter("reservationIds", "any", "reservationId"),
            Filter("listingMapIds", "any", "listingMapId"),
            Filter("statuses", "in", "status"),
            Filter("types", "in", "type"),
            *days("chargeDate"),
            *days("scheduledDate"),
        ),
        count="number",
        longest_days=60,
        most_values=200,
    ),
    Kind(
        "expenses",
        "/expenses",
        finance.expense_ids,
        finance.expense,
        shape="paged",
        order="-insertedOn",
        soft_delete=True,
    ),
    Kind(
        "finance_fields",
        "/financeField/{id}",
        finance.finance_field_ids,
        finance.finance_field,
        owner="reservation",
    ),
    Kind(
        "reservation_logs",
        "/reservations/{id}/logs",
        finance.log_ids,
        finance.log_entry,
        shape="paged",
        owner="reservation",
        order="-insertedOn",
        count="paged",
        identity=("source", "id"),
    ),
    Kind(
        "rental_agreements",
        "/reservations/{id}/rentalAgreement",
        lambda source: (source.owner_id,),
        finance.rental_agreement,
        shape="object",
        owner="reservation",
    ),
    Kind(
        "listing_pricing_settings",
        "/listing/pricingSettings/{id}",
        lambda source: (source.owner_id,),
        settings.pricing_settings,
        owner="listing",
    ),
)
KINDS: Final = {kind.name: kind for kind in (*_ALL, *_PEOPLE, *_TEXTS, *_FINANCE)}
"""Every kind by its name."""
