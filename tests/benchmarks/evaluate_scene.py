"""What the evaluation benchmarks run on: 30 criteria, and any number of contacts with 5 events each, as columns."""

from datetime import UTC, datetime

import narwhals as nw
import polars as pl

from crmsync.definition.evaluation.evaluator import Evaluator
from crmsync.definition.evaluation.frames import Frames
from crmsync.definition.load import load
from crmsync.definition.nouns import Definition

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
AS_OF_US = int(AS_OF.timestamp()) * 1_000_000
DAY_US = 86_400_000_000
EVENTS_EACH = 5
INDUSTRIES = ("software", "finance", "retail", "hospital", "logistics")
COUNTRIES = ("be", "nl", "de", "fr", "no")
TITLES = ("cto", "vp sales", "student", "head of it", "intern")
FORMS = ("book a demo", "contact sales", "ebook: pricing", "newsletter")
PATHS = ("/pricing", "/pricing/pro", "/blog", "/docs", "/")

HEAD = """
definition: {id: bench, version: "1", handoff_stage: marketingqualifiedlead}
facts:
  industry: company.industry
  employees: {from: company.numberofemployees, type: number}
  country: contact.country
  title: contact.jobtitle
  opted_out: {from: contact.hs_email_optout, type: bool}
events:
  demo: {from: forms, where: {form: [Book a demo, Contact sales]}, intent: product, phase: decision}
  ebook: {from: forms, where: {form: {starts_with: ebook}}, intent: content, phase: awareness}
  pricing: {from: pages, where: {path: {starts_with: /pricing}}, intent: product, phase: decision}
  visit: {from: pages}
  met: {from: meetings}
fit:
  range: [0, 100]
  key_facts: [industry, employees, country, title]
  tiers: {A: 60, B: 40, C: 20}
  criteria:
    - {id: f0, points: 25, when: {industry: [SOFTWARE, FINANCE]}}
    - {id: f1, points: 10, else_points: -20, when: {country: [BE, NL]}}
    - id: f2
      table: employees
      rows: [{less_than: 20, points: -20}, {less_than: 1000, points: 30}, {else: true, points: 10}]
    - {id: f3, points: 12, when: {title: {contains: vp}}}
    - {id: f4, points: 5, when: {title: {starts_with: head}}}
    - {id: f5, points: -15, when: {industry: hospital}}
    - {id: f6, points: 4, when: {employees: {between: [50, 500]}}}
    - {id: f7, points: -5, when: {opted_out: true}}
    - {id: f8, points: 3, when: {not: {country: de}}}
    - {id: f9, points: 2, when: {any: [{title: cto}, {industry: retail}]}}
    - {id: f10, points: 6, when: {employees: {more_than: 200}, country: be}}
    - {id: f11, points: 1, when: {industry: {known: true}}}
engagement:
  range: [-40, 100]
  levels: {1: 60, 2: 30}
  groups:
    product:
      range: [0, 80]
      criteria:
        - {id: e0, event: demo, points: 50, within: 90d, half_life: 45d, cap: 50}
        - {id: e1, event: pricing, points: 12, within: 30d, half_life: 10d, cap: 36}
        - {id: e2, count: {event: pricing, within: 7d, at_least: 2}, points: 10}
        - {id: e3, event: met, points: 20, within: 60d, half_life: 30d}
        - {id: e4, count: {event: met, within: 30d, at_least: 1}, points: 5}
        - {id: e5, event: [demo, met], points: 3, within: 365d}
        - {id: e6, event: demo, points: 4, within: 7d, when: {country: [BE, NL]}}
        - {id: e7, count: {event: demo, at_least: 2}, points: 6}
        - {id: e8, event: pricing, points: 2, half_life: 60d, cap: 8}
    content:
      range: [0, 25]
      criteria:
        - {id: e9, event: ebook, points: 5, within: 90d, half_life: 30d, cap: 10}
        - {id: e10, event: visit, points: 1, within: 30d, half_life: 15d, cap: 10}
        - {id: e11, count: {event: visit, within: 7d, at_least: 3}, points: 4}
        - {id: e12, event: [ebook, visit], points: 1, within: 180d, cap: 5}
        - {id: e13, count: {event: ebook, within: 365d, at_least: 1}, points: 2}
    negative:
      criteria:
        - {id: e14, count: {event: any, within: 90d, is: 0}, points: -25}
        - {id: e15, points: -10, when: {opted_out: true}}
        - {id: e16, count: {event: any, within: 30d, is: 0}, points: -5}
        - {id: e17, points: -3, when: {title: {contains_any: [student, intern]}}}
stages:
  order: [subscriber, lead, marketingqualifiedlead, salesqualifiedlead, opportunity, customer]
  never_demote_from: [opportunity, customer]
  rules:
    lead: {enter: {event.ebook: {within: 365d}}}
    marketingqualifiedlead:
      enter:
        all:
          - {id: g.fit, tier: [A, B]}
          - {id: g.data, completeness: {at_least: 0.75}}
          - {id: g.product, engagement.product: {at_least: 25}}
          - {id: g.engaged, engagement: {at_least: 35}}
      stay: {engagement: {at_least: 20}}
      min_stay: 7d
    salesqualifiedlead: {enter: {tier: A, event.met: {within: 60d}}}
"""


def definition() -> Definition:
    return load(HEAD, name="bench.yaml")


def frames(evaluator: Evaluator, contacts: int) -> Frames:
    """Return typed columns for this many contacts; reproducible, no randomness."""
    return Frames(_contacts(evaluator, contacts), _events(evaluator, contacts))


def _pick(column: str, choices: tuple[str, ...], seed: int) -> pl.Expr:
    spots = pl.col(column).hash(seed) % len(choices)
    return spots.replace_strict(list(range(len(choices))), list(choices), return_dtype=pl.String)


def _contacts(evaluator: Evaluator, contacts: int) -> "nw.LazyFrame[pl.LazyFrame]":
    names = evaluator.layout.facts
    row = pl.col("row")
    made = pl.DataFrame({"row": pl.int_range(contacts, eager=True, dtype=pl.Int64)}).with_columns(
        _pick("row", INDUSTRIES, 1).alias(names["industry"]),
        pl.when(row.hash(2) % 10 > 0).then((row.hash(3) % 2000).cast(pl.Float64)).alias(names["employees"]),
        _pick("row", COUNTRIES, 4).alias(names["country"]),
        _pick("row", TITLES, 5).alias(names["title"]),
        (row.hash(6) % 9 == 0).alias(names["opted_out"]),
        pl.lit("lead").alias("stage_key"),
        (pl.lit(AS_OF_US) - (row.hash(7) % 100).cast(pl.Int64) * DAY_US).alias("entered_at"),
    )
    return nw.from_native(made.lazy())


def _events(evaluator: Evaluator, contacts: int) -> "nw.LazyFrame[pl.LazyFrame]":
    attributes = evaluator.layout.attributes
    kinds = pl.Series([0, 2, 6, 7, 7], dtype=pl.Int32)  # calls, meetings, forms, pages, pages
    number = pl.int_range(contacts * EVENTS_EACH, eager=True, dtype=pl.Int64)
    event = pl.col("event")
    made = pl.DataFrame({"event": number}).with_columns(
        (event // EVENTS_EACH).alias("row"),
        (event.hash(1) % 5).replace_strict(list(range(5)), kinds, return_dtype=pl.Int32).alias("kind"),
        (pl.lit(AS_OF_US) - (event.hash(2) % (200 * 86_400)).cast(pl.Int64) * 1_000_000).alias("at"),
        pl.lit(1.0).alias("n"),
    )
    is_form, is_page = pl.col("kind") == 6, pl.col("kind") == 7
    return nw.from_native(
        made.with_columns(
            pl.when(is_form).then(_pick("event", FORMS, 3)).alias(attributes["form"]),
            pl.when(is_page).then(_pick("event", PATHS, 4)).alias(attributes["path"]),
        )
        .drop("event")
        .lazy()
    )
