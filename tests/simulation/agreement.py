"""The definition of the simulated company, in editions that differ in points and limits."""

from pathlib import Path

_TEXT = """
definition: {{id: simulated, version: "{edition}", handoff_stage: marketingqualifiedlead}}
facts:
  title: contact.jobtitle
  industry: company.industry
  open_deals: deals.open
  won_deals: deals.won
events:
  meeting: {{from: meetings, where: {{outcome: COMPLETED}}, intent: product, phase: decision}}
  inbound: {{from: calls, where: {{direction: INBOUND}}, intent: product, phase: decision}}
  opens: {{from: counter, of: contact.hs_email_open, intent: content, phase: awareness}}
  demo: {{from: forms, where: {{form: Book a demo}}, intent: product, phase: decision}}
fit:
  criteria:
    - {{id: fit.title, points: {title}, when: {{title: {{contains_any: [vp, head, cto, director]}}}}}}
    - {{id: fit.industry, points: 20, when: {{industry: [SOFTWARE, FINANCE]}}}}
  tiers: {{A: 40, B: 20}}
engagement:
  range: [0, 200]
  groups:
    product:
      criteria:
        - {{id: eng.meeting, event: meeting, points: 25, within: 90d, half_life: 30d}}
        - {{id: eng.inbound, event: inbound, points: 10, within: 60d}}
        - {{id: eng.demo, event: demo, points: {demo}, within: 90d, half_life: 20d}}
    content:
      criteria:
        - {{id: eng.opens, event: opens, points: 3, within: 90d, cap: 12}}
  levels: {{1: 30}}
stages:
  order: [subscriber, lead, marketingqualifiedlead, salesqualifiedlead, opportunity, customer, evangelist]
  human_only: [evangelist, other]
  never_demote_from: [opportunity, customer]
  rules:
    lead: {{enter: {{fit: {{at_least: 20}}}}}}
    marketingqualifiedlead:
      enter: {{tier: [A, B], engagement: {{at_least: 30}}}}
      stay: {{engagement: {{at_least: {stay}}}}}
      min_stay: 2d
    opportunity: {{enter: {{open_deals: {{at_least: 1}}}}}}
    customer: {{enter: {{won_deals: {{at_least: 1}}}}}}
sla:
  calendar: {{timezone: Europe/Brussels, days: [mon, tue, wed, thu, fri], hours: ["08:30", "17:00"]}}
  first_touch: 4h
"""
_EDITIONS = ((40, 40, 20), (45, 40, 20), (40, 32, 18), (50, 40, 25))  # title, demo, stay

CONTACT_PROPERTIES = ("jobtitle", "hs_email_open", "lifecyclestage")
COMPANY_PROPERTIES = ("industry",)


def write_edition(path: Path, edition: int) -> None:
    """Put an edition into the definition file, as a person with an editor would."""
    title, demo, stay = _EDITIONS[edition % len(_EDITIONS)]
    path.write_text(_TEXT.format(edition=edition, title=title, demo=demo, stay=stay), encoding="utf-8")
