"""Settings of callers of the API who bring tokens of an identity provider."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings


class TokenSettings(BaseSettings):
    """Whose tokens the API accepts.

    Attributes:
        jwt_issuer: `iss` of tokens; None: none is accepted.
        jwt_audience: one of `aud` of tokens.
        jwt_jwks_url: where the issuer publishes its keys.
        jwt_public_key: its only key, in PEM, instead.
        jwt_scope_claim: name of the claim with scopes.
        jwt_accounts_claim: name of the claim with ids of accounts.
        jwt_customer_claim: name of the claim with the id of a customer.
    """

    jwt_issuer: str | None = Field(default=None, min_length=1)
    jwt_audience: str | None = Field(default=None, min_length=1)
    jwt_jwks_url: str | None = Field(default=None, min_length=1)
    jwt_public_key: str | None = Field(default=None, min_length=1)
    jwt_scope_claim: str = Field(default="scope", min_length=1)
    jwt_accounts_claim: str = Field(default="accounts", min_length=1)
    jwt_customer_claim: str = Field(default="customer_id", min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        keys = [self.jwt_jwks_url, self.jwt_public_key]
        given = [self.jwt_issuer, self.jwt_audience, *keys]
        if any(given) and not (self.jwt_issuer and self.jwt_audience and sum(map(bool, keys)) == 1):
            raise ValueError("needs JWT_ISSUER, JWT_AUDIENCE, and one of JWT_JWKS_URL and JWT_PUBLIC_KEY")
        return self
