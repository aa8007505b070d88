"""The words and the template of a listing (API notes, 9.3)."""

# ruff: noqa: RUF001 - hosts write in many languages
from __future__ import annotations

from typing import Final

from hostaway_sync.sandbox.rows.phrases import quote

TOWNS: Final = tuple(
    (quote(town), country, code, zone.replace("/", "\\/"), currency)
    for town, country, code, zone, currency in (
        ("Oslo", "Norway", "NO", "Europe/Oslo", "NOK"),
        ("Málaga", "Spain", "ES", "Europe/Madrid", "EUR"),
        ("Kraków", "Poland", "PL", "Europe/Warsaw", "EUR"),
        ("Zürich", "Switzerland", "CH", "Europe/Zurich", "CHF"),
        ("Θεσσαλονίκη", "Greece", "GR", "Europe/Athens", "EUR"),
        ("Portland", "United States", "US", "America/Los_Angeles", "USD"),
        ("京都", "Japan", "JP", "Asia/Tokyo", "USD"),
        ("Galway", "Ireland", "IE", "Europe/Dublin", "EUR"),
    )
)
_PROSE = """\
Wake up to the sound of gulls and the smell of fresh coffee. Our home was built in 1897, when the harbour was still \
full of fishing boats, and was renovated with much love (and a good deal of oak) in 2021.
THE SPACE ✨ The living room has a sofa bed for two, a 55" TV and a wood stove; the kitchen has everything you need \
to cook for eight: oven, dishwasher, espresso machine, and sharp knives – please be careful.
<b>Getting around:</b> the tram stops 150 m from the door. Parking is free after 18:00 & on Sundays.
Für Familien: Hochstuhl, Reisebett und Spielzeug stehen bereit. Der Spielplatz ist gleich um die Ecke.
Le marché a lieu le mercredi et le samedi ; goûtez aux fromages de chèvre de Mme Lefèvre, vous ne le regretterez pas. \
La boulangerie ouvre à 6 h 30.
お子様連れ大歓迎です。駅から徒歩5分、コンビニもすぐ近くにあります。
WHAT GUESTS SAY ⭐⭐⭐⭐⭐ “The best bed I ever slept in.” – “Spotless, bright, and so quiet.” – “¡Volveremos!”
House manual: heating is set to 21 °C. Please separate glass, paper and the rest; the bins are behind the house. \
Shoes off inside, thank you 🙏 Quiet hours are from 22:00 to 7:00 by law of the city."""
PARAGRAPHS: Final = tuple(quote(paragraph)[1:-1] for paragraph in _PROSE.splitlines())
ROOMS: Final = tuple(
    quote(room)
    for room in (
        "Living room",
        "Schlafzimmer mit Balkon",
        "Kitchen 🍳",
        "Baño principal",
        "View from the terrace",
        "Entrance",
        "浴室",
    )
)
AMENITIES: Final = tuple(
    quote(name)
    for name in (
        "Internet", "Wireless", "Heating", "Kitchen", "Washing Machine", "Dryer", "Iron", "Hair Dryer", "Smoke alarm",
        "Carbon Monoxide Detector", "First aid kit", "Fire extinguisher", "Essentials", "Shampoo", "Hangers", "TV",
        "Cable TV", "Indoor fireplace", "Air conditioning", "Free parking on premises", "Elevator", "Crib", "Highchair",
        "Suitable for children", "Pets allowed", "Hot tub", "Garden or backyard", "Patio or balcony", "BBQ grill",
        "Dishwasher", "Coffee/tea maker", "Microwave", "Oven", "Refrigerator", "Toaster", "Bed linens", "Towels",
        "Private entrance", "Laptop friendly workspace", "Long term stays allowed", "Luggage dropoff allowed",
    )
)  # fmt: skip
TEMPLATE: Final = (
    '{"id":%(id)s,"propertyTypeId":1,"name":%(name)s,"externalListingName":%(name)s,'
    '"internalListingName":"HL-%(short)s","description":%(description)s,'
    '"thumbnailUrl":"https:\\/\\/img.example\\/listing\\/%(id)s\\/thumb.jpeg",'
    '"houseRules":%(rules)s,"keyPickup":"","specialInstruction":null,"doorSecurityCode":null,"country":"%(country)s",'
    '"countryCode":"%(code)s","state":"","city":%(town)s,"street":"%(street)s",'
    '"address":"%(street)s, %(zip)s, %(country)s","publicAddress":"%(country)s","zipcode":"%(zip)s","price":%(price)s,'
    '"starRating":null,"weeklyDiscount":%(weekly)s,"monthlyDiscount":0.8,"propertyRentTax":null,'
    '"personCapacity":%(capacity)s,"maxChildrenAllowed":null,"maxInfantsAllowed":null,"maxPetsAllowed":null,"lat":%(lat).6f,'
    '"lng":%(lng).6f,"checkInTimeStart":15,"checkInTimeEnd":null,"checkOutTime":11,"cancellationPolicy":"moderate",'
    '"squareMeters":%(metres)s,"roomType":"entire_home","bathroomType":"private","bedroomsNumber":1,"bedsNumber":2,'
    '"bedType":"real_bed","bathroomsNumber":1,"guestBathroomsNumber":0,"minNights":2,"maxNights":365,"guestsIncluded":2,'
    '"cleaningFee":60,"checkinFee":null,"priceForExtraPerson":12.5,"instantBookable":1,"instantBookableLeadTime":null,'
    '"airbnbBookingLeadTime":0,"allowSameDayBooking":1,"sameDayBookingLeadTime":18,"contactName":"Ops",'
    '"contactSurName":"","contactPhone1":"+4700000000","contactEmail":"ops@host.example","language":"en",'
    '"currencyCode":"%(currency)s","timeZoneName":"%(zone)s","wifiUsername":"loft-%(short)s","wifiPassword":"%(wifi)s",'
    '"cleannessStatus":"1","cleaningInstruction":null,"homeawayPropertyName":%(name)s,'
    '"homeawayPropertyHeadline":%(name)s,"homeawayPropertyDescription":%(homeaway)s,"bookingcomPropertyName":%(name)s,'
    '"bookingcomPropertyRoomName":null,"bookingcomPropertyDescription":%(bookingcom)s,"airbnbName":%(name)s,'
    '"airbnbSummary":"","airbnbSpace":%(airbnb)s,"airbnbAccess":null,"airbnbInteraction":null,'
    '"airbnbNeighborhoodOverview":null,"airbnbTransit":null,"airbnbNotes":null,"invoicingContactName":null,'
    '"propertyLicenseNumber":null,"propertyLicenseType":null,"averageReviewRating":%(rating)s,'
    '"listingAmenities":[%(amenities)s],"listingBedTypes":[{"id":%(id)s1,"bedTypeId":3,"quantity":1,"bedroomNumber":1}],'
    '"listingTags":[],"listingUnits":[],"listingImages":[%(images)s],"customFieldValues":[],"bookingEngineUrls":[],'
    '"specialStatus":%(special)s,"insertedOn":"%(inserted)s","latestActivityOn":"%(edited)s"}'
)
