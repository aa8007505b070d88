"""The words that may be repeated from a text of an unknown author: those of errors of APIs, databases and Python.

A word that is also a common name of persons ("page", "price", "read", "will") is not among them: it counts only within
one of the `PHRASES`, or within the name of a field. Words that only a message to or from a guest needs are left out.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(pair.split()) for pair in text.split(","))


_OF_APIS: Final = _words("""
    accept acceptable accepted access account accounts action activity api apis application argument arguments array
    attachment attachments authenticated authentication authorization authorized bearer body boolean cache cached
    calendar certificate channel channels client clients code codes command conflict connection connections content
    conversation conversations cookie count credential credentials currency cursor data database date dates datetime
    default deprecated description digits document documentation domain element elements email emails encoding
    endpoint endpoints entities entity entry error errors event events exception exceptions expectation feature file
    filter filters float form format function gateway guest guests header headers host hostname hosts html http
    https id identifier identifiers ids index input inputs instance integer internal ip item items iteration json
    language length limit limits list listing listings login mail mailbox media message messages method methods
    model module name named names network node number oauth object objects offset operation option options output
    owner pagination param parameter parameters parser parsing password path payload payment payments permission
    permissions phone protocol provider proxy query quota rate reason recipient recipients record records redirect
    redirects reference request requests requirement requirements reservation reservations resource resources
    response responses restriction result results review reviews route row rows schema scope scopes secret section
    security sender sequence server servers service session size sms smtp socket source spam sql ssl state statement
    status statuses storage string strings structure subject subscription support syntax system table tag task tasks
    tcp template text thread threads timestamp timezone tls token tokens transaction type types uri url urls user
    username users utc validation validator value values variable verification version webhook webhooks whatsapp
""")
_OF_FAILURES: Final = _words("""
    abort aborted again allocate allocation allow allowed already ambiguous applicable applied assigned attempt
    attempts attribute available bad blacklisted blocked bounced broken busy canceled cancelled cannot character
    characters closed complete completed configured connect connected consistent constraint contain contained
    contains convert converted corrupt could create created currently deadlock decode decoded define defined delete
    deleted delivered delivery denied deny dependency depth described detected determine different direction
    disabled disconnected division duplicate duplicated empty enabled entered eof equal establish established exceed
    exceeded exceeds exhausted exist existing exists expected expecting expired expires explicitly extra fail failed
    fails failure fetch find forbidden forever found gone greater handle handled handshake ignored illegal
    immediately implemented inactive inbox incoming incompatible incomplete incorrect information insert inserted
    insufficient interrupted invalid known later limited literal load loaded locale locked loop maintenance
    malformed match matched matches matching maximum memory minimum misdirected mismatch missing modified moved
    multiple none nonexistent occur occurred occurs only opened outgoing overflow overloaded parse parsed partial
    perform performed permanently permitted polling positive precondition prefix present process processed
    processing protocols provide provided receive received recognized recursion referenced refresh refused refuses
    registered rejected relation remote removed repeat replace represent requested required reset resolution resolve
    respond restore retry returned revoked save saved selected sending sent set something specified specify start
    started stopped store stored submit submitted succeeded success successful successfully such supported switching
    teapot temporarily temporary terminated thing throttled time timed timeout times too trailing transient truncated
    try trying unable unacceptable unauthorized unavailable undefined undeliverable unexpected unexpectedly unhandled
    unique unknown unprocessable unreachable unrecognized unresolved unsubscribed unsupported update updated
    updating upgrade upload upstream used using valid verified verify violates violation wait warning went write
    writing written wrong
""")
_OF_TIMES_AND_AMOUNTS: Final = _words("""
    adults amount amounts arrival balance bytes cancellation checkin checkout days departure hours infants minute
    minutes month months negative nights second seconds total years zero
""")
_OF_DATABASES_AND_PYTHON: Final = _words("""
    bigint bool bytearray callable codec columns dict escape int iterable jsonb nonetype numeric operator ordinal
    regex str subscriptable surrogate surrogates timestamptz tuple unicode unpack utf utf8 uuid varchar
""")
SUBJECTS: Final = _OF_APIS | _OF_FAILURES | _OF_TIMES_AND_AMOUNTS | _OF_DATABASES_AND_PYTHON
"""Words about software: each may be repeated wherever it stands."""

JOINING: Final = _words("""
    above after all and any are as at be because been before being between both but by did does each either every
    following for from had has have if in into is it its least less more most must neither next no nor not of on or
    other over same should since than that their them then there these this those to under until up use was were
    what when where which while with within without would your
""")
"""Words that may be repeated beside a word about software: by themselves, they say nothing about it."""

ARTICLES: Final = frozenset({"a", "an", "the"})
"""Words that may be repeated before a word about software."""

PARTS: Final = _words("""
    address airbnb arrival auth base booking bookingcom category cc charge children city code comment country custom
    day door end external fee fees field fields file first flag guest ical in include incoming inserted is key last
    lat latest lng map max member min note of on order page pages per pets picture portal post price prices private
    public read scheduled size sort special start state street tax taxes unit units url usage wifi zip zipcode
""")
"""Further words that may stand within a name of several parts, as that of a field: `user_name`, `page_size`."""

PHRASES: Final = _pairs("""
    access key, api key, api keys, bad gateway, be null, by peer, cannot read, client key, content large,
    could read, do not, duplicate key, early hints, entity large, foreign key, form field, header fields, invalid
    field, invalid fields, invalid key, invalid page, is null, loop detected, many attempts, many requests, missing
    field, missing fields, missing key, not null, not read, null value, number of, of range, out of, page limit,
    page number, page size, per day, per hour, per minute, per month, per page, per request, per second, primary
    key, read only, read timeout, required field, required fields, the field, the fields, the given, the key, the
    page, this field, this page, too early, too large, too long, too many, too short, too small, unknown field,
    unknown fields, unknown key, was given, were given, with base, you do
""")
"""Pairs of words that may be repeated together, although one of them is also a name."""

UNITS: Final = _words("""
    attempts bytes characters days digits elements hours items messages minutes months ms requests rows s sec
    seconds times
""")
"""What a number may count."""

BEFORE_NUMBERS: Final = _words("""
    base between char character column least length limit line maximum minimum most position status than version
""")
"""Words after which a short number may be repeated, whatever follows."""
