"""Random agreements and contacts for property tests: every construct of the language, awkward values on purpose."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from crmsync.definition.load import load
from crmsync.definition.nouns import Definition

NOW = "2026-11-22T12:00:00Z"
NOW_MS = 1_795_348_800_000
ORDER = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
]
TEXTS = [
    "SOFTWARE",
    "software ",
    "Straße AG",
    "STRASSE AG",
    "Café",
    "Cafe\u0301",
    "ﬁnance",
    "",
    " ",
    None,
    "İzmir",
    "a;b",
    "x",
]
NUMBERS = [
    "0",
    "-3",
    "20",
    "20.0",
    "1 000",
    "1\u00a0000",
    "1,000",
    "1e3",
    "NaN",
    "",
    None,
    "50",
    "49.999999",
    "٣",
    "+7",
]
DATES = [
    "2026-11-01",
    "2026-11-01 10:00",
    "2026-11-01T10:00:00+0530",
    "2026-11-01T10:00:00.1234567Z",
    "20261101",
    "soon",
    "",
    None,
    str(NOW_MS),
    str(NOW_MS - 7 * 86_400_000),
    str(NOW_MS + 1),
    "2026-10-23T12:00:00Z",
]
BOOLS = ["true", "FALSE", "False", "yes", "", None, "TRUE", " true"]
LISTS = ["a;b", "A", "b; C", "", ";", None, "a;;b;Straße", "x"]
POOLS = {"text": TEXTS, "number": NUMBERS, "date": DATES, "bool": BOOLS, "list": LISTS}
PROPERTIES = {
    "industry": "text",
    "jobtitle": "text",
    "reason": "text",
    "employees": "number",
    "score": "number",
    "seen": "date",
    "returned": "date",
    "optout": "bool",
    "interests": "list",
}
FACTS: dict[str, Any] = {
    "industry": "company.industry",
    "title": {"from": ["contact.jobtitle", "company.industry"]},
    "mapped": {
        "from": "contact.industry",
        "map": {"software": "SW", "strasse ag": 5, "x": "no"},
        "else": "rest",
    },
    "yes": {
        "from": ["contact.jobtitle", "contact.optout"],
        "type": "bool",
        "map": {"x": True, "true": "true", "yes": "no"},
    },
    "employees": {"from": ["company.employees", "contact.employees"], "type": "number"},
    "score": {"from": "contact.score", "type": "number"},
    "seen": {"from": "contact.seen", "type": "date"},
    "returned": {"from": "contact.returned", "type": "date"},
    "optout": {"from": "contact.optout", "type": "bool"},
    "interests": {"from": "contact.interests", "type": "list"},
    "reason": "contact.reason",
    "open": "deals.open",
    "amount": "deals.won_amount",
}


def _type(spec: Any) -> str:
    if isinstance(spec, str):
        return "number" if spec.startswith("deals.") else "text"
    return str(spec.get("type", "text"))


TYPES: dict[str, str] = {name: _type(spec) for name, spec in FACTS.items()}
EVENTS: dict[str, Any] = {
    "demo": {
        "from": "forms",
        "where": {"form": ["Book a demo", "Contact sales"]},
        "intent": "product",
        "phase": "decision",
    },
    "form": {"from": "forms", "where": {"not": {"form": {"starts_with": "ebook"}}}},
    "pricing": {"from": "pages", "where": {"path": {"starts_with": "/pricing"}}, "phase": "decision"},
    "call": {
        "from": "calls",
        "where": {"any": [{"duration": {"at_least": 60}}, {"disposition": {"known": False}}]},
    },
    "mail": {"from": "emails", "where": {"opens": {"between": [1, 5]}}, "phase": "consideration"},
    "note": {"from": "notes"},
    "opens": {"from": "counter", "of": "contact.mail_opens"},
    "converted": {"from": "date", "of": "contact.converted", "phase": "decision"},
}
TITLES = ["Book a demo", "CONTACT SALES", "ebook: x", "EBOOK", "Newsletter", "", None]


def span(rng: Random) -> str:
    return rng.choice(["1d", "7d", "30d", "45m", "12h", "2w", "90d"])


def number(rng: Random) -> float:
    return rng.choice([0, 1, 5, -5, 10, 12.5, 20, 30, -20, 0.1, 49.999999])


def number_test(rng: Random) -> Any:
    low = number(rng)
    return rng.choice(
        [
            {"at_least": low},
            {"more_than": low},
            {"at_most": low},
            {"less_than": low},
            {"between": [low, low + abs(number(rng))]},
            low,
            [low, number(rng)],
            {"not_in": [low]},
            {"is_not": low, "known": True},
            {"known": rng.random() < 0.5},
            {"in": []},
        ]
    )


def text_test(rng: Random) -> Any:
    text = rng.choice(["software", "STRASSE ag", "café", "rest", "SW", "5", "x", "i", "fi", ""])
    return rng.choice(
        [
            text,
            [text, "zzz"],
            {"is_not": text},
            {"not_in": [text, "x"]},
            {"contains": text},
            {"contains_any": [text, "ag"]},
            {"contains_any": []},
            {"starts_with": text},
            {"ends_with": text},
            {"known": rng.random() < 0.5},
            {"in": []},
            5,
        ]
    )


def test_of(rng: Random, fact_type: str) -> Any:
    match fact_type:
        case "number":
            return number_test(rng)
        case "date":
            return rng.choice(
                [{"within": span(rng)}, {"before": span(rng)}, {"known": False}, {"before": "0d"}]
            )
        case "bool":
            return rng.choice([True, False, {"is_not": True}, {"known": True}])
        case "list":
            return rng.choice(
                [
                    ["a", "zz"],
                    {"in": ["STRASSE"]},
                    {"not_in": ["b"]},
                    {"contains": "c"},
                    {"contains": "a;b"},
                    {"in": []},
                ]
            )
        case _:
            return text_test(rng)


def count_test(rng: Random) -> Any:
    within = {"within": span(rng)} if rng.random() < 0.7 else {}
    return rng.choice([within, {**within, "at_least": 2}, {**within, "is": 0}, {**within, "less_than": 3}])


class Conditions:
    """Makes conditions; `gates` are numbered where they may stand."""

    def __init__(
        self, rng: Random, types: dict[str, str], *, gates: bool = False, evidence: bool = False
    ) -> None:
        self.rng = rng
        self.types = types
        self.gates: list[str] | None = [] if gates else None
        self.evidence = evidence

    def make(self, depth: int = 2) -> dict[str, Any]:
        rng = self.rng
        made: dict[str, Any] = {}
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            made.update(self.part(depth))
        if self.gates is not None and rng.random() < 0.3:
            made["id"] = f"g.{len(self.gates)}"
            self.gates.append(made["id"])
        return made

    def part(self, depth: int) -> dict[str, Any]:
        rng = self.rng
        kind = rng.randrange(8)
        if depth > 0 and kind == 0:
            return {rng.choice(["all", "any"]): [self.make(depth - 1) for _ in range(rng.randrange(3))]}
        if depth > 0 and kind == 1:
            return {"not": self.make(depth - 1)}
        if kind == 2:
            return {f"event.{rng.choice([*EVENTS, 'any'])}": count_test(rng)}
        if kind == 3 and self.evidence:
            return {"evidence": "satisfied"}
        name = rng.choice(list(self.types))
        return {name: test_of(rng, self.types[name])}


def criterion(rng: Random, name: str, conditions: Conditions, *, events: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"id": name}
    kind = rng.randrange(4) if events else rng.choice([2, 3])
    if kind == 0:
        names = rng.choice([rng.choice(list(EVENTS)), "any", rng.sample(list(EVENTS), 2), ["any", "opens"]])
        made |= {"event": names, "points": number(rng)}
        made |= {key: span(rng) for key in ("within", "half_life") if rng.random() < 0.6}
        made |= {"cap": rng.choice([5, 12.5, 40])} if rng.random() < 0.5 else {}
    elif kind == 1:
        test: dict[str, Any] = rng.choice([{"at_least": 1}, {"is": 0}, {"between": [1, 3]}, {"not_in": [2]}])
        made |= {
            "count": {"event": rng.choice([*EVENTS, "any"]), "within": span(rng), **test},
            "points": number(rng),
        }
    elif kind == 2:
        made |= {"when": conditions.make(), "points": number(rng)}
        return made | ({"else_points": number(rng)} if rng.random() < 0.5 else {})
    else:
        fact = rng.choice(list(FACTS))
        rows: list[dict[str, Any]] = [{"known": False, "points": number(rng)}] if rng.random() < 0.4 else []
        rows += [
            {**as_operators(test_of(rng, TYPES[fact])), "points": number(rng)}
            for _ in range(rng.randrange(1, 3))
        ]
        made |= {
            "table": fact,
            "rows": [*rows, *([{"else": True, "points": number(rng)}] if rng.random() < 0.6 else [])],
        }
    return made | ({"when": conditions.make()} if rng.random() < 0.3 else {})


def as_operators(test: Any) -> dict[str, Any]:
    if isinstance(test, dict):
        return test
    return {"in": test} if isinstance(test, list) else {"is": test}


def limits(rng: Random) -> dict[str, Any]:
    return {"range": rng.choice([[0, 100], [-5, 5], [0, 12], [-40, 60]])} if rng.random() < 0.5 else {}


def definition(rng: Random) -> dict[str, Any]:
    inputs = Conditions(rng, TYPES)
    groups = rng.sample(["product", "Product", "content", "negative"], rng.randrange(0, 4))
    made: dict[str, Any] = {
        "definition": {"id": "random", "version": "1"},
        "facts": FACTS,
        "events": EVENTS,
        "fit": {
            "criteria": [criterion(rng, f"f.{i}", inputs, events=False) for i in range(rng.randrange(4))],
            **limits(rng),
        },
        "engagement": {"groups": {}, **limits(rng)},
    }
    for group in groups:
        criteria = [criterion(rng, f"e.{group}.{i}", inputs, events=True) for i in range(rng.randrange(1, 4))]
        made["engagement"]["groups"][group] = {"criteria": criteria, **limits(rng)}
    derived = {"fit": "number", "engagement": "number", "completeness": "number", "days_in_stage": "number"}
    derived |= {"stage": "text", "campaign": "text", "disqualified": "bool"}
    derived |= {f"engagement.{group}": "number" for group in groups}
    derived |= {f"points.{c['id']}": "number" for c in criteria_of(made)}
    if rng.random() < 0.7:
        made["fit"]["tiers"] = {"A": 40, "B": 20, "C": 5}
        derived["tier"] = "text"
    if rng.random() < 0.7:
        made["engagement"]["levels"] = {"1": 40, "2": 10}
        derived["level"] = "text"
    if {"tier", "level"} <= derived.keys():
        derived["grade"] = "text"
    made["fit"]["key_facts"] = rng.sample(list(FACTS), rng.randrange(4))
    _add_vetoes_and_evidence(made, derived, rng, inputs)
    gates = _add_stages(made, derived, rng)
    _add_campaigns(made, derived, rng, gates)
    tracked = Conditions(rng, {**derived, "outcome": "text"}, evidence="evidence" in made)
    made["tracks"] = [{"id": f"t{i}", "when": tracked.make()} for i in range(rng.randrange(3))]
    return made


def criteria_of(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        *made["fit"]["criteria"],
        *(c for g in made["engagement"]["groups"].values() for c in g["criteria"]),
    ]


def _add_vetoes_and_evidence(
    made: dict[str, Any], derived: dict[str, str], rng: Random, inputs: Conditions
) -> None:
    if rng.random() < 0.4:
        made["disqualify"] = [
            {"id": f"dq.{i}", "class": "fit", "when": inputs.make()} for i in range(rng.randrange(1, 3))
        ]
    if rng.random() < 0.6:
        items = {name: inputs.make() for name in ("need", "budget", "time")}
        made["evidence"] = {
            "items": items,
            "require": rng.randrange(4),
            "must_include": rng.sample(list(items), rng.randrange(2)),
        }
        derived["evidence.count"] = "number"
    if rng.random() < 0.5:
        reasons = {"x": {"class": "timing", "revisit": span(rng)}, "SOFTWARE": {"class": "fit"}}
        made["recycle"] = {"reason": "reason", "reasons": reasons}
        made["recycle"] |= {"returned_at": "returned"} if rng.random() < 0.7 else {}


def _add_stages(made: dict[str, Any], derived: dict[str, str], rng: Random) -> list[str]:
    ruled = Conditions(rng, {**TYPES, **derived}, gates=True, evidence="evidence" in made)
    rules: dict[str, Any] = {}
    for stage in rng.sample(ORDER[:-1], rng.randrange(1, 5)):
        rule = {
            key: ruled.make()
            for key in ("enter", "fast_track", "stay", "triage", "borderline")
            if rng.random() < 0.5
        }
        rules[stage] = rule | ({"min_stay": span(rng)} if rng.random() < 0.4 else {})
    made["stages"] = {
        "order": ORDER,
        "human_only": ["evangelist", "other"],
        "never_demote_from": ["customer"],
        "rules": rules,
    }
    if rng.random() < 0.8:
        made["definition"]["handoff_stage"] = rng.choice(ORDER)
    return list(gates_in(rules))


def gates_in(node: Any) -> Iterator[str]:
    """Yield the gate ids that are left after parts with the same key replaced each other."""
    if isinstance(node, dict):
        if isinstance(node.get("id"), str):
            yield node["id"]
        for child in node.values():
            yield from gates_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from gates_in(child)


def _add_campaigns(made: dict[str, Any], derived: dict[str, str], rng: Random, gates: list[str]) -> None:
    inputs = Conditions(rng, TYPES)
    free = Conditions(rng, {**TYPES, **derived}, evidence="evidence" in made)
    plain = [c["id"] for c in criteria_of(made) if "table" not in c]
    made["campaigns"] = []
    for i, dates in enumerate(
        [("2026-01-01", "2026-11-22"), ("2026-11-22", "2027-01-01"), ("2026-11-01", "2026-11-23")]
    ):
        override: dict[str, Any] = {}
        if gates:
            override["gates"] = {rng.choice(gates): free.make()}
        if made["engagement"]["groups"]:
            override["groups"] = {rng.choice(list(made["engagement"]["groups"])): {"range": [-5, 5]}}
        if plain:
            override["points"] = {rng.choice(plain): rng.choice([17, -17, 0])}
        campaign = {
            "id": f"c{i}",
            "owner": "a@b.example",
            "applies_when": inputs.make(),
            "override": override,
        }
        made["campaigns"].append({**campaign, "from": dates[0], "until": dates[1]})


def loaded(made: dict[str, Any]) -> Definition:
    return load(json.dumps(made, ensure_ascii=False), name="scene.yaml")


# --- contacts


def instant(rng: Random) -> Any:
    days = rng.choice([0, 1, 7, 30, 90, 200, -1, 0.001, 6.999, 7.001])
    return rng.choice(
        [str(round(NOW_MS - days * 86_400_000)), "2026-11-15T12:00:00Z", "2026-11-15T11:59:59.999999Z", NOW]
    )


def event(rng: Random) -> dict[str, Any]:
    source = rng.choice(
        ["forms", "pages", "calls", "emails", "notes", "tasks", "meetings", "communications", "counter"]
    )
    made: dict[str, Any] = {"source": source, "at": instant(rng) if rng.random() < 0.95 else "soon"}
    match source:
        case "forms":
            made["form"] = rng.choice(TITLES)
        case "pages":
            made["path"] = rng.choice(["/pricing", "/PRICING/x", "/blog", None])
        case "calls":
            made |= {
                "duration": rng.choice([60, "59", None, "long", 60.5]),
                "disposition": rng.choice(["connected", None, ""]),
            }
        case "emails":
            made["opens"] = rng.choice([0, 1, 3, "5", None, 6])
        case "counter":
            made |= {
                "of": rng.choice(["contact.mail_opens", "contact.other"]),
                "count": rng.choice([1, 3, 0, "2"]),
            }
        case _:
            pass
    return made


def contact(rng: Random, number_: int) -> dict[str, Any]:
    properties = {name: rng.choice(POOLS[kind]) for name, kind in PROPERTIES.items() if rng.random() < 0.8}
    properties["converted"] = rng.choice(DATES)
    properties["lifecyclestage"] = rng.choice([*ORDER, "other", "51439524", "", None, "Lead"])
    company = (
        {name: rng.choice(POOLS[PROPERTIES[name]]) for name in ("industry", "employees")}
        if rng.random() < 0.7
        else None
    )
    deals = [
        {
            "state": rng.choice(["open", "won", "lost"]),
            "amount": rng.choice(["100", "1 200", "n/a", None, ""]),
        }
        for _ in range(rng.randrange(3))
    ]
    return {
        "id": str(1000 + number_),
        "contact": properties,
        "company": company,
        "deals": deals,
        "stage_entered_at": instant(rng) if rng.random() < 0.7 else None,
        "events": [event(rng) for _ in range(rng.randrange(8))],
    }
