"""The doors of a mirror to all but mirroring, one a subject; each is imported when somebody goes through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostaway_sync.batches import Batches
    from hostaway_sync.guests import Guests
    from hostaway_sync.keys import Keys
    from hostaway_sync.messages import Messages
    from hostaway_sync.payload_fields import PayloadFields
    from hostaway_sync.relocation import Relocation
    from hostaway_sync.store.roles import Roles
    from hostaway_sync.upkeep import Upkeep
    from hostaway_sync.wiring import Wiring


class Doors:
    """What else can be done with the accounts and the database of a mirror."""

    _wiring: Wiring

    @property
    def roles(self) -> Roles:
        """The door to who may use the database."""
        from hostaway_sync.store.roles import Roles

        return Roles(self._wiring.database)

    @property
    def guests(self) -> Guests:
        """The door to guests who are to be forgotten."""
        from hostaway_sync.guests import Guests

        return Guests(self._wiring)

    @property
    def upkeep(self) -> Upkeep:
        """The door to what the mirror's own history takes."""
        from hostaway_sync.upkeep import Upkeep

        return Upkeep(self._wiring)

    @property
    def messages(self) -> Messages:
        """The door to what is said to guests."""
        from hostaway_sync.messages import Messages

        return Messages(self._wiring)

    @property
    def batches(self) -> Batches:
        """The door to many messages at once."""
        from hostaway_sync.batches import Batches

        return Batches(self._wiring)

    @property
    def keys(self) -> Keys:
        """The door to what the stored secrets are sealed with."""
        from hostaway_sync.keys import Keys

        return Keys(self._wiring)

    @property
    def relocation(self) -> Relocation:
        """The door to another database."""
        from hostaway_sync.relocation import Relocation

        return Relocation(self._wiring)

    @property
    def payload_fields(self) -> PayloadFields:
        """The door to which fields of payloads this database has hidden."""
        from hostaway_sync.payload_fields import PayloadFields

        return PayloadFields(self._wiring)
