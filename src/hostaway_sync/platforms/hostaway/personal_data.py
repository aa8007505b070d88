"""Which fields of Hostaway's payloads are personal, and which the mirror needs: data for the other packages.

A field that Hostaway adds is one more name here, and in no other module.
"""

from __future__ import annotations

from typing import Final

from hostaway_sync.model.vocabulary import KeptFields, StayKeys, Vocabulary
from hostaway_sync.platforms.hostaway import statuses

# The ids, stamps and references by which objects are stored and joined.
_NEEDED: Final = {
    "listings": frozenset({"id", "latestActivityOn"}),
    "reservations": frozenset(
        ["id", "updatedOn", "latestActivityOn", "listingMapId", "channelId", "status", "arrivalDate", "departureDate"]
    ),
    "conversations": frozenset({"id", "reservationId", "listingMapId", "messageSentOn", "messageReceivedOn"}),
    "calendar": frozenset({"id", "date", "isAvailable", "status"}),
    "messages": frozenset(["id", "updatedOn", "conversationId", "reservationId", "isIncoming", "status", "date"]),
}
# Where the object may be in the body of a delivery (API notes, 6.2).
_IN_DELIVERIES: Final = ((), ("data",), ("payload",), ("payload", "data"))
# Amounts of money have many names, and every channel adds some (API notes, 9.2).
_SUMS: Final = r"\w*([pP]rice|[aA]mount|Fee|[bB]alance|Commission|commission|[pP]ayout|[dD]eposit|[tT]axes|[dD]iscount)"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REMAINS: Final = {
    "reservations": KeptFields(
        numbers=_names(
            "id accountId listingMapId channelId numberOfGuests adults children infants pets nights "
            "checkInTime checkOutTime isDatesUnspecified isInstantBooked isArchived isPaid cancellationPolicyId"
        ),
        moments=_names(
            "arrivalDate departureDate previousArrivalDate previousDepartureDate reservationDate pendingExpireDate "
            "cancellationDate insertedOn updatedOn latestActivityOn"
        ),
        words=_names(
            "status channelName currency paymentStatus cancelledBy reservationAgreement airbnbCancellationPolicy"
        ),
        number_key_pattern=_SUMS,
    ),
    "conversations": KeptFields(
        numbers=_names("id accountId listingMapId reservationId channelId hasUnreadMessages isArchived"),
        moments=_names("messageSentOn messageReceivedOn insertedOn updatedOn"),
    ),
    "messages": KeptFields(
        numbers=_names("id accountId listingMapId reservationId conversationId channelId isIncoming isSeen"),
        moments=_names("date insertedOn updatedOn sentToChannelDate sentChannelDate"),
        words=_names("status communicationType"),
        emptied=_names("body"),
    ),
}
# Values that identify one person, wherever they occur; a first name alone does not (API notes, 7.2 and 9.2).
_NAMING: Final = (
    "guestName",
    "guestFirstName guestLastName",
    "guestLastName guestFirstName",
    "guestEmail",
    "phone",
    "guestAuthHash",
    "guestPortalUrl",
    "guestPortalRevampUrl",
    "guestExternalAccountId",
    "guestAddress",
    "guestPicture",
    "hostProxyEmail",
    "channelReservationId",
    "confirmationCode",
    "recipientEmail",
    "recipientName",
    "hostEmail",
    "ccNumber",
)
# Values that no log line or error message may hold: who a guest is, codes of doors and networks (API notes, 7.2, 7.3,
# 9.2 and 9.3).
_PRIVATE: Final = (
    "ccName",
    "ccNumber",
    "confirmationCode",
    "customFieldValues",
    "customerIcalName",
    "cvc",
    "doorCode",
    "doorSecurityCode",
    "guestAddress",
    "guestAuthHash",
    "guestCity",
    "guestEmail",
    "guestExternalAccountId",
    "guestFirstName",
    "guestLastName",
    "guestName",
    "guestNote",
    "guestPhone",
    "guestPicture",
    "guestPortalRevampUrl",
    "guestPortalUrl",
    "guestZipCode",
    "hostEmail",
    "hostNote",
    "hostProxyEmail",
    "phone",
    "recipientEmail",
    "recipientName",
    "recipientPicture",
    "stripeGuestId",
    "wifiPassword",
    "wifiUsername",
)

VOCABULARY: Final = Vocabulary(
    needed_keys=_NEEDED,
    # Copies of other objects inside a conversation (API notes, 7.2).
    copy_keys={"reservations": "Reservation", "messages": "conversationMessages"},
    copy_owner_keys={"reservations": ("id",), "messages": ("reservationId", "conversationId")},
    delivery_paths=_IN_DELIVERIES,
    kept_after_erasure=_REMAINS,
    # API notes, 6.2, 7.2 and 9.2.
    email_paths={
        "reservations": (("guestEmail",),),
        "conversations": (("guestEmail",), ("recipientEmail",), ("Reservation", "guestEmail")),
    },
    name_keys=_NAMING,
    first_name_keys=("guestFirstName",),
    last_name_keys=("guestLastName",),
    whole_name_keys=("guestName", "recipientName", "ccName", "customerIcalName"),
    private_keys=_PRIVATE,
    time_zone_key="timeZoneName",
    cancelled_statuses=statuses.OFF,
    vacant_statuses=statuses.VACANT,
    core_statuses=statuses.CORE_STATUSES,
    taken_day_statuses=statuses.TAKEN_DAYS,
    # API notes, 8.
    day_keys={
        "is_available": "isAvailable",
        "status": "status",
        "price": "price",
        "minimum_stay": "minimumStay",
        "maximum_stay": "maximumStay",
        "closed_on_arrival": "closedOnArrival",
        "closed_on_departure": "closedOnDeparture",
        "available_units": "countAvailableUnits",
        "note": "note",
    },
    listing_name_key="name",
    currency_key="currencyCode",
    # The units of a parent; those of an ordinary listing with several units name the listing itself. The notes know no
    # other key that links listings (API notes, resources, 3 and 5.2).
    linked_listing_paths=(("listingUnits", "listingMapId"),),
    archived_listing={"specialStatus": "archived"},
    unannounced_statuses=statuses.UNANNOUNCED,
    # API notes, 9.2 and 7.3.
    stay=StayKeys(
        booked_at="reservationDate",
        arrival="arrivalDate",
        departure="departureDate",
        price="totalPrice",
        currency="currency",
        guests="numberOfGuests",
        listing="listingMapId",
        status="status",
        channel="channelName",
        body="body",
        silent=frozenset({"updatedOn", "latestActivityOn", "previousArrivalDate", "previousDepartureDate"}),
    ),
    status_key="status",
    event_states=statuses.EVENT_STATES,
)
