"""The calls that Hostaway's API offers for one account, made with its token; knows no HTTP library.

get_list, get_object
    Repeated while that may help. When the token is refused, they are made once more with a renewed one. When that is
    refused, too, a request that any account may make tells whether the token or the object is the reason.
change
    Treats a refused token in the same way. Otherwise it is repeated after a 429 only: then nothing was done.
send_once
    One request with the current token, never repeated: for what must not be done twice.
issue_token, revoke_token
    The token route, which needs no token.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from hostaway_sync.errors import CredentialsRejected, Forbidden, NotFound, RateLimited, TokenRejected
from hostaway_sync.platforms.hostaway.http import protocol
from hostaway_sync.platforms.hostaway.http.limits import Call, buckets_for, exhausted_buckets, lowered_buckets
from hostaway_sync.platforms.hostaway.http.request import Cause, Request
from hostaway_sync.platforms.hostaway.http.retry_policy import DEFAULT_WINDOW, RetryPolicy
from hostaway_sync.platforms.hostaway.http.retrying import Attempts, Retrier
from hostaway_sync.platforms.hostaway.http.token import TokenProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import Bucket, Budget
    from hostaway_sync.model.records import AccessToken
    from hostaway_sync.platforms.hostaway.http.config import ClientClock, ClientConfig
    from hostaway_sync.platforms.hostaway.http.protocol import Listing
    from hostaway_sync.platforms.hostaway.http.request import JsonScalar, Params, Reply
    from hostaway_sync.platforms.hostaway.http.token import TokenVault

TOKEN_CHECK_HOLDS_FOR: Final = timedelta(seconds=60)
_Value = TypeVar("_Value")
# What any account may read.
_OPEN_PATH: Final = "/listings"
_OPEN_PARAMS: Final = {"limit": 1}


class HostawayApi:
    """The calls of one account, for use by several threads.

    Args:
        account_id: Hostaway's id of the account.
        client_secret: the key that tokens are issued for.
        config: limits, egress and retries.
        send: sends one request at the moment that the budget grants; raises `SourceError`.
        pause: sleeps, and raises `SourceError` once the client is closed.
        budget: is told of every 429.
        token_vault: keeps the token when this process ends.
        clock: of this machine.
    """

    def __init__(
        self,
        account_id: int,
        client_secret: SecretStr,
        config: ClientConfig,
        *,
        send: Callable[[Request], Reply],
        pause: Callable[[timedelta], None],
        budget: Budget,
        token_vault: TokenVault,
        clock: ClientClock,
    ) -> None:
        self._account_id = account_id
        self._client_secret = client_secret
        self._config = config
        self._send = send
        self._budget = budget
        self._now = clock.now
        self._retrier = Retrier(config.retry, pause=pause, jitter=clock.jitter)
        self._retrier_after_429 = Retrier(RetryPolicy(attempts=1), pause=pause, jitter=clock.jitter)
        self._tokens = TokenProvider(vault=token_vault, issue=self.issue_token, pause=pause, now=clock.now)
        self._checking = Lock()
        self._last_check: tuple[datetime, bool] | None = None

    def get_list(
        self, path: str, params: Params, cause: Cause, *, may_be_object: bool = False
    ) -> tuple[Listing, datetime]:
        """Return one page of a list, which may come as an object, too, and the moment that it shows.

        Raises:
            Forbidden: the account may not read this list.
            CredentialsRejected: it may read nothing.
            SourceError: any other failure, after the retries that it deserves.
        """
        decode = partial(self._decode, protocol.decode_values if may_be_object else protocol.decode_list)
        return self._with_token(path, lambda token, why: self._get(path, params, token, decode, why), cause)

    def get_object(
        self, path: str, params: Params, read: Callable[[bytes], _Value], cause: Cause
    ) -> tuple[_Value, datetime]:
        """Return what `read` makes of the bytes of one object, and the moment that it shows.

        Args:
            path: below the API's address.
            params: of the request.
            read: may raise `SourceUnavailable`; then the object is asked for again.
            cause: why it is asked for.

        Raises:
            NotFound: there is none.
            Forbidden: the account may not read it.
            CredentialsRejected: it may read nothing.
            SourceError: any other failure, after the retries that it deserves.
        """

        def decode(reply: Reply, asked: str) -> _Value:
            return read(self._decode(protocol.decode_object, reply, asked))

        return self._with_token(path, lambda token, why: self._get(path, params, token, decode, why), cause)

    def change(self, method: str, path: str, document: Mapping[str, int | str], cause: Cause) -> bytes:
        """Send `document` as JSON with POST, PUT or DELETE, and return the exact bytes of the result.

        Raises:
            SourceUnavailable: whether it was done is not known.
            SourceError: it was not done.
        """
        buckets = self._buckets(Call.GENERAL)
        decode = partial(self._decode, protocol.decode_result, asked=f"{method} {path}")

        def send(token: AccessToken, why: Cause) -> bytes:
            body = document or None
            request = Request(method, path, buckets, why, document=body, bearer=token.value, is_sent_once=True)
            return self._retry(request, decode, self._retrier_after_429)

        return self._with_token(path, send, cause)

    def send_once(
        self,
        method: str,
        path: str,
        document: Mapping[str, JsonScalar],
        decode: Callable[[Reply], _Value],
        cause: Cause,
        *,
        before_send: Callable[[], None],
    ) -> _Value:
        """POST a guest message, or PUT absolute values, in one request, which is never repeated.

        Args:
            method: POST, which counts against the limit of guest messages, or PUT.
            path: below the API's address.
            document: becomes the JSON of the request.
            decode: reads the answer; may raise `SourceError`.
            cause: why it is sent.
            before_send: is called the instant before the request leaves; if it raises, nothing leaves.

        Raises:
            SourceError: what `decode` raises, or no whole answer came.
        """
        request = Request(
            method,
            path,
            self._buckets(Call.SEND if method == "POST" else Call.GENERAL),
            cause,
            document=document,
            bearer=self._tokens.current().token.value,
            before_send=before_send,
            is_sent_once=True,
        )
        return self._send_and_decode(Attempts(request), decode)

    def check_credentials(self) -> None:
        """Make the request that any account may make; raise `SourceError` if it fails."""
        self.get_list(_OPEN_PATH, _OPEN_PARAMS, Cause("do the credentials work?"))

    def issue_token(self, why: str) -> AccessToken:
        """Ask for a token.

        Raises:
            CredentialsRejected: the id or the secret is wrong.
            SourceError: any other failure, after the retries that it deserves.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": str(self._account_id),
            "client_secret": self._client_secret.get_secret_value(),
            "scope": "general",
        }
        request = Request("POST", "/accessTokens", self._buckets(Call.TOKEN), Cause(why), form=form)

        def decode(reply: Reply) -> AccessToken:
            return protocol.decode_token(
                reply.status, reply.headers, reply.body, now=self._now(), account_id=self._account_id
            )

        return self._retry(request, decode)

    def revoke_token(self, token: AccessToken) -> None:
        """Have a token refused from now on; one that is refused already is fine (API notes, 1.3).

        Raises:
            SourceError: whether it is refused is not known.
        """
        buckets, cause, given = self._buckets(Call.TOKEN), Cause("token: revoke it"), {"token": token.value}
        request = Request("DELETE", "/accessTokens", buckets, cause, secret_params=given, bearer=token.value)
        with suppress(TokenRejected, NotFound):
            self._retry(request, partial(self._decode, protocol.decode_result, asked="DELETE /accessTokens"))

    def _is_good(self, token: AccessToken, refused_path: str) -> bool:
        """Whether a token can read anything (API notes, 1.2); asked once a minute for all threads."""
        with self._checking:
            if self._last_check is None or self._now() - self._last_check[0] > TOKEN_CHECK_HOLDS_FOR:
                try:
                    cause = Cause(f"token: is it good for anything? {refused_path} was refused")
                    self._get(_OPEN_PATH, _OPEN_PARAMS, token, partial(self._decode, protocol.decode_list), cause)
                    self._last_check = self._now(), True
                except TokenRejected:
                    self._last_check = self._now(), False
            return self._last_check[1]

    def _with_token(self, path: str, call: Callable[[AccessToken, Cause], _Value], cause: Cause) -> _Value:
        issued = self._tokens.current()
        try:
            return call(issued.token, cause)
        except TokenRejected as refusal:
            reason = refusal
        if (renewed := self._tokens.renew(issued)) is not None:
            try:
                return call(renewed.token, cause.with_step("with a renewed token"))
            except TokenRejected as refusal:
                reason = refusal
        if self._is_good(self._tokens.current().token, path):
            raise Forbidden(
                f"Hostaway does not let account {self._account_id} read {path}, though its token works elsewhere: "
                "check the permissions of its key in the dashboard"
            ) from reason
        raise CredentialsRejected(
            f"Hostaway refuses account {self._account_id} even with a new token: check its key in the dashboard"
        ) from reason

    def _get(
        self, path: str, params: Params, token: AccessToken, decode: Callable[[Reply, str], _Value], cause: Cause
    ) -> tuple[_Value, datetime]:
        request = Request("GET", path, self._buckets(Call.GENERAL), cause, params=params, bearer=token.value)

        def decode_timed(reply: Reply) -> tuple[_Value, datetime]:
            return decode(reply, f"GET {path}"), reply.observed_at

        return self._retry(request, decode_timed)

    def _decode(self, how: Callable[..., _Value], reply: Reply, asked: str) -> _Value:
        return how(reply.status, reply.headers, reply.body, now=self._now(), asked=asked)

    def _retry(self, request: Request, decode: Callable[[Reply], _Value], retrier: Retrier | None = None) -> _Value:
        attempts = Attempts(request)
        return (retrier or self._retrier)(lambda: self._send_and_decode(attempts, decode))

    def _send_and_decode(self, attempts: Attempts, decode: Callable[[Reply], _Value]) -> _Value:
        request = attempts.next()
        reply = self._send(request)
        attempts.last_status = reply.status
        try:
            return decode(reply)
        except RateLimited as limited:
            retry_in = limited.retry_in or DEFAULT_WINDOW
            exhausted = exhausted_buckets(request.buckets, limited.scope)
            lowered = exhausted if limited.limit is None else lowered_buckets(request.buckets, limited.scope)
            self._budget.penalize(lowered, retry_in=retry_in, limit=limited.limit)
            if rest := [bucket for bucket in exhausted if bucket not in lowered]:
                self._budget.penalize(rest, retry_in=retry_in, limit=None)
            raise

    def _buckets(self, call: Call) -> tuple[Bucket, ...]:
        return buckets_for(call, account_id=self._account_id, egress=self._config.egress, limits=self._config.limits)
