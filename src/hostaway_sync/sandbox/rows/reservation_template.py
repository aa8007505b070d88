"""The keys of a reservation, in Hostaway's order, as one template (API notes, 9.2)."""

from __future__ import annotations

from typing import Final

_HEAD = (
    '{"id":%s,"listingMapId":%s,"listingName":%s,%s,"reservationId":"%s","hostawayReservationId":"%s",'
    '"channelReservationId":"%s","externalPropertyId":"%s","externalUnitId":null,"assigneeUserId":null,'
    '"customerIcalId":null,"customerIcalName":null,"guestAuthHash":%s,'
    '"guestPortalUrl":"https:\\/\\/portal.example\\/reservation\\/check-in\\/%s?source=hostaway&utm_medium=guest-portal&locale=auto&theme=default","guestPortalRevampUrl":null,"isProcessed":1,"isInitial":0,'
    '"isManuallyChecked":0,"isInstantBooked":1,"reservationDate":%s,"pendingExpireDate":%s,%s,'
    '"guestExternalAccountId":"%s",%s,"guestEmail":%s,"guestPicture":"https:\\/\\/img.example\\/im\\/pictures\\/user\\/User\\/original\\/%s.jpeg?aki_policy=profile_x_medium&im_w=240",'
    '"guestRecommendations":0,"guestTrips":0,"guestWork":null,"isGuestIdentityVerified":0,'
    '"isGuestVerifiedByEmail":0,"isGuestVerifiedByWorkEmail":0,"isGuestVerifiedByFacebook":0,'
    '"isGuestVerifiedByGovernmentId":0,"isGuestVerifiedByPhone":0,"isGuestVerifiedByReviews":0,"numberOfGuests":%s,'
    '"adults":%s,"children":%s,"infants":null,"pets":null,"arrivalDate":"%s","departureDate":"%s",'
    '"isDatesUnspecified":%s,"previousArrivalDate":%s,"previousDepartureDate":%s,"checkInTime":%s,"checkOutTime":%s,'
    '"nights":%s,"phone":%s,"totalPrice":%s,"remainingBalance":null,"taxAmount":%s,"cleaningFee":%s,'
    '"airbnbExpectedPayoutAmount":%s,"channelCommissionAmount":%s,"hostawayCommissionAmount":null,'
    '"securityDepositFee":null,"isPaid":null,"paymentStatus":%s,"ccName":null,"ccNumber":null,'
    '"ccExpirationYear":null,"ccExpirationMonth":null,"cvc":null,"stripeGuestId":null,'
    '"braintreeGuestId":null,"currency":"%s","status":%s,'
    '"cancellationDate":%s,"cancelledBy":%s,"hostNote":%s,"guestNote":null,"doorCode":"%s",'
    '"comment":%s,"confirmationCode":"%s",'
    '"airbnbListingBasePrice":null,"airbnbListingCancellationHostFee":null,"airbnbListingCancellationPayout":null,'
    '"airbnbListingCleaningFee":null,"airbnbListingHostFee":null,"airbnbListingSecurityPrice":null,'
    '"airbnbOccupancyTaxAmountPaidToHost":null,"airbnbTotalPaidAmount":null,'
    '"airbnbTransientOccupancyTaxPaidAmount":null,"airbnbCancellationPolicy":%s,"isStarred":%s,"isArchived":%s,'
    '"isPinned":0,"customFieldValues":%s,"reservationFees":%s,"reservationUnit":[],"insertedOn":"%s","updatedOn":"%s",'
    '"latestActivityOn":%s,"customerUserId":null,"guestLocale":%s,"localeForMessaging":"en",'
    '"reservationAgreement":%s,"financeField":[],'
    '"insuranceStatus":%s,"claimStatus":null,"cancellationPolicyId":9001,"hostProxyEmail":%s'
)
_TAIL = (
    ',"rentalAgreementFileUrl":null,"reservationPayments":[],"originalChannel":null,"bookingcomNoShowReportedAt":null,'
    '"isGuestVerified":0,"isOverbooking":0}'
)
FULL: Final = _HEAD + _TAIL
COPY: Final = _HEAD + "}"
