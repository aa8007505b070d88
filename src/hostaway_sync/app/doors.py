"""The doors of a mirror to all but mirroring, one a subject; each is imported when somebody goes through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostaway_sync.app.container import Container
    from hostaway_sync.app.database import DatabaseOperations
    from hostaway_sync.app.maintenance import Maintenance
    from hostaway_sync.app.message_batches import MessageBatches
    from hostaway_sync.app.messages import Messages
    from hostaway_sync.app.payload_fields import PayloadFields
    from hostaway_sync.app.privacy import Guests
    from hostaway_sync.app.secrets import Keys
    from hostaway_sync.store.schema.roles import Roles


class Doors:
    """What else can be done with the accounts and the database of a mirror."""

    _container: Container

    @property
    def roles(self) -> Roles:
        """The door to who may use the database."""
        from hostaway_sync.store.schema.roles import Roles

        return Roles(self._container.database)

    @property
    def guests(self) -> Guests:
        """The door to guests who are to be forgotten."""
        from hostaway_sync.app.privacy import Guests

        return Guests(self._container)

    @property
    def upkeep(self) -> Maintenance:
        """The door to what the mirror's own history takes."""
        from hostaway_sync.app.maintenance import Maintenance

        return Maintenance(self._container)

    @property
    def messages(self) -> Messages:
        """The door to what is said to guests."""
        from hostaway_sync.app.messages import Messages

        return Messages(self._container)

    @property
    def batches(self) -> MessageBatches:
        """The door to many messages at once."""
        from hostaway_sync.app.message_batches import MessageBatches

        return MessageBatches(self._container)

    @property
    def keys(self) -> Keys:
        """The door to what the stored secrets are sealed with."""
        from hostaway_sync.app.secrets import Keys

        return Keys(self._container)

    @property
    def relocation(self) -> DatabaseOperations:
        """The door to another database."""
        from hostaway_sync.app.database import DatabaseOperations

        return DatabaseOperations(self._container)

    @property
    def payload_fields(self) -> PayloadFields:
        """The door to which fields of payloads this database has hidden."""
        from hostaway_sync.app.payload_fields import PayloadFields

        return PayloadFields(self._container)
