"""Who may call: tokens, the scopes behind them, and OAuth."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crmsync.sandbox.wire import ApiError, not_found

SCOPES = (
    "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read",
    "crm.objects.companies.write",
    "crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "crm.objects.leads.read",
    "crm.objects.leads.write", "crm.schemas.contacts.read", "crm.schemas.contacts.write", "crm.schemas.companies.read",
    "crm.schemas.companies.write", "crm.schemas.deals.read", "crm.schemas.deals.write", "sales-email-read", "forms",
    "tickets", "content", "oauth",
)  # fmt: skip
ACCESS_TOKEN_S = 1_800


@dataclass(slots=True)
class App:
    """
    One app that may call.

    Attributes:
        id: stands as `sourceId` in the history of what it writes.
        oauth: an installed public app: no daily limit, tokens expire.
    """

    id: str
    scopes: set[str]
    oauth: bool = False
    client_id: str = ""
    client_secret: str = ""


@dataclass(slots=True)
class Token:
    app: App
    expires_at: datetime | None = None


@dataclass
class Access:
    """All tokens of a portal."""

    hub_id: int
    seed: int
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, App] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def admit(self, app: App, token: str | None = None) -> str:
        """Give an app a token that does not expire."""
        text = token or f"pat-eu1-{self._word(8)}-{self._word(4)}-{self._word(4)}-{self._word(12)}"
        self.tokens[text] = Token(app)
        return text

    def install(self, app: App) -> str:
        """Install a public app; gives its refresh token."""
        text = f"eu1-{self._word(32)}"
        self.refresh_tokens[text] = app
        return text

    def who(self, headers: Mapping[str, str], now: datetime) -> App:
        """*Raises* ApiError 401."""
        scheme, _, text = headers.get("authorization", "").partition(" ")
        token = self.tokens.get(text.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            said = (
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
            )
            raise ApiError(401, said, "INVALID_AUTHENTICATION")
        if token.expires_at is not None and now >= token.expires_at:
            minutes = int((now - token.expires_at).total_seconds() // 60)
            said = f"The OAuth token used to make this call expired {minutes} minute(s) ago."
            raise ApiError(401, said, "EXPIRED_AUTHENTICATION")
        return token.app

    def require(self, app: App, scopes: tuple[str, ...]) -> None:
        """Any one of the scopes will do. *Raises* ApiError 403."""
        if scopes and not app.scopes.intersection(scopes):
            said = (
                "This app hasn't been granted all required scopes to make this call. "
                "Read more about required scopes here: https://developers.hubspot.com/scopes."
            )
            detail = {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
            more = {"links": {"scopes": "https://developers.hubspot.com/scopes"}}
            raise ApiError(403, said, "MISSING_SCOPES", errors=[detail], more=more)

    def exchange(self, form: Mapping[str, str], now: datetime) -> dict[str, object]:
        """A refresh token for an access token. *Raises* ApiError 400."""
        app = self.refresh_tokens.get(form.get("refresh_token", ""))
        if form.get("grant_type") != "refresh_token" or app is None:
            raise _bad_grant(
                "BAD_REFRESH_TOKEN", "invalid_grant", "refresh token is invalid, expired or revoked"
            )
        if form.get("client_id") != app.client_id:
            raise _bad_grant("BAD_CLIENT_ID", "invalid_client", "missing or invalid client id")
        if form.get("client_secret") != app.client_secret:
            raise _bad_grant("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
        text = f"C{self._word(300)}"
        self.tokens[text] = Token(app, now + timedelta(seconds=ACCESS_TOKEN_S))
        return {
            "token_type": "bearer", "refresh_token": form["refresh_token"], "access_token": text, "hub_id": self.hub_id,
            "scopes": sorted(app.scopes), "expires_in": ACCESS_TOKEN_S,
        }  # fmt: skip

    def introspect(self, form: Mapping[str, str], now: datetime) -> dict[str, object]:
        token = self.tokens.get(form.get("token", ""))
        if token is None or (token.expires_at is not None and now >= token.expires_at):
            return {"active": False}
        left = (token.expires_at - now).total_seconds() if token.expires_at else 0
        return {
            "active": True, "token_use": "access_token", "client_id": token.app.client_id, "app_id": int(token.app.id),
            "hub_id": self.hub_id, "scopes": sorted(token.app.scopes), "expires_in": int(left),
        }  # fmt: skip

    def describe(self, text: str, now: datetime) -> dict[str, object]:
        """What version 1 tells about a token. *Raises* ApiError 404."""
        told = self.introspect({"token": text}, now)
        if not told["active"]:
            raise not_found()
        return {
            "token": text, "user": "installer@acme.example", "hub_domain": "acme.example", "scopes": told["scopes"],
            "hub_id": self.hub_id, "app_id": told["app_id"], "expires_in": told["expires_in"], "user_id": 9_586_504,
            "token_type": "access",
        }  # fmt: skip

    def revoke(self, text: str) -> None:
        self.tokens.pop(text, None)
        self.refresh_tokens.pop(text, None)

    def _word(self, length: int) -> str:
        return "".join(self._rng.choices("0123456789abcdef", k=length))


def _bad_grant(status: str, error: str, said: str) -> ApiError:
    return ApiError(400, said, "", more={"error": error, "error_description": said, "status": status})
