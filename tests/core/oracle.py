"""
A slow second reading of the language, in plain Python rows, from the text of its pages alone.

It shares no code with crmsync. Tests compare the two on random scenes; a difference is a bug in one of them.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANY = {"calls", "emails", "meetings", "notes", "tasks", "communications", "forms", "pages"}
NUMERIC = {"duration", "opens", "clicks", "replies"}
Truth = bool | None


def fold(text: Any) -> str:
    return unicodedata.normalize("NFC", str(text)).strip().casefold()


def to_number(text: str) -> float | None:
    text = re.sub("[ \u00a0\u202f]", "", text)
    return float(text) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text) else None


def to_date(text: str) -> int | None:
    if re.fullmatch("[0-9]{10,14}", text):
        return int(text) * 1000
    day = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    clock = r"([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:?[0-9]{2})?"
    match = re.fullmatch(f"{day}([T ]{clock})?", text)
    if not match or (match[5] and not match[4]):
        return None
    fraction = (match[5] or ".0")[1:7].ljust(6, "0")
    zone = {None: "+00:00", "Z": "+00:00"}.get(match[6], match[6])
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[3] or '00:00'}{match[4] or ':00'}.{fraction}{zone}")
    except ValueError:
        return None
    return (at - EPOCH) // timedelta(microseconds=1)


def typed(kind: str, raw: Any) -> Any:
    if raw is None or not str(raw).strip():
        return None
    raw = {True: "true", False: "false"}[raw] if isinstance(raw, bool) else str(raw)
    if kind == "number":
        return to_number(raw)
    if kind == "date":
        return to_date(raw)
    if kind == "bool":
        return {"true": True, "false": False}.get(raw.lower())
    if kind == "list":
        return {fold(part) for part in raw.split(";") if fold(part)} or None
    return fold(raw)


def span_us(text: str) -> int:
    return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[text[-1]] * 1_000_000


def rounded(score: float) -> float:
    return round(score, 6) + 0.0


def clamp(score: float, limits: Any) -> float:
    return min(max(score, limits[0]), limits[1]) if limits else score


def every(parts: list[Truth]) -> Truth:
    return False if False in parts else None if None in parts else True


def some(parts: list[Truth]) -> Truth:
    return True if True in parts else None if None in parts else False


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def test(kind: str, value: Any, wanted: Any, now: int) -> Truth:
    if isinstance(wanted, dict):
        return every([operator(kind, value, op, literal, now) for op, literal in wanted.items()])
    return operator(kind, value, "in" if isinstance(wanted, list) else "is", wanted, now)


def operator(kind: str, value: Any, op: str, literal: Any, now: int) -> Truth:
    if op == "known":
        return bool((value is not None) == literal)
    if value is None:
        return None
    if kind in ("text", "list"):
        literal = [fold(item) for item in literal] if isinstance(literal, list) else fold(literal)
    if kind == "list":
        hits = value & set(literal if isinstance(literal, list) else [literal])
        return not hits if op == "not_in" else bool(hits)
    match op:
        case "is":
            return bool(value == literal)
        case "is_not":
            return bool(value != literal)
        case "in":
            return bool(value in literal)
        case "not_in":
            return bool(value not in literal)
        case "contains":
            return bool(literal in value)
        case "contains_any":
            return any(item in value for item in literal)
        case "starts_with":
            return bool(value.startswith(literal))
        case "ends_with":
            return bool(value.endswith(literal))
        case "at_least":
            return bool(value >= literal)
        case "more_than":
            return bool(value > literal)
        case "at_most":
            return bool(value <= literal)
        case "less_than":
            return bool(value < literal)
        case "between":
            return bool(literal[0] <= value <= literal[1])
        case "within":
            return bool(0 <= now - value <= span_us(literal))
        case "before":
            return bool(now - value > span_us(literal))
    raise AssertionError(op)


class Oracle:
    """One contact under one definition, both as plain mappings."""

    def __init__(self, definition: dict[str, Any], record: dict[str, Any], now: int) -> None:
        self.d = definition
        self.r = record
        self.now = now
        self.facts: dict[str, tuple[str, Any]] = {
            name: self.fact(spec) for name, spec in definition["facts"].items()
        }
        self.events = self.readable_events()
        self.derived: dict[str, tuple[str, Any]] = {}
        self.campaign: dict[str, Any] | None = None
        self.evidence_ok = False

    # --- reading

    def fact(self, spec: Any) -> tuple[str, Any]:
        spec = spec if isinstance(spec, dict) else {"from": spec}
        paths = spec["from"] if isinstance(spec["from"], list) else [spec["from"]]
        kind = spec.get("type", "number" if paths[0].startswith("deals.") else "text")
        for path in paths:
            of, _, name = path.partition(".")
            if of == "deals":
                return kind, self.deals(name)
            raw = (self.r.get(of) or {}).get(name)
            if raw is None or not str(raw).strip():
                continue
            if "map" in spec:
                raw = {fold(key): result for key, result in spec["map"].items()}.get(
                    fold(raw), spec.get("else")
                )
            value = typed(kind, raw)
            if value is not None:
                return kind, value
        return kind, None

    def deals(self, name: str) -> float:
        state, _, amount = name.partition("_")
        mine = [deal for deal in self.r["deals"] if deal["state"] == state]
        return float(sum((typed("number", d["amount"]) or 0.0) if amount else 1 for d in mine))

    def readable_events(self) -> list[dict[str, Any]]:
        events = []
        for event in self.r["events"]:
            at = typed("date", event["at"])
            count = typed("number", event.get("count", 1))
            if at is not None and at <= self.now and count >= 1 and event["source"] in ANY | {"counter"}:
                events.append({**event, "at": at, "count": count})
        for of in dict.fromkeys(spec["of"] for spec in self.d["events"].values() if spec["from"] == "date"):
            at = typed("date", self.r["contact"].get(of.removeprefix("contact.")))
            if at is not None and at <= self.now:
                events.append({"source": "date", "of": of, "at": at, "count": 1.0})
        return events

    def is_event(self, event: dict[str, Any], name: str) -> bool:
        if name == "any":
            return event["source"] in ANY
        spec = self.d["events"][name]
        if event["source"] != spec["from"] or event.get("of") != spec.get("of"):
            return False
        where = spec.get("where", {})
        return self.truth(where, attributes=event) is True

    def matching(self, names: Any, within: str | None) -> list[dict[str, Any]]:
        names = names if isinstance(names, list) else [names]
        since = -(10**30) if within is None else self.now - span_us(within)
        return [e for e in self.events if e["at"] >= since and any(self.is_event(e, name) for name in names)]

    # --- conditions

    def truth(self, condition: dict[str, Any], attributes: dict[str, Any] | None = None) -> Truth:
        overrides = (self.campaign or {}).get("override", {}).get("gates", {})
        if condition.get("id") in overrides:
            condition = overrides[condition["id"]]
        parts = [self.part(key, wanted, attributes) for key, wanted in condition.items() if key != "id"]
        return every(parts)

    def part(self, key: str, wanted: Any, attributes: dict[str, Any] | None) -> Truth:
        if key == "all":
            return every([self.truth(c, attributes) for c in wanted])
        if key == "any":
            return some([self.truth(c, attributes) for c in wanted])
        if key == "not":
            return negated(self.truth(wanted, attributes))
        if attributes is not None:
            kind = "number" if key in NUMERIC else "text"
            return test(kind, typed(kind, attributes.get(key)), wanted, self.now)
        if key == "evidence":
            return self.evidence_ok
        if key.startswith("event."):
            wanted = {"at_least": 1, **wanted} if not set(wanted) - {"within"} else wanted
            return self.count(key.removeprefix("event."), wanted)
        kind, value = self.facts[key] if key in self.facts else self.derived[key]
        return test(kind, value, wanted, self.now)

    def count(self, names: Any, spec: dict[str, Any]) -> Truth:
        number = sum(event["count"] for event in self.matching(names, spec.get("within")))
        tests = {op: literal for op, literal in spec.items() if op not in ("event", "within")}
        return test("number", number, tests, self.now)

    # --- scores

    def points(self, c: dict[str, Any]) -> float:
        points = (self.campaign or {}).get("override", {}).get("points", {}).get(c["id"], c.get("points", 0))
        is_conditional = not {"event", "count", "table"} & c.keys()
        if is_conditional:
            return float({True: points, False: c.get("else_points", 0), None: 0}[self.truth(c["when"])])
        if "when" in c and self.truth(c["when"]) is not True:
            return 0.0
        if "count" in c:
            return float(points) if self.count(c["count"]["event"], c["count"]) else 0.0
        if "table" in c:
            return self.table(c)
        score = sum(
            points * self.factor(e, c) * e["count"] for e in self.matching(c["event"], c.get("within"))
        )
        if "cap" in c:
            score = min(score, c["cap"]) if points > 0 else max(score, -c["cap"])
        return float(score)

    def factor(self, event: dict[str, Any], c: dict[str, Any]) -> float:
        return float(0.5 ** ((self.now - event["at"]) / span_us(c["half_life"]))) if "half_life" in c else 1.0

    def table(self, c: dict[str, Any]) -> float:
        kind, value = self.facts[c["table"]]
        for row in c["rows"]:
            tests = {op: literal for op, literal in row.items() if op != "points"}
            if (value is not None) if "else" in tests else test(kind, value, tests, self.now):
                return float(row["points"])
        return 0.0

    def band(self, score: float, bands: Any, *, is_tier: bool) -> str | None:
        if not bands:
            return None
        last = list(bands)[-1]
        below = chr(ord(last) + 1) if is_tier else str(int(last) + 1)
        return next((str(name) for name, least in bands.items() if score >= least), below)

    # --- all of it

    def evaluate(self) -> dict[str, Any]:
        d = self.d
        for campaign in d.get("campaigns", []):
            runs = typed("date", campaign["from"]) <= self.now < typed("date", campaign["until"])
            if runs and self.truth(campaign["applies_when"]) is True:
                self.campaign = campaign
                break
        points = {c["id"]: self.points(c) for c in d["fit"]["criteria"]}
        fit = clamp(sum(points.values()), d["fit"].get("range"))
        groups = {}
        for name, group in d["engagement"]["groups"].items():
            mine = {c["id"]: self.points(c) for c in group["criteria"]}
            points |= mine
            override = (self.campaign or {}).get("override", {}).get("groups", {}).get(name, group)
            groups[name] = clamp(sum(mine.values()), override.get("range"))
        engagement = clamp(sum(groups.values()), d["engagement"].get("range"))
        tier = self.band(rounded(fit), d["fit"].get("tiers"), is_tier=True)
        level = self.band(rounded(engagement), d["engagement"].get("levels"), is_tier=False)
        said = self.inputs()
        said |= {"fit": rounded(fit), "engagement": rounded(engagement), "tier": tier, "level": level}
        said["groups"] = {name: rounded(score) for name, score in groups.items()}
        said["points"] = {name: rounded(score) for name, score in points.items()}
        said["grade"] = tier + level if tier and level else None
        said["campaign"] = self.campaign["id"] if self.campaign else None
        self.derive(said)
        said |= self.decide(said["disqualified"])
        self.derived["outcome"] = ("text", said["outcome"])
        tracks = (track["id"] for track in d.get("tracks", []) if self.truth(track["when"]) is True)
        return {**said, "track": next(tracks, None)}

    def inputs(self) -> dict[str, Any]:
        d = self.d
        keys = d["fit"].get("key_facts", [])
        known = sum(self.facts[name][1] is not None for name in keys)
        said: dict[str, Any] = {"completeness": rounded(known / len(keys)) if keys else 1.0}
        said["disqualified"] = [
            veto["id"] for veto in d.get("disqualify", []) if self.truth(veto["when"]) is True
        ]
        said["evidence"] = {"count": 0, "satisfied": False, "missing": []}
        if "evidence" in d:
            spec = d["evidence"]
            true = [name for name, item in spec["items"].items() if self.truth(item) is True]
            missing = [name for name in spec["items"] if name not in true]
            enough = len(true) >= spec.get("require", len(spec["items"]))
            self.evidence_ok = enough and not set(spec.get("must_include", [])) & set(missing)
            said["evidence"] = {"count": len(true), "satisfied": self.evidence_ok, "missing": missing}
        return said

    def derive(self, said: dict[str, Any]) -> None:
        entered = typed("date", self.r.get("stage_entered_at"))
        stage = typed("text", self.r["contact"].get("lifecyclestage"))
        numbers = {name: said[name] for name in ("fit", "engagement", "completeness")}
        numbers |= {f"engagement.{name}": score for name, score in said["groups"].items()}
        numbers |= {f"points.{name}": score for name, score in said["points"].items()}
        numbers["evidence.count"] = said["evidence"]["count"]
        numbers["days_in_stage"] = None if entered is None else (self.now - entered) / 86_400_000_000
        self.derived = {name: ("number", value) for name, value in numbers.items()}
        texts = {name: said[name] for name in ("tier", "level", "grade", "campaign")} | {"stage": stage}
        self.derived |= {name: ("text", None if text is None else fold(text)) for name, text in texts.items()}
        self.derived["disqualified"] = ("bool", bool(said["disqualified"]))

    def recycled(self) -> bool:
        spec = self.d.get("recycle")
        if not spec:
            return False
        reasons = {fold(reason): rest for reason, rest in spec["reasons"].items()}
        reason = self.facts[spec["reason"]][1]
        if reason not in reasons:
            return False
        returned = self.facts[spec["returned_at"]][1] if "returned_at" in spec else None
        if returned is None:
            return True
        revisit = reasons[reason].get("revisit")
        if revisit is not None and self.now >= returned + span_us(revisit):
            return False
        decisive = [name for name, spec in self.d["events"].items() if spec.get("phase") == "decision"]
        return not any(event["at"] > returned for event in self.matching(decisive, None))

    def decide(self, disqualified: list[str]) -> dict[str, Any]:
        stages = self.d["stages"]
        order, rules = stages["order"], stages["rules"]
        truths = {
            stage: {key: self.truth(c) for key, c in rule.items() if key != "min_stay"}
            for stage, rule in rules.items()
        }
        own_gates = list(_gates([rules[stage] for stage in order if stage in rules]))
        gates = {gate["id"]: self.truth(gate) for gate in own_gates}
        ruled = [index for index, stage in enumerate(order) if stage in rules]
        recycled = self.recycled()
        current = self.derived["stage"][1]
        at = order.index(current) if current in order else -1

        def enters(index: int) -> bool:
            return any(truths[order[index]].get(key) is True for key in ("enter", "fast_track"))

        target = next((i for i in reversed(ruled) if enters(i)), -1)
        target = -1 if disqualified or recycled else target
        code, action, to = "kept", "keep", None
        if current in stages["human_only"]:
            code, action = "human_only", "hold"
        elif current is not None and at < 0:
            code, action = "unknown_stage", "hold"
        elif disqualified:
            code = "disqualified"
        elif recycled:
            code = "recycled"
        elif target > at:
            code, action, to = "promoted", "promote", target
        elif at in ruled and truths[order[at]].get("stay") is False and not enters(at):
            days = self.derived["days_in_stage"][1]
            least = span_us(rules[order[at]].get("min_stay", "0d")) / 86_400_000_000
            lower = [i for i in ruled if i < at]
            if days is not None and days >= least and current not in stages["never_demote_from"] and lower:
                fitting = [i for i in lower if enters(i) or truths[order[i]].get("stay") is True]
                code, action, to = "demoted", "demote", max(fitting, default=lower[0])
        dest = at if to is None else to
        above = [order[i] for i in ruled if i > dest]
        handoff = self.d["definition"].get("handoff_stage")
        if disqualified:
            outcome = "disqualified"
        elif recycled:
            outcome = "recycled"
        elif above and "enter" in truths[above[0]] and truths[above[0]]["enter"] is None:
            outcome = "needs_data"
        elif any(truths[stage].get("triage") is True for stage in above):
            outcome = "triage"
        elif any(truths[stage].get("borderline") is True for stage in above):
            outcome = "borderline"
        elif handoff is not None and dest >= order.index(handoff):
            outcome = "qualified"
        else:
            outcome = "nurture"
        return {
            "gates": gates,
            "target": order[target] if target >= 0 else None,
            "action": action,
            "to": None if to is None else order[to],
            "code": code,
            "outcome": outcome,
        }


def _gates(node: Any) -> Any:
    if isinstance(node, list):
        for child in node:
            yield from _gates(child)
    elif isinstance(node, dict):
        if "id" in node:
            yield node
        for child in node.values():
            yield from _gates(child)
