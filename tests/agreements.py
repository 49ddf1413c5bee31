"""A sound small agreement, and changes to it: tests name only what matters to them."""

import copy
import json
from functools import cache
from typing import Any

from crmsync.definition.load import load
from crmsync.definition.nouns import Definition

SOUND: dict[str, Any] = {
    "definition": {"id": "acme", "version": "1", "handoff_stage": "marketingqualifiedlead"},
    "facts": {
        "industry": "company.industry",
        "employees": {"from": "company.numberofemployees", "type": "number"},
        "need": {"from": "contact.bant_need", "type": "bool"},
        "deals": "deals.open",
    },
    "events": {
        "demo": {
            "from": "forms",
            "where": {"form": "Book a demo"},
            "intent": "product",
            "phase": "decision",
        },
        "ebook": {
            "from": "forms",
            "where": {"form": {"starts_with": "ebook"}},
            "intent": "content",
            "phase": "awareness",
        },
        "call": {"from": "calls"},
    },
    "fit": {
        "range": [0, 100],
        "key_facts": ["industry", "employees"],
        "criteria": [
            {
                "id": "fit.industry",
                "points": 40,
                "else_points": -10,
                "when": {"industry": ["SOFTWARE", "FINANCE"]},
                "why": "won",
            },
            {
                "id": "fit.size",
                "table": "employees",
                "rows": [{"less_than": 20, "points": 0}, {"else": True, "points": 30}],
                "why": "won",
            },
        ],
        "tiers": {"A": 60, "B": 30},
    },
    "engagement": {
        "groups": {
            "product": {
                "criteria": [
                    {
                        "id": "eng.demo",
                        "event": "demo",
                        "points": 50,
                        "within": "90d",
                        "half_life": "45d",
                        "why": "won",
                    },
                ],
            },
            "content": {
                "range": [0, 20],
                "criteria": [
                    {
                        "id": "eng.ebook",
                        "event": "ebook",
                        "points": 5,
                        "within": "90d",
                        "cap": 10,
                        "why": "won",
                    },
                ],
            },
        },
    },
    "evidence": {"items": {"need": {"need": True}}},
    "stages": {
        "order": [
            "subscriber",
            "lead",
            "marketingqualifiedlead",
            "salesqualifiedlead",
            "opportunity",
            "customer",
        ],
        "rules": {
            "marketingqualifiedlead": {
                "enter": {
                    "all": [
                        {"id": "g.fit", "tier": ["A", "B"]},
                        {"id": "g.product", "engagement.product": {"at_least": 25}},
                        {"id": "g.data", "industry": {"known": True}},
                    ],
                },
                "stay": {"engagement.product": {"at_least": 10}},
            },
            "salesqualifiedlead": {
                "enter": {"tier": "A", "evidence": "satisfied"},
                "stay": {"evidence": "satisfied"},
            },
            "opportunity": {"enter": {"deals": {"at_least": 1}}},
        },
    },
}


def an_agreement(changes: dict[str, Any] | None = None) -> Definition:
    """Return the sound agreement with what stands at dotted paths replaced; None removes the key."""
    return _loaded(agreement_text(changes))


@cache
def _loaded(text: str) -> Definition:
    return load(text, name="definition.yaml")


def agreement_text(changes: dict[str, Any] | None = None) -> str:
    """Return it as JSON, which is YAML, one key a line."""
    mapping = copy.deepcopy(SOUND)
    for path, value in (changes or {}).items():
        *parents, last = path.split("/")
        at: Any = mapping
        for key in parents:
            at = at[int(key)] if isinstance(at, list) else at.setdefault(key, {})
        if isinstance(at, list):
            at[int(last)] = value
        elif value is None:
            at.pop(last)
        else:
            at[last] = value
    return json.dumps(mapping, indent=1, ensure_ascii=False)
