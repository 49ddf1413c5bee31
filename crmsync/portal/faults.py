"""A refusing or broken answer -> what it means: an error of crmsync, and whether to try again. No value gets out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

from crmsync.errors import PortalError, RateLimited, Rejected, Unauthorized, Unavailable
from crmsync.portal.paths import Route

_WORD = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_FIRST_WORD = re.compile(r"[A-Z_]{1,60}(?![0-9A-Za-z_])")
_SAID_IN_SENTENCES = frozenset({"FORM_TYPE_NOT_ALLOWED"})
"""Codes that HubSpot also puts at the start of a message: only known ones, as a value may look like one."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_SCOPE = re.compile(r"[a-z0-9][a-z0-9._-]{1,80}")
_CORRELATION = re.compile(r"[0-9A-Za-z-]{8,64}")
_QUOTED_PROPERTY = re.compile(r"""[Pp]ropert(?:y|ies):?\s+["'`]([a-z][a-z0-9_]{0,99})["'`]""")
_LONGEST_WAIT_S = 60.0
_MIGRATION_WAIT_S = 3600.0
_LOCK_S = 2.0
_LEAST_WAIT_S = 1.0  # "Retry-After: 0" while the window is full would have us hammer
_WAITS_S = {"TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0, "UNKNOWN": 10.0}
"""*Source*: portal facts, section 1.3; HubSpot's own Node client waits the same."""


class AnswerLost(Unavailable):
    """A write was sent and nobody knows whether it had its effect. Never sent again blindly: read back first."""


class Refused(Rejected):
    """
    A refused request, with what a batch needs to find the guilty inputs.

    Attributes:
        problems: (error code, property) as HubSpot paired them; either may be "".
        traces, ids: the inputs it named, by objectWriteTraceId and by object id.
    """

    problems: tuple[tuple[str, str], ...] = ()
    traces: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()


class Again(Enum):
    """Whether a request may be sent again, and what came of it."""

    NEVER = "never"
    REFUSED = "refused"  # HubSpot did nothing: may be repeated, whatever it was
    FAILED = "failed"  # it may have had its effect: only reads may be repeated


@dataclass(frozen=True, slots=True)
class Fault:
    """
    Attributes:
        wait_s: before trying again; None: the transport's own backoff.
        pauses: whether everything on the same limit should wait with it.
    """

    error: PortalError
    again: Again = Again.NEVER
    wait_s: float | None = None
    pauses: bool = False


def broken(route: Route, what: str, *, status: int | None = None) -> Fault:
    """There was no answer, or one that is not JSON of the promised shape."""
    kind = Unavailable if route.is_read else AnswerLost
    return Fault(
        kind(
            f"HubSpot gave no usable answer to {route.template}: {what}.",
            status=status,
            next_step="Try again; if it stays, check that portal.base_url is the API's own address."
            if route.is_read
            else "The write is read back before anything else is sent.",
        ),
        Again.FAILED,
    )


def unreached(route: Route, what: str) -> Fault:
    """HubSpot cannot have seen it: whatever it was, it had no effect."""
    error = Unavailable(
        f"HubSpot could not be reached for {route.template}: {what}.",
        next_step="Check portal.base_url and the network; `crmsync run` tries again by itself.",
    )
    return Fault(error, Again.FAILED)


_LATER = "Wait until HubSpot is done with it (an import, a bulk edit); `crmsync run` tries again by itself."


def refusal(route: Route, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """Say what an answer outside 2xx means. Never quotes HubSpot's sentence: it may hold values."""
    said = _envelope(body)
    correlation = _matching(_CORRELATION, said.get("correlationId"))
    match status:
        case 401:
            return Fault(_token_refused(route, correlation))
        case 403:
            return Fault(_forbidden(route, said, correlation))
        case 423:
            wait_s = _retry_after_s(headers, _LOCK_S, least=_LOCK_S)
            locked = f"HubSpot keeps {route.template} locked while another job writes there."
            return Fault(Unavailable(locked, status=423, next_step=_LATER), Again.REFUSED, wait_s)
        case 429:
            return _limited(route, headers, said)
        case 477:
            return Fault(_migrating(headers))
        case 408:
            return broken(route, "status 408", status=408)
        case _ if status >= 500:
            return broken(route, f"status {status}", status=status)
        case _ if status < 400:
            return Fault(_redirected(route, status))
        case _:
            return Fault(_rejected(route, status, said, correlation))


def problem_words(said: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """
    Read one error of HubSpot's, of a whole answer or of one input.

    Returns:
        its category, its error codes and the properties it names; only words that cannot be values.
    """
    category = _matching(_WORD, said.get("category")) or _matching(_WORD, said.get("errorType")) or ""
    codes = dict.fromkeys(_codes(said))
    names = dict.fromkeys(_names(said))
    return category, tuple(codes), tuple(names)


def paired_problems(said: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Read which error code belongs to which property, where an error says both."""
    pairs = []
    for one in _details(said):
        code = _matching(_WORD, one.get("error")) or _matching(_WORD, one.get("code")) or ""
        name = _matching(_NAME, one.get("name")) or next(_names(one), "")
        pairs.append((code, name))
    return tuple(pairs)


def context_texts(said: Mapping[str, Any], key: str) -> list[str]:
    """Read the texts (numbers too) under one key of an error's context, its details' included."""
    found: list[str] = []
    for context in _contexts(said):
        listed = context.get(key)
        found += [
            str(one)
            for one in (listed if isinstance(listed, list) else [listed])
            if isinstance(one, str | int)
        ]
    return found


def sentence(category: str, codes: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Put the words of a problem together: `VALIDATION_ERROR (INVALID_OPTION): property lifecyclestage`."""
    text = category or "no category given"
    if codes:
        text += f" ({', '.join(codes)})"
    if names:
        text += f": {'property' if len(names) == 1 else 'properties'} {', '.join(names)}"
    return text


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _token_refused(route: Route, correlation: str | None) -> Unauthorized:
    return Unauthorized(
        f"HubSpot refused the access token ({route.template}).",
        next_step="Create or rotate the key in HubSpot (Development > Keys > Service keys) "
        "and set CRMSYNC_PORTAL__ACCESS_TOKEN.",
        status=401,
        correlation_id=correlation,
    )


def _forbidden(route: Route, said: Mapping[str, Any], correlation: str | None) -> Unauthorized:
    scopes = tuple(dict.fromkeys(_scopes(said)))
    lacks = f"lacks the scope {' or '.join(scopes)}" if scopes else "may not do this"
    return Unauthorized(
        f"The access token {lacks} ({route.template}).",
        next_step="Add the scope to the service key or private app in HubSpot; the token stays the same.",
        scopes=scopes,
        status=403,
        correlation_id=correlation,
    )


def _limited(route: Route, headers: Mapping[str, str], said: Mapping[str, Any]) -> Fault:
    policy = _policy(said)
    if policy == "DAILY":
        # the budget knows the portal's midnight and fills in the seconds
        return Fault(RateLimited("The portal's daily limit is used up.", policy=policy, retry_after_s=0.0))
    wait_s = _retry_after_s(headers, _WAITS_S[policy], least=_LEAST_WAIT_S)
    error = RateLimited(
        f"HubSpot's limit {policy} stays used up by other apps ({route.template}).",
        policy=policy,
        retry_after_s=wait_s,
        next_step="crmsync goes on by itself; see in HubSpot which app uses the limit.",
    )
    return Fault(error, Again.REFUSED, wait_s, pauses=True)


def _policy(said: Mapping[str, Any]) -> str:
    policy = _matching(_WORD, said.get("policyName"))
    if policy in {"DAILY", *_WAITS_S}:
        return policy or "UNKNOWN"
    message = said.get("message")
    text = message.casefold() if isinstance(message, str) else ""
    for word, name in (
        ("daily", "DAILY"),
        ("ten_secondly", "TEN_SECONDLY_ROLLING"),
        ("secondly", "SECONDLY"),
    ):
        if word in text:
            return name
    return "UNKNOWN"


def _migrating(headers: Mapping[str, str]) -> RateLimited:
    wait_s = _retry_after_s(headers, _MIGRATION_WAIT_S, most=7 * 86_400)
    return RateLimited(
        f"HubSpot moves this account to another data centre; it asks to wait {wait_s:.0f} s.",
        policy="MIGRATION",
        retry_after_s=wait_s,
        status=477,
        next_step="Nothing to do: crmsync goes on by itself afterwards.",
    )


def _redirected(route: Route, status: int) -> Unavailable:
    """It concerns the road, not the request: the next one would fare the same, so nobody may take it for refused."""
    return Unavailable(
        f"{route.template} was answered with a redirect ({status}).",
        status=status,
        next_step="Check portal.base_url: it must be the API's own address.",
    )


def _rejected(route: Route, status: int, said: Mapping[str, Any], correlation: str | None) -> Rejected:
    category, codes, names = problem_words(said)
    refused = Refused(
        f"HubSpot rejected {route.template} with {status}: {sentence(category, codes, names)}.",
        status=status,
        category=category,
        properties=names,
        correlation_id=correlation,
    )
    refused.problems = paired_problems(said)
    refused.traces = frozenset(context_texts(said, "objectWriteTraceId"))
    refused.ids = frozenset(context_texts(said, "ids"))
    return refused


def _retry_after_s(
    headers: Mapping[str, str], default: float, *, least: float = 0.0, most: float = _LONGEST_WAIT_S
) -> float:
    """Seconds, capped; HubSpot documents it for 477 only, so its absence is normal."""
    text = headers.get("Retry-After", "").strip()
    seconds = float(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else default
    return min(max(seconds, least), most)


def _scopes(said: Mapping[str, Any]) -> Iterator[str]:
    for context in _contexts(said):
        for key in ("requiredGranularScopes", "requiredScopes"):
            for one in _texts(context.get(key)):
                if _SCOPE.fullmatch(one):
                    yield one


def _codes(said: Mapping[str, Any]) -> Iterator[str]:
    message = said.get("message")
    first = _FIRST_WORD.match(message) if isinstance(message, str) else None
    if first and first[0] in _SAID_IN_SENTENCES:
        yield first[0]
    for one in _details(said):
        for key in ("error", "code"):
            if found := _matching(_WORD, one.get(key)):
                yield found


def _names(said: Mapping[str, Any]) -> Iterator[str]:
    for one in _details(said):
        if found := _matching(_NAME, one.get("name")):
            yield found
    for context in _contexts(said):
        for key in ("propertyName", "propertyNames", "properties", "missingProperties", "requiredProperties"):
            yield from (one for one in _texts(context.get(key)) if _NAME.fullmatch(one))
    for one in (said, *_details(said)):
        message = one.get("message")
        if isinstance(message, str):
            yield from _QUOTED_PROPERTY.findall(message[:2000].partition("[{")[0])


def _details(said: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The single problems: listed in `errors`, or as a JSON array inside the message."""
    listed = said.get("errors")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return found + [one for one in _embedded(said.get("message")) if isinstance(one, dict)]


def _embedded(message: object) -> list[Any]:
    if not isinstance(message, str):
        return []
    start, end = message.find("["), message.rfind("]")
    if start < 0 or end < start:
        return []
    try:
        found = orjson.loads(message[start : end + 1])
    except orjson.JSONDecodeError:
        return []
    return found if isinstance(found, list) else []


def _contexts(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in (said, *_details(said)):
        context = one.get("context")
        if isinstance(context, dict):
            yield context


def _texts(value: object) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
