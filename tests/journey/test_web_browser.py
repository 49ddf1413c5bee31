"""The pages in real Chromium: a newcomer's walk, without JavaScript, on a phone, in the dark, by keyboard, with axe."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from crmsync.definition.load import load
from crmsync.definition.wording.page import as_html as definition_page
from crmsync.model import PlanStatus
from crmsync.plots.svg import Plots
from crmsync.report.gather import gather
from crmsync.report.page import as_html
from crmsync.store.audit.filtering import AuditFilter
from tests.edge.web_scene import Scene, a_company

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE: ViewportSize = {"width": 375, "height": 740}
DESK: ViewportSize = {"width": 1_200, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium on this machine: `make browser` installs one")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Site:
    """A company's pages, served."""

    scene: Scene
    address: str
    paths: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store = self.scene.app.store
        plan = store.plans.plans(status=PlanStatus.PARKED)[0].id
        entry = next(one for one in store.trail.entries(limit=500) if one.draft.cause == "promoted")
        version = self.scene.app.definition.ref.sha256[:12]
        self.paths = {
            "overview": "/",
            "search": "/contacts",
            "contact": f"/contacts/{self.scene.contact}",
            "contact then": f"/contacts/{self.scene.contact}?at=2026-10-20T12:00",
            "contact that waits": f"/contacts/{next(iter(store.plans.changes(plan)))[0].contact}",
            "hostile contact": f"/contacts/{self.scene.hostile}",
            "plans": "/plans",
            "plan": f"/plans/{plan}",
            "runs": "/runs",
            "run": f"/runs/{self.scene.run}",
            "audit": "/audit",
            "audit filtered": "/audit?cause=promoted",
            "audit, nothing found": "/audit?contact=none",
            "entry": f"/audit/{entry.seq}",
            "verification": "/audit/verify",
            "definition": "/definition",
            "difference": f"/definition/difference?old={version}&new={version}",
            "not here": "/nowhere",
        }


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_company(tmp_path_factory.mktemp("company")) as scene:
        running = scene.service.pages()
        yield Site(scene, running.address.rstrip("/"))
        running.stop()


@dataclass
class Visitor:
    """A page in a context of its own, with everything that went wrong in it."""

    page: Page
    site: Site
    problems: list[str] = field(default_factory=list)

    def go(self, name: str) -> Page:
        self.page.goto(self.site.address + self.site.paths[name])
        return self.page

    def note(self, message: ConsoleMessage) -> None:
        is_meant = re.search(r"status of 40[04]", message.text)  # not there, or refused on purpose
        if message.type in {"error", "warning"} and not is_meant:
            self.problems.append(message.text)


def visitor(context: BrowserContext, site: Site) -> Visitor:
    visiting = Visitor(context.new_page(), site)
    visiting.page.on("console", visiting.note)
    visiting.page.on("pageerror", lambda error: visiting.problems.append(str(error)))
    visiting.page.on("dialog", lambda dialog: visiting.problems.append(f"a dialog: {dialog.message}"))
    return visiting


@pytest.fixture
def visiting(browser: Browser, site: Site) -> Iterator[Visitor]:
    context = browser.new_context(viewport=DESK)
    yield visitor(context, site)
    context.close()


_BROKEN_WORDS = """
    all => all.filter(one => !/\\s/.test(one.textContent.trim())).filter(one => {
      const range = document.createRange()
      range.selectNodeContents(one)
      return range.getClientRects().length > 1
    }).map(one => one.textContent)
"""
NAMES = (
    "overview", "search", "contact", "contact then", "contact that waits", "hostile contact", "plans", "plan", "runs",
    "run", "audit", "audit filtered", "audit, nothing found", "entry", "verification", "definition",
    "difference", "not here",
)  # fmt: skip


def test_a_newcomers_walk_from_overview_to_why_to_approving_and_taking_back(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with a_company(tmp_path_factory.mktemp("walk")) as scene:
        running = scene.service.pages()
        context = browser.new_context(viewport=DESK)
        walker = visitor(context, Site(scene, running.address.rstrip("/")))
        page = walker.go("overview")
        _find_out_why(page, scene)
        _approve_the_plan(page, scene)
        _take_the_run_back(page, scene)
        assert walker.problems == []
        context.close()
        running.stop()


def _find_out_why(page: Page, scene: Scene) -> None:
    page.get_by_role("link", name="Contact", exact=True).click()
    page.get_by_label("Contact id or e-mail address").fill(scene.email_of(scene.contact))
    page.get_by_role("button", name="Show").click()

    assert page.url.endswith(f"/contacts/{scene.contact}")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("MQL")
    expect(page.locator(".ribbon [aria-current=step]")).to_have_text("MQL")
    for table in page.locator("table.sum").all():
        points = [_number(text) for text in table.locator("tbody tr:not(.total) td.num").all_inner_texts()]
        assert abs(sum(points) - _number(table.locator("caption .num").inner_text())) < 0.05
    page.locator(".life a[href^='/audit/']").first.click()
    expect(page.get_by_role("heading", name="The arithmetic of that moment")).to_be_visible()


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _approve_the_plan(page: Page, scene: Scene) -> None:
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="1 plan waits for you")).to_be_visible()
    page.locator(".notice a[href^='/plans/']").click()
    expect(page.get_by_text("guard.max_stage_changes allows 0")).to_be_visible()
    page.get_by_label("Your name, for the audit trail").fill("Anna")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved. The next cycle applies it.")).to_be_visible()

    scene.clock.advance(60)
    assert scene.cycle() == "applied"

    page.reload()
    expect(page.locator("h1 .tag")).to_have_text("applied")


def _take_the_run_back(page: Page, scene: Scene) -> None:
    page.get_by_role("link", name="Runs").click()
    page.locator("tbody a[href^='/runs/']").first.click()
    expect(page.locator("td .tag.applied").first).to_be_visible()
    page.get_by_label("Of which contacts").fill("nobody")
    page.get_by_label("Your name, for the audit trail").fill("Anna")
    page.get_by_role("button", name="Plan the revert").click()
    expect(page.get_by_role("alert")).to_contain_text("No contact has this id")
    assert Axe().run(page).response["violations"] == []
    page.get_by_label("Of which contacts").fill("")
    page.get_by_role("button", name="Plan the revert").click()

    expect(page).to_have_url(re.compile(r"/plans/"))
    expect(page.locator("h1 .tag")).to_have_text("parked")
    expect(page.get_by_role("rowheader", name="reverted")).to_be_visible()
    assert scene.app.store.plans.plans(status=PlanStatus.PARKED)
    (asked,) = scene.app.store.trail.entries(AuditFilter(kind="revert.asked"))
    assert asked.draft.actor == "Anna"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing(browser: Browser, site: Site, name: str, look: str) -> None:
    context = browser.new_context(
        viewport=PHONE if look == "phone" else DESK, color_scheme="dark" if look == "dark" else "light"
    )
    visiting = visitor(context, site)
    page = visiting.go(name)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    results = Axe().run(page)

    found = [(one["id"], one["nodes"][0]["html"][:200]) for one in results.response["violations"]]
    assert found == []
    assert visiting.problems == []
    context.close()


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing_in_a_report(browser: Browser, site: Site, tmp_path: Path, look: str) -> None:
    app, file = site.scene.app, tmp_path / "report.html"
    now = app.now()
    order = app.definition.stages.order
    report = gather(app.store, order, since=now - timedelta(days=60), until=now, now=now)
    file.write_text(as_html(report, Plots()), encoding="utf-8")
    context = browser.new_context(
        viewport=PHONE if look == "phone" else DESK, color_scheme="dark" if look == "dark" else "light"
    )
    visiting = visitor(context, site)
    visiting.page.goto(file.as_uri())

    found = [
        (one["id"], one["nodes"][0]["html"][:200]) for one in Axe().run(visiting.page).response["violations"]
    ]

    assert found == []
    assert visiting.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert visiting.page.locator("th[scope=row]:not(:has(code))").evaluate_all(_BROKEN_WORDS) == []
    assert visiting.problems == []
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wider_than_a_phone(browser: Browser, site: Site, name: str) -> None:
    context = browser.new_context(viewport=PHONE)
    page = visitor(context, site).go(name)

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    expect(page.get_by_role("link", name="Overview").first).to_be_in_viewport()
    context.close()


@pytest.mark.parametrize(
    "name", ["overview", "plans", "plan", "runs", "run", "audit", "definition", "contact"]
)
def test_on_a_phone_no_column_of_a_table_is_out_of_sight(browser: Browser, site: Site, name: str) -> None:
    context = browser.new_context(viewport=PHONE)
    page = visitor(context, site).go(name)

    tables = page.locator(".scroll:has(table):visible")
    wide = tables.evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)"
    )
    assert wide == []
    context.close()


def test_the_definition_to_sign_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    starter = Path(str(files("crmsync") / "starter" / "definition.yaml"))
    (tmp_path / "definition.html").write_text(definition_page(load(starter)), encoding="utf-8")
    page = browser.new_page(viewport=PHONE)

    page.goto((tmp_path / "definition.html").as_uri())

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.close()


def test_without_javascript_everything_can_be_read_and_filtered(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    visiting = visitor(context, site)

    for name in NAMES:
        expect(visiting.go(name).get_by_role("heading", level=1)).to_be_visible()
    page = visiting.go("audit")
    page.get_by_label("Cause").select_option("promoted")
    page.get_by_role("button", name="Filter").click()

    causes = set(page.locator("tbody td:nth-child(6)").all_inner_texts())
    assert causes == {"promoted"}
    assert "cause=promoted" in page.url
    context.close()


def test_without_javascript_a_contact_is_found_and_the_chain_checked(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = visitor(context, site).go("search")
    page.get_by_label("Contact id or e-mail address").fill(site.scene.contact)
    page.get_by_role("button", name="Show").click()
    assert page.url.endswith(f"/contacts/{site.scene.contact}")

    page.goto(site.address + "/audit/verify")
    page.get_by_role("button", name="Check").click()
    for _ in range(100):
        if not page.get_by_role("link", name="Look again").is_visible():
            break
        page.get_by_role("link", name="Look again").click()

    expect(page.get_by_role("heading", name="The chain holds")).to_be_visible()
    context.close()


def test_the_check_of_the_chain_shows_its_end_by_itself(visiting: Visitor) -> None:
    page = visiting.go("verification")

    page.get_by_role("button", name="Check").click()

    expect(page.get_by_role("heading", name="The chain holds")).to_be_visible(timeout=20_000)
    assert visiting.problems == []


def test_a_filter_changes_the_entries_and_the_address_and_back_undoes_it(visiting: Visitor) -> None:
    page = visiting.go("audit")
    page.evaluate("window.same = true")

    page.get_by_label("Cause").select_option("promoted")
    expect(page).to_have_url(re.compile(r"cause=promoted"))

    assert page.evaluate("window.same") is True
    assert set(page.locator("#entries tbody td:nth-child(6)").all_inner_texts()) == {"promoted"}
    page.go_back()
    expect(page.locator("#entries tbody tr").first).to_be_visible()
    assert "cause=promoted" not in page.url
    assert visiting.problems == []


def test_nothing_of_a_page_is_kept_in_the_browser(visiting: Visitor) -> None:
    page = visiting.go("contact")
    page.goto(visiting.site.address + "/audit")
    page.get_by_label("Cause").select_option("promoted")
    expect(page).to_have_url(re.compile(r"cause=promoted"))

    kept = page.evaluate("JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])")

    assert visiting.site.scene.email_of(visiting.site.scene.contact) not in kept
    assert "<" not in kept


def test_markup_in_a_job_title_is_never_run(visiting: Visitor) -> None:
    page = visiting.go("hostile contact")
    page.get_by_text("Facts used").click()

    expect(page.get_by_role("cell", name=re.compile(r"^<img src=x onerror="))).to_be_visible()
    assert visiting.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_drawn_for_light_and_dark(browser: Browser, site: Site, scheme: str) -> None:
    context = browser.new_context(viewport=DESK, color_scheme="dark" if scheme == "dark" else "light")
    page = visitor(context, site).go("contact")

    shown = []
    for picture in page.locator("img.plot").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        shown.append(picture.evaluate("one => one.naturalWidth"))
        assert picture.get_attribute("alt")

    assert len(shown) == 2
    assert min(shown) > 300
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    lightness = sum(int(part) for part in re.findall(r"\d+", background)[:3]) / 3
    assert (lightness < 64) is (scheme == "dark")
    context.close()


def test_the_keyboard_reaches_the_page_and_every_control(visiting: Visitor) -> None:
    page = visiting.go("plan")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id")
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"

    assert [one for one in reached if one in {"who", "Approve", "Reject"}] == ["who", "Approve", "Reject"]


def test_an_empty_name_is_told_beside_its_field(visiting: Visitor) -> None:
    page = visiting.go("plan")
    page.get_by_label("Your name, for the audit trail").fill("   ")

    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_role("alert")).to_contain_text("Write your name")
    expect(page.get_by_label("Your name, for the audit trail")).to_have_attribute("aria-invalid", "true")
