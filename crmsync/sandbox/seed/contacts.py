"""One seeded contact: who it is, how warm, what its stage says and what it should say."""

import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from crmsync.sandbox.seed.people import (
    CAMPAIGNS,
    COUNTRIES,
    FIRST,
    HOME,
    LAST,
    OWNERS,
    RETURN_REASONS,
    TITLES,
)
from crmsync.sandbox.state.record import IMPORT, Record, Source, Version
from crmsync.sandbox.state.schema import STAGES, Schema
from crmsync.sandbox.state.stages import STAGE
from crmsync.sandbox.times import DAY, MINUTE, day_text, iso

_LIVES = (("silent", 34), ("reader", 24), ("warm", 16), ("hot", 12), ("opportunity", 7), ("customer", 7))
_WARMTH = {"silent": 0.05, "reader": 0.5, "warm": 2.0, "hot": 5.0, "opportunity": 4.0, "customer": 2.0}
_STAGES = {
    "silent": (("subscriber", 5), ("lead", 3), ("marketingqualifiedlead", 2), ("", 1)),
    "reader": (("subscriber", 6), ("lead", 5), ("", 1)),
    "warm": (("lead", 6), ("subscriber", 2), ("marketingqualifiedlead", 4), ("", 1)),
    "hot": (("lead", 5), ("marketingqualifiedlead", 4), ("subscriber", 2), ("salesqualifiedlead", 2)),
    "opportunity": (("opportunity", 6), ("salesqualifiedlead", 3), ("lead", 2)),
    "customer": (("customer", 7), ("opportunity", 2), ("evangelist", 1), ("lead", 1)),
}
Weighted = tuple[tuple[str, int], ...]
"""Values, each with its weight."""

_ORDER = tuple(stage for stage, _ in STAGES if stage != "other")
_SOURCES = (
    "ORGANIC_SEARCH",
    "PAID_SEARCH",
    "EMAIL_MARKETING",
    "SOCIAL_MEDIA",
    "REFERRALS",
    "DIRECT_TRAFFIC",
    "OFFLINE",
)


NO_ADDRESS = 0.03
SECOND_ADDRESS = 0.06


@dataclass(frozen=True, slots=True)
class Persona:
    """
    What the other steps need to know of a contact.

    Attributes:
        warmth: weight with which activities fall on it.
        deal: `open`, `won`, `lost` or "".
        submissions: (place in people.FORMS, days ago).
        addresses: how many e-mail addresses it has.
    """

    warmth: float
    deal: str
    submissions: tuple[tuple[int, float], ...]
    addresses: int


def pick(rng: random.Random, weighted: Weighted) -> str:
    values, sums = _sums(weighted)
    return values[bisect_right(sums, rng.random() * sums[-1])]


@cache
def _sums(weighted: Weighted) -> tuple[list[str], list[int]]:
    return [value for value, _ in weighted], list(accumulate(weight for _, weight in weighted))


def draw_contact(rng: random.Random, record: Record, now_ms: int, schema: Schema) -> Persona:
    """Fill one record and say what happened to it."""
    life = pick(rng, _LIVES)
    own, addresses = _identity(rng)
    if _WARMTH[life] > 1 and rng.random() < 0.5:
        own["country"] = pick(rng, HOME)
    own |= _habits(rng, life, now_ms)
    own |= _qualification(rng, life, now_ms)
    record.own.update({name: value for name, value in own.items() if value})
    record.updated_ms = rng.randrange(record.created_ms, now_ms - 10 * MINUTE)
    _live_through_stages(rng, record, pick(rng, _STAGES[life]), now_ms, schema)
    return Persona(_WARMTH[life], _deal(rng, life), _submissions(rng, life), addresses)


def _identity(rng: random.Random) -> tuple[dict[str, str], int]:
    """Who it is, and how many e-mail addresses it has."""
    first, last = rng.choice(FIRST), rng.choice(LAST).replace("_", " ")
    addresses = 0 if rng.random() <= NO_ADDRESS else 2 if rng.random() < SECOND_ADDRESS else 1
    return {
        "firstname": first, "lastname": last, "jobtitle": pick(rng, TITLES),
        "country": pick(rng, COUNTRIES), "hubspot_owner_id": str(rng.choice(OWNERS)[0]) if rng.random() < 0.6 else "",
    }, addresses  # fmt: skip


def _habits(rng: random.Random, life: str, now_ms: int) -> dict[str, str]:
    opens = rng.choice((0, 0, 1, 2, 5)) if life == "silent" else rng.randint(0, 40)
    return {
        "hs_email_open": str(opens) if rng.random() > 0.1 else "",
        "hs_email_delivered": str(opens * 3 + 2), "hs_email_click": str(opens // 4),
        "hs_email_last_open_date": iso(now_ms - rng.randrange(DAY, 200 * DAY)) if opens else "",
        "hs_email_optout": "true" if rng.random() < 0.06 else pick(rng, (("", 3), ("false", 1))),
        "hs_analytics_num_page_views": str(opens * 2), "hs_latest_source": rng.choice(_SOURCES),
        "hs_latest_source_data_2": pick(rng, CAMPAIGNS),
        "hs_marketable_status": "true" if rng.random() < 0.7 else "false",
        "interests": ";".join(rng.sample(("crm", "integration", "analytics", "automation", "pricing"), rng.randint(0,
        3))),
        "hs_lead_status": pick(rng, (("", 5), ("NEW", 3), ("OPEN", 2), ("IN_PROGRESS", 2), ("CONNECTED", 1))),
    }  # fmt: skip


def _qualification(rng: random.Random, life: str, now_ms: int) -> dict[str, str]:
    """What sales found out, and why it handed some back."""
    known = {"hot": 0.75, "opportunity": 0.85, "customer": 0.8, "warm": 0.35}.get(life, 0.05)
    values = {
        "bant_budget": pick(rng, (("confirmed", 4), ("likely", 3), ("unlikely", 2), ("unknown", 1))),
        "hs_buying_role": pick(
            rng, (("decision_maker", 4), ("champion", 3), ("END_USER", 2), ("decision_maker;champion", 1))
        ),
        "bant_need": pick(rng, (("true", 5), ("false", 1))),
        "bant_timing": pick(rng, (("0-3m", 4), ("3-6m", 3), ("6-12m", 2), ("later", 1))),
    }
    found = {name: value for name, value in values.items() if rng.random() < known}
    if life in {"warm", "silent", "hot"} and rng.random() < 0.08:
        found["mql_return_reason"] = pick(rng, RETURN_REASONS)
        at = day_text(now_ms - rng.randrange(DAY, 240 * DAY))
        found["mql_returned_at"] = pick(rng, ((at, 12), ("31/12/2025", 1), ("", 1)))
    return found


def _deal(rng: random.Random, life: str) -> str:
    match life:
        case "opportunity":
            return "open"
        case "customer":
            return "won"
        case "hot" | "warm":
            return "lost" if rng.random() < 0.1 else ""
        case _:
            return ""


def _submissions(rng: random.Random, life: str) -> tuple[tuple[int, float], ...]:
    """Hot ones asked for a demo lately; readers fetched an e-book at some time."""
    found: list[tuple[int, float]] = []
    if life == "hot" or (life in {"warm", "opportunity"} and rng.random() < 0.4):
        found.append(
            (
                rng.choice((0, 0, 1)),
                rng.choice((rng.uniform(0.1, 6.5), rng.uniform(7.5, 60), rng.uniform(60, 200))),
            )
        )
    if life in {"reader", "warm", "hot"}:
        found += [(rng.choice((2, 3)), rng.uniform(0.2, 400)) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.2:
        found.append((4, rng.uniform(1, 700)))
    return tuple(found)


def _live_through_stages(rng: random.Random, record: Record, stage: str, now_ms: int, schema: Schema) -> None:
    """The history of the stage up to `stage`, with its stamps; people made some of the moves."""
    if not stage:
        return
    path = [one for one in _ORDER[: _ORDER.index(stage) + 1] if one == stage or rng.random() < 0.5]
    start, room = record.created_ms, now_ms - 20 * MINUTE - record.created_ms
    moments = [start, *sorted(start + rng.randrange(room) for _ in path[1:])]
    if len(path) > 1 and rng.random() < 0.1:
        moments[-1] = now_ms - rng.randrange(DAY, 25 * DAY) if room > 30 * DAY else moments[-1]
    moments.sort()
    versions = []
    for one, at_ms in zip(path, moments, strict=True):
        versions.append(Version(one, at_ms, _mover(rng, at_ms == start)))
        at = iso(at_ms)
        stamps = {f"hs_lifecyclestage_{one}_date": at, f"hs_v2_date_entered_{one}": at}
        record.own.update({name: value for name, value in stamps.items() if name in schema})
    for one, at_ms in zip(path, moments[1:], strict=False):
        record.own[f"hs_v2_date_exited_{one}"] = iso(at_ms)
    record.own["hs_v2_date_entered_current_stage"] = iso(moments[-1])
    record.own[STAGE] = stage
    if len(versions) > 1 or versions[0].source is not IMPORT:
        record.history = {STAGE: versions}
    record.updated_ms = max(record.updated_ms, moments[-1])


def _mover(rng: random.Random, is_first: bool) -> Source:  # noqa: FBT001 - a claim about the move, used once
    if is_first:
        return IMPORT if rng.random() < 0.6 else Source("FORM", "b7c1d2e3-0004-4a6b-9c00-5f0e00000004")
    if rng.random() < 0.35:
        user = rng.choice(OWNERS)[1]
        return Source("CRM_UI", f"userId:{user}", user)
    return rng.choice(
        (
            Source("AUTOMATION_PLATFORM", "enrollmentId:9001"),
            Source("DEALS", "deal:70001"),
            Source("FORM", "form"),
        )
    )
