"""Secrets in AWS Secrets Manager. The only importer of boto3, which finds region, credentials and endpoint by itself.

Each version is a secret of its own, `hostaway-sync/<mirror>/<table>/<primary key>/<column>/<version>`: it is created,
read and deleted, and never changed.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from hostaway_sync.errors import ConfigurationError, SecretError, SecretGone, SecretsUnavailable
from hostaway_sync.secrets.protocols import format_path, format_pointer, generate_version, parse_path, read_version

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004  (its name)
except ImportError:
    raise ConfigurationError(
        "HOSTAWAY_SYNC_SECRETS_STORE=aws needs boto3, which is not installed: `pip install 'hostaway-sync[aws]'`"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.secrets.protocols import Place

KIND: Final = "aws"
_ROOT: Final = "hostaway-sync"
_CONNECT_S: Final = 3
_READ_S: Final = 5
_ATTEMPTS: Final = 3
_PAUSES_S: Final = (0.1, 0.4)
_CONNECTIONS: Final = 16
_POLICY: Final = "docs/how-to.md has the policy that is needed"
_ABSENT: Final = {"ResourceNotFoundException", "InvalidRequestException"}  # the second: marked for deletion by hand
_FOR_NOW: Final = {
    "InternalServiceError",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
}
_SERVER_ERROR: Final = 500


class AwsSecrets:
    """The secrets of one mirror in one region of one AWS account.

    Args:
        mirror: the id of the mirror, which separates the mirrors of one AWS account.

    Raises:
        ConfigurationError: there is no region.
    """

    kind = KIND

    def __init__(self, mirror: str) -> None:
        # At level DEBUG these log complete requests, with secrets.
        for library in ("boto3", "botocore", "urllib3"):
            logging.getLogger(library).setLevel(logging.WARNING)
        self._prefix = f"{_ROOT}/{mirror}/"
        self._session = boto3.session.Session()
        with self._translated("be used"):
            self._client: Any = self._session.client(
                "secretsmanager",
                config=Config(
                    connect_timeout=_CONNECT_S,
                    read_timeout=_READ_S,
                    retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
                    max_pool_connections=_CONNECTIONS,
                ),
            )
        self.name = f"AWS Secrets Manager in {self._client.meta.region_name}, below {self._prefix}"

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Create a secret, and return the bytes for its row."""
        version = generate_version()
        with self._translated(f"take {place}"):
            # AWS detects a repeated request by the token; the version is random, so no other request has it.
            self._client.create_secret(
                Name=self._prefix + format_path(place, version),
                Description=f"hostaway-sync: {place}",
                SecretString=value.get_secret_value(),
                ClientRequestToken=version,
            )
        return format_pointer(KIND, version)

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Return a secret; a missing one is requested again for half a second, because it may be new."""
        name = self._prefix + format_path(place, read_version(kept))
        for pause in (*_PAUSES_S, None):
            try:
                with self._translated(f"give {place}"):
                    return _text(self._client.get_secret_value(SecretId=name), place)
            except SecretGone:
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError  # the last of them returned or raised

    def discard(self, kept: bytes, place: Place) -> None:
        """Delete a secret at once, without AWS's recovery window: no row names it any more."""
        name = self._prefix + format_path(place, read_version(kept))
        with suppress(SecretGone), self._translated(f"delete {place}"):
            self._client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def list_versions(self) -> Iterator[tuple[Place, bytes]]:
        """Yield all secrets of this mirror, a hundred per request."""
        pages = self._client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [self._prefix]}], PaginationConfig={"PageSize": 100}
        )
        with self._translated("list secrets"):
            for page in pages:
                for entry in page["SecretList"]:
                    read = parse_path(entry["Name"].removeprefix(self._prefix))
                    if entry["Name"].startswith(self._prefix) and read is not None:
                        yield read[0], format_pointer(KIND, read[1])

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Translate an error of AWS into one of ours."""
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
            if code in _FOR_NOW or status >= _SERVER_ERROR:
                raise SecretsUnavailable(f"AWS Secrets Manager does not {what} now: {code}; try again later") from None
            if code in _ABSENT:
                raise SecretGone(f"AWS Secrets Manager cannot {what}: it is not there (any more)") from None
            raise SecretError(f"AWS Secrets Manager will not {what}: {code}; {_POLICY}") from None
        except (ConnectionError, HTTPClientError) as error:
            if self._is_region_unknown():
                raise SecretError(
                    f"AWS has no region {self._session.region_name} with a Secrets Manager: set AWS_DEFAULT_REGION"
                ) from None
            raise SecretsUnavailable(
                f"AWS Secrets Manager is not reached ({type(error).__name__}): try again later"
            ) from None
        except BotoCoreError as error:
            raise SecretError(f"AWS Secrets Manager cannot {what}: {_hint(error)}") from None

    def _is_region_unknown(self) -> bool:
        endpoint, region = self._client.meta.endpoint_url, self._session.region_name
        known = {
            name
            for partition in self._session.get_available_partitions()
            for name in self._session.get_available_regions("secretsmanager", partition_name=partition)
        }
        return f".{region}.amazonaws." in endpoint and region not in known


def _text(answer: dict[str, Any], place: Place) -> SecretStr:
    if "SecretString" not in answer:
        raise SecretError(f"{place} is no text in AWS Secrets Manager: was it written by another program?")
    return SecretStr(answer["SecretString"])


def _hint(error: BotoCoreError) -> str:
    """Return a remedy for an error by its class, or its own text, which holds no secret."""
    kind = type(error).__name__
    if kind == "NoRegionError":
        return "set AWS_DEFAULT_REGION, for example to eu-central-1"
    if "Credential" in kind or "Token" in kind:
        return f"boto3 finds no usable AWS credentials ({kind}): set AWS_PROFILE, or give the machine a role"
    return str(error).rstrip(".")
