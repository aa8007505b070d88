"""The words that rows are made of, already escaped as JSON."""

# ruff: noqa: RUF001 - guests write in many languages
from __future__ import annotations

import json
from typing import Final, NamedTuple


def quote(value: object) -> str:
    """Return a value as JSON the way PHP writes it: pure ASCII, slashes escaped."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


class Guest(NamedTuple):
    """A guest in plain words; the rows escape them."""

    first: str
    last: str
    locale: str
    country: str
    city: str


GUESTS: Final = (
    Guest("Ida", "Berg", "nb", "NO", "Bergen"),
    Guest("Zoë", "van der Meer", "nl", "NL", "Utrecht"),
    Guest("José", "Muñoz Peña", "es", "ES", "Cádiz"),
    Guest("Łukasz", "Wójcik", "pl", "PL", "Łódź"),
    Guest("Øystein", "Næss", "nb", "NO", "Tromsø"),
    Guest("François", "Lefèvre", "fr", "FR", "Nîmes"),
    Guest("Jürgen", "Groß", "de", "DE", "Köln"),
    Guest("Siobhán", "O'Brien", "en", "IE", "Galway"),
    Guest("Nguyễn", "Thị Hạnh", "vi", "VN", "Đà Nẵng"),
    Guest("明", "王", "zh", "CN", "上海"),
    Guest("さくら", "田中", "ja", "JP", "京都"),
    Guest("민준", "김", "ko", "KR", "서울"),
    Guest("Дмитрий", "Иванов", "ru", "KZ", "Алматы"),
    Guest("Олена", "Шевченко", "uk", "UA", "Львів"),
    Guest("Γιώργος", "Παπαδόπουλος", "el", "GR", "Θεσσαλονίκη"),
    Guest("محمد", "الأحمد", "ar", "AE", "دبي"),
    Guest("יעל", "כהן", "he", "IL", "חיפה"),
    Guest("प्रिया", "शर्मा", "hi", "IN", "जयपुर"),
    Guest("สมชาย", "ใจดี", "th", "TH", "เชียงใหม่"),
    Guest("Ayşe", "Yılmaz", "tr", "TR", "İzmir"),
    Guest("Şükrü", "Öztürk", "tr", "TR", "Muğla"),
    Guest("Anna-Lena", "Ås", "sv", "SE", "Malmö"),
    Guest("Mette", "Sørensen", "da", "DK", "Ærø"),
    Guest("Þórunn", "Jónsdóttir", "is", "IS", "Akureyri"),
    Guest("Eszter", "Kovács", "hu", "HU", "Győr"),
    Guest("Jiří", "Dvořák", "cs", "CZ", "Plzeň"),
    Guest("Ștefan", "Popescu", "ro", "RO", "Brașov"),
    Guest("Inês", "Gonçalves", "pt", "PT", "Évora"),
    Guest("João", "D'Ávila", "pt", "BR", "São Paulo"),
    Guest("Björk", "& Söhne GmbH", "de", "AT", "Mödling"),
    Guest("Emma 🌸", "Smith", "en", "GB", "Bath"),
    Guest('Bob "Bobby"', "Null", "en", "US", "Truth or Consequences"),
    Guest("Liam", "Murphy", "en", "US", "Portland"),
    Guest("Olivia", "Brown", "en", "CA", "Halifax"),
    Guest("Noah", "Wilson", "en", "AU", "Perth"),
    Guest("Ella", "Virtanen", "fi", "FI", "Jyväskylä"),
    Guest("Marko", "Horvat", "hr", "HR", "Šibenik"),
    Guest("Giulia", "De Luca", "it", "IT", "Forlì"),
    Guest("Chloé", "Dubois", "fr", "BE", "Liège"),
    Guest("👨‍👩‍👧 Family", "Müller", "de", "CH", "Zürich"),
)
FIRST_NAMES: Final = tuple(quote(guest.first) for guest in GUESTS)

QUESTIONS: Final = tuple(
    quote(body)
    for body in (
        "Hello! Is early check-in possible? 😊",
        "Hi, we land at 22:40. How do we get the keys?",
        "Hola, ¿hay sitio para aparcar una furgoneta? 🚐",
        "Bonjour,\nnous serons finalement cinq personnes.\nEst-ce possible d'ajouter un lit bébé ?\n\nMerci d'avance !",
        "Guten Tag, gibt es in der Nähe einen Bäcker? Viele Grüße",
        "こんにちは。Wi-Fiのパスワードを教えていただけますか？",
        "你好，请问可以晚一点退房吗？谢谢🙏",
        "Здравствуйте! Можно ли с собакой? 🐕",
        "مرحبا، هل يوجد مصعد في المبنى؟",
        "<p>Dear host,</p><p>the heating does not work&nbsp;since this morning.</p><p>Kind regards</p>",
        "ok 👍",
        "Thanks!!! ❤️❤️❤️",
        "The door code does not work. We are standing outside in the rain.",
        "Er det mulig å leie håndklær og sengetøy?",
        "Is it quiet at night? We are travelling with a 3-month-old and my mother-in-law, who sleeps very lightly.",
        "Γεια σας, μπορούμε να αφήσουμε τις βαλίτσες μας μέχρι τις 18:00;",
    )
)
ANSWERS: Final = tuple(
    quote(body)
    for body in (
        "Hi! Yes, from 13:00. See you soon 🙂",
        "Of course, that is no problem at all.",
        "The keys are in the box beside the door. The code comes on the day of arrival.",
        "<p>Thank you for your message!&nbsp;</p><p>We will come back to you <b>within the hour</b>.</p>",
        "Sorry to hear that! Someone is on the way, about 20 minutes.",
        "Late check-out costs 30 € and is possible until 14:00.",
        "Sí, hay un aparcamiento gratuito detrás de la casa.",
        "Ja, der nächste Bäcker ist 200 m die Straße hinunter 🥐",
    )
)
_SIGNATURE = (
    '\n\n<p>--<br />Your hosts&nbsp;💛<br />Reception: daily 8-20, <a href="https://host.example/contact?ref=auto">'
    "write to us</a> at any other time.</p><p><small>You get this message because you booked one of our homes. "
    "Please do not answer to the address it came from; answers are read in the app only.</small></p>"
)
AUTOMATIONS: Final = tuple(
    quote(body + _SIGNATURE)
    for body in (
        "Hello and welcome! 🎉\n\nYour booking is confirmed. Directions and the door code come before arrival.",
        "Good to know for your arrival:\n• Check-in from 15:00\n• Wi-Fi: see the folder\n• Quiet after 22:00",
        "<p>We hope you enjoyed your stay!&nbsp;</p><p>Would you leave us a review? ⭐⭐⭐⭐⭐</p>",
        "Check-out is tomorrow until 11:00. Please leave the keys on the table. Safe travels! ✈️",
    )
)


class Channel(NamedTuple):
    """A place where bookings come from (API notes, 9.2)."""

    id: int
    name: str
    source: str | None
    bookable: bool
    """False for calendar feeds, which know neither guest nor time of booking."""


CHANNELS: Final = (
    Channel(2018, "airbnbOfficial", None, bookable=True),
    Channel(2002, "homeaway", "VRBO", bookable=True),
    Channel(2005, "bookingcom", None, bookable=True),
    Channel(2007, "expedia", None, bookable=True),
    Channel(2000, "direct", "Word of mouth 🗣", bookable=True),
    Channel(2013, "bookingengine", None, bookable=True),
    Channel(2015, "customIcal", None, bookable=False),
    Channel(2009, "homeawayical", None, bookable=False),
)
CHANNEL_WHEEL: Final = (0,) * 30 + (1,) * 12 + (2,) * 10 + (3,) * 2 + (4,) * 6 + (5,) * 2 + (6,) + (7,)
"""64 draws, about as often as seen."""

STATUSES: Final = (
    "new", "modified", "inquiry", "cancelled", "declined", "inquiryNotPossible", "inquiryPreapproved", "expired",
    "ownerStay",
)  # fmt: skip
STATUS_WHEEL: Final = (0,) * 40 + (1,) * 37 + (2,) * 27 + (3,) * 15 + (4,) * 3 + (5,) * 3 + (6,) + (7,) + (8,)
"""128 draws, as often as in 707 recorded rows."""
