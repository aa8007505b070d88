"""Asks for lists and objects with a token, as often as it is worth it; knows no HTTP library.

list    with the token at hand; when that is refused, once more with a renewed one; when that is refused too, a
        request that any account may make tells a useless token from an object that is not the account's to read
object  the same
change  the same, sent once: but for a 429 and a refused token, whose outcome is known, nothing is sent again
once    one request with the token at hand, whatever comes of it: for what must not be done twice
issue   asks for a token; revoke ends one
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

from hostaway_sync.errors import CredentialsRejected, Forbidden, NotFound, RateLimited, TokenRejected
from hostaway_sync.platforms.hostaway.http import protocol
from hostaway_sync.platforms.hostaway.http.limits import Call, buckets, exhausted, lowered
from hostaway_sync.platforms.hostaway.http.request import Cause, Request
from hostaway_sync.platforms.hostaway.http.retry_policy import DEFAULT_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pydantic import SecretStr

    from hostaway_sync.model.api_calls import Bucket, Budget
    from hostaway_sync.model.records import Token
    from hostaway_sync.platforms.hostaway.http.limits import Limits
    from hostaway_sync.platforms.hostaway.http.protocol import Listing
    from hostaway_sync.platforms.hostaway.http.request import Params, Reply
    from hostaway_sync.platforms.hostaway.http.retrying import Retrier
    from hostaway_sync.platforms.hostaway.http.token import TokenProvider

PROBE_HOLDS_FOR: Final = timedelta(seconds=60)
_Value = TypeVar("_Value")
_PROBE_PATH: Final = "/listings"
_PROBE_PARAMS: Final = {"limit": 1}


class _Attempts:
    """The attempts of one request, each of which knows what became of the one before it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._made = 0
        self.last_status: int | None = None

    def next(self) -> Request:
        """Give the request as it is made now."""
        self._made += 1
        if self._made == 1:
            return self._request
        failure = "no whole answer" if self.last_status is None else f"{self.last_status}"
        if self.last_status == HTTPStatus.OK:
            failure = "a useless 200"
        self.last_status = None
        cause = self._request.cause.also(f"attempt {self._made} after {failure}")
        return replace(self._request, cause=replace(cause, attempt=self._made))


class HostawayApi:
    """The calls of one account, for use by several threads.

    Args:
        account_id: Hostaway's id of the account.
        secret: the key that tokens are issued for.
        send: sends one request at the moment that the budget grants; raises `SourceError`.
        budget: is told of every 429.
        trying: calls again what failed for now.
        once: calls again only what was certainly not done.
        limits: requests per window.
        egress: name of the address that requests leave through.
        clock: our own clock, aware.
    """

    def __init__(
        self,
        *,
        account_id: int,
        secret: SecretStr,
        send: Callable[[Request], Reply],
        budget: Budget,
        trying: Retrier,
        once: Retrier,
        limits: Limits,
        egress: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._account_id = account_id
        self._secret = secret
        self._send = send
        self._budget = budget
        self._trying = trying
        self._once = once
        self._limits = limits
        self._egress = egress
        self._clock = clock
        self._probing = Lock()
        self._probe: tuple[datetime, bool] | None = None

    def list(self, path: str, params: Params, access: TokenProvider, cause: Cause) -> tuple[Listing, datetime]:
        """Give one page of a list, and the moment that it shows.

        Raises:
            Forbidden: the account may not read this list.
            CredentialsRejected: it may read nothing.
            SourceError: anything else, after the retries it deserves.
        """
        return self._allowed(path, access, lambda token, why: self._got(path, params, token, self._listing, why), cause)

    def object(
        self, path: str, params: Params, access: TokenProvider, read: Callable[[bytes], _Value], cause: Cause
    ) -> tuple[_Value, datetime]:
        """Give what `read` makes of the bytes of one object, and the moment that it shows.

        Args:
            path: below the API's address.
            params: of the request.
            access: gives the token.
            read: may raise `SourceUnavailable`, and then the object is asked for again.
            cause: why it is asked for.

        Raises:
            NotFound: there is none.
            Forbidden: the account may not read it.
            CredentialsRejected: it may read nothing.
            SourceError: anything else, after the retries it deserves.
        """

        def decode(reply: Reply, asked: str) -> _Value:
            return read(protocol.decode_object(reply.status, reply.headers, reply.body, now=self._clock(), asked=asked))

        return self._allowed(path, access, lambda token, why: self._got(path, params, token, decode, why), cause)

    def change(
        self, method: str, path: str, document: Mapping[str, int | str], access: TokenProvider, cause: Cause
    ) -> bytes:
        """Send `document` as JSON with POST, PUT or DELETE, and give the exact bytes of what came back.

        Raises:
            SourceUnavailable: whether it was done is not known.
            SourceError: it was not done.
        """
        buckets, decode = self._buckets(Call.GENERAL), partial(self._result, asked=f"{method} {path}")

        def send(token: Token, why: Cause) -> bytes:
            body = document or None
            wanted = Request(method, path, buckets, why, document=body, bearer=token.value, leaves_once=True)
            return self._tried(wanted, decode, self._once)

        return self._allowed(path, access, send, cause)

    def once(
        self,
        path: str,
        document: Mapping[str, int | str],
        access: TokenProvider,
        decode: Callable[[Reply], _Value],
        cause: Cause,
        leaving: Callable[[], None],
    ) -> _Value:
        """POST a guest message: one request, which nothing follows; `leaving` is called the instant before it leaves.

        Raises:
            SourceError: what `decode` raises of its answer, or no whole answer came.
        """
        request = Request(
            "POST",
            path,
            self._buckets(Call.SEND),
            cause,
            document=document,
            bearer=access.current().token.value,
            leaving=leaving,
            leaves_once=True,
        )
        return self._decoded(_Attempts(request), decode)

    def prove(self, access: TokenProvider) -> None:
        """Make the request that any account may make.

        Raises:
            SourceError: it failed.
        """
        self.list(_PROBE_PATH, _PROBE_PARAMS, access, Cause("do the credentials work?"))

    def issue(self, why: str) -> Token:
        """Ask for a token.

        Raises:
            CredentialsRejected: the id or the secret is wrong.
            SourceError: anything else, after the retries it deserves.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": str(self._account_id),
            "client_secret": self._secret.get_secret_value(),
            "scope": "general",
        }
        request = Request("POST", "/accessTokens", self._buckets(Call.TOKEN), Cause(why), form=form)

        def decode(reply: Reply) -> Token:
            return protocol.decode_token(
                reply.status, reply.headers, reply.body, now=self._clock(), account_id=self._account_id
            )

        return self._tried(request, decode)

    def revoke(self, token: Token) -> None:
        """Have a token refused from now on; that it was before is as good (API notes, 1.3).

        Raises SourceError when that is not known.
        """
        buckets, cause, given = self._buckets(Call.TOKEN), Cause("token: it is to end"), {"token": token.value}
        request = Request("DELETE", "/accessTokens", buckets, cause, secret_params=given, bearer=token.value)
        with suppress(TokenRejected, NotFound):
            self._tried(request, partial(self._result, asked="DELETE /accessTokens"))

    def _is_good(self, token: Token, refused: str) -> bool:
        """Whether this token can read anything (API notes, 1.2); asked once a minute for all threads."""
        with self._probing:
            if self._probe is None or self._clock() - self._probe[0] > PROBE_HOLDS_FOR:
                try:
                    cause = Cause(f"token: is it good for anything? {refused} was refused")
                    self._got(_PROBE_PATH, _PROBE_PARAMS, token, self._listing, cause)
                    self._probe = self._clock(), True
                except TokenRejected:
                    self._probe = self._clock(), False
            return self._probe[1]

    def _allowed(
        self, path: str, access: TokenProvider, call: Callable[[Token, Cause], _Value], cause: Cause
    ) -> _Value:
        held = access.current()
        try:
            return call(held.token, cause)
        except TokenRejected as refusal:
            reason = refusal
        if (renewed := access.renewed(held)) is not None:
            try:
                return call(renewed.token, cause.also("with a renewed token"))
            except TokenRejected as refusal:
                reason = refusal
        if self._is_good(access.current().token, path):
            raise Forbidden(
                f"Hostaway does not let account {self._account_id} read {path}, though its token works elsewhere: "
                "check the permissions of its key in the dashboard"
            ) from reason
        raise CredentialsRejected(
            f"Hostaway refuses account {self._account_id} even with a new token: check its key in the dashboard"
        ) from reason

    def _got(
        self, path: str, params: Params, token: Token, decode: Callable[[Reply, str], _Value], cause: Cause
    ) -> tuple[_Value, datetime]:
        request = Request("GET", path, self._buckets(Call.GENERAL), cause, params=params, bearer=token.value)

        def decode_timed(reply: Reply) -> tuple[_Value, datetime]:
            return decode(reply, f"GET {path}"), reply.observed_at

        return self._tried(request, decode_timed)

    def _listing(self, reply: Reply, asked: str) -> Listing:
        return protocol.decode_list(reply.status, reply.headers, reply.body, now=self._clock(), asked=asked)

    def _result(self, reply: Reply, asked: str) -> bytes:
        return protocol.decode_result(reply.status, reply.headers, reply.body, now=self._clock(), asked=asked)

    def _tried(self, request: Request, decode: Callable[[Reply], _Value], trying: Retrier | None = None) -> _Value:
        attempts = _Attempts(request)
        return (trying or self._trying)(lambda: self._decoded(attempts, decode))

    def _decoded(self, attempts: _Attempts, decode: Callable[[Reply], _Value]) -> _Value:
        request = attempts.next()
        reply = self._send(request)
        attempts.last_status = reply.status
        try:
            return decode(reply)
        except RateLimited as limited:
            silence = limited.retry_in or DEFAULT_WINDOW
            silent = exhausted(request.buckets, limited.scope)
            slower = silent if limited.limit is None else lowered(request.buckets, limited.scope)
            self._budget.penalize(slower, retry_in=silence, limit=limited.limit)
            if rest := [bucket for bucket in silent if bucket not in slower]:
                self._budget.penalize(rest, retry_in=silence, limit=None)
            raise

    def _buckets(self, call: Call) -> tuple[Bucket, ...]:
        return buckets(call, account_id=self._account_id, egress=self._egress, limits=self._limits)
