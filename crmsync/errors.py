"""
What can go wrong, branching by who acts. Each branch has its exit status.

CrmsyncError
├── OperatorError      fixable by the person at the keyboard; no traceback     exit 2
│   ├── SettingsError
│   └── DefinitionError    every problem, each with file:line:column
├── PortalError        HubSpot or the road to it                               exit 3
│   ├── Unauthorized   token revoked or scope missing; names the scope; never retried
│   ├── RateLimited    which limit; retry_after_s
│   ├── Unavailable    5xx, timeout, reset, HTML instead of JSON; retried
│   └── Rejected       this request is wrong; never retried
├── PlanParked         the guard's numbers and how to approve                  exit 5
├── StoreError         the audit trail did not take an entry; the cycle stops  exit 6
│   ├── LeaseLost      another process writes to this portal
│   └── StoreLocked    another process has been in the middle of a write for too long
├── VerificationError  the chain does not hold, first bad entry                exit 7
└── Stopped            somebody asked this process to stop                     exit 130
"""

from collections.abc import Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import ClassVar


class CrmsyncError(Exception):
    """
    Something a person can act on.

    Attributes:
        next_step: what to do now, an imperative sentence; "" when the message already says it.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class OperatorError(CrmsyncError):
    """The person at the keyboard can fix this: usage, settings, definition."""

    exit_status = 2


class SettingsError(OperatorError):
    """A setting is unknown, missing or has a value that is not allowed; names the setting."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """
    One thing wrong in a definition file.

    Attributes:
        line, column: 1-based place in the file.
        path: where in the mapping, e.g. `engagement.groups.product.criteria[0].points`; "" for the whole file.
        text: what is wrong and what is allowed.
    """

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: "
        return f"{place}{self.path}: {self.text}" if self.path else f"{place}{self.text}"


class DefinitionError(OperatorError):
    """The definition cannot be used. Carries every problem at once, in file order."""

    def __init__(
        self,
        problems: Sequence[Problem],
        *,
        next_step: str = "Correct the file; `crmsync check` looks at it alone.",
    ) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems), next_step=next_step)

    def __str__(self) -> str:
        """One problem a line, and nothing else."""
        return self.message


class PortalError(CrmsyncError):
    """
    HubSpot, or the road to it, said no.

    Attributes:
        status: HTTP status of the last answer; None when there was none.
        correlation_id: HubSpot's id of the request, for its support; None when it sent none.
    """

    exit_status = 3

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.correlation_id = correlation_id


class Unauthorized(PortalError):
    """
    The token is missing, revoked or lacks a scope. Never retried.

    Attributes:
        scopes: the scopes HubSpot asked for; empty when the token itself was refused.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        scopes: Sequence[str] = (),
        status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, status=status, correlation_id=correlation_id)
        self.scopes = tuple(scopes)


class RateLimited(PortalError):
    """
    A limit was met and waiting inside the transport is not worth it.

    Attributes:
        policy: DAILY, TEN_SECONDLY_ROLLING, SECONDLY, MIGRATION or UNKNOWN.
        retry_after_s: seconds until it may work again.
    """

    def __init__(
        self,
        message: str,
        *,
        policy: str,
        retry_after_s: float,
        next_step: str = "",
        status: int | None = 429,
    ) -> None:
        super().__init__(message, next_step=next_step, status=status)
        self.policy = policy
        self.retry_after_s = retry_after_s


class Unavailable(PortalError):
    """5xx, timeout, reset or HTML instead of JSON, still after every retry. The request may have had its effect."""


class Rejected(PortalError):
    """
    This request is wrong and will stay wrong. Never retried.

    Attributes:
        category: HubSpot's category, e.g. VALIDATION_ERROR; "" when it sent none.
        properties: the properties HubSpot complained about, where it named them.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        status: int | None = 400,
        category: str = "",
        properties: Sequence[str] = (),
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, status=status, correlation_id=correlation_id)
        self.category = category
        self.properties = tuple(properties)


class PlanParked(CrmsyncError):
    """The guard wants a person to look first; says the numbers and how to approve."""

    exit_status = 5


class StoreError(CrmsyncError):
    """The store did not take what it was given; no audit, no write: the cycle stops."""

    exit_status = 6


class LeaseLost(StoreError):
    """Another process holds the right to write to this portal; this one was fenced off."""


class StoreLocked(StoreError):
    """Another process has been in the middle of a write for too long: nobody else can write meanwhile."""


class VerificationError(CrmsyncError):
    """
    The audit chain does not hold.

    Attributes:
        seq: the first bad entry; None when the chain is intact but lacks the expected head.
    """

    exit_status = 7

    def __init__(self, message: str, *, seq: int | None = None, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.seq = seq


class Stopped(CrmsyncError):
    """Somebody asked this process to stop, and it did at a safe place: the next run goes on from there."""

    exit_status = 130


def places_of(bug: BaseException) -> list[str]:
    """Say where a bug happened, the innermost place last, without its message: that may quote a value."""
    frames = extract_tb(bug.__traceback__)
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
