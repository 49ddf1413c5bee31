"""Forms and what was submitted through them. HubSpot has only legacy paths for both."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from crmsync.errors import Rejected, Unauthorized
from crmsync.model import Form, Submission, SubmissionPage
from crmsync.paging import Way
from crmsync.portal.client import Client
from crmsync.portal.shapes import Unreadable, a_map, a_text, an_instant, broken_answer, next_after

FORM_TYPES = ("hubspot", "captured", "flow")
"""The types HubSpot gives submissions of; it refuses those of blog comments."""
_NOT_GIVEN_OUT = "FORM_TYPE_NOT_ALLOWED"


class Submissions:
    """Reads the forms of one portal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def forms(self) -> tuple[Form, ...]:
        """List the forms, see `Portal.forms`."""
        found: dict[str, Form] = {}
        after, way = None, Way("forms")
        while True:
            answer = self._client.forms(form_types=FORM_TYPES, after=after).json
            forms = [_form(raw) for raw in answer["results"] if not _is_for_comments(raw)]
            found |= {one.id: one for one in forms}
            after = way.on(next_after(answer.get("paging"), after), forms[0].id if forms else None)
            if after is None:
                return tuple(found.values())

    def page(self, form: Form, after: str | None) -> SubmissionPage:
        """
        Read up to 50, see `Portal.submissions`.

        A form type whose submissions are not given out has none, and neither has a form deleted since it was listed.

        *Raises* Rejected where HubSpot keeps this form from us: it gave us the list, so the token is as it should be.
        """
        try:
            answer = self._client.submissions(form.id, after).json
        except Rejected as error:
            if error.status == 404 or _NOT_GIVEN_OUT in f"{error.category} {error.message}":
                return SubmissionPage((), None)
            raise
        except Unauthorized as error:
            if error.status != 403:
                raise
            raise Rejected(error.message, next_step=error.next_step, status=403) from error
        seen: Counter[str] = Counter()
        found = tuple(_submission(form, raw, seen) for raw in answer["results"])
        return SubmissionPage(found, next_after(answer.get("paging"), after))


def _is_for_comments(raw: object) -> bool:
    """Not asked for, but a portal may list it all the same."""
    return isinstance(raw, dict) and raw.get("formType") == "blog_comment"


def _form(raw: object) -> Form:
    match raw:
        case {"id": str() as form_id, **more} if form_id.isascii() and "/" not in form_id:
            name = more.get("name")
            return Form(form_id, name if isinstance(name, str) else "")
        case _:
            raise broken_answer("a form cannot be read")


def _submission(form: Form, raw: object, seen: Counter[str]) -> Submission:
    """Read one; what cannot be read of it is empty, and an instant of None is reported when it is counted."""
    given = raw if isinstance(raw, dict) else {}
    at = an_instant(given.get("submittedAt"))
    page = given.get("pageUrl")
    return Submission(
        id=_stable_id(form, raw, given, seen),
        form_id=form.id,
        form=form.name,
        at=at,
        email=_email(given.get("values")),
        page=page if isinstance(page, str) and page else None,
    )


def _stable_id(form: Form, raw: object, given: Mapping[str, Any], seen: Counter[str]) -> str:
    """Name a submission the same at every reading: HubSpot's id, else a digest of all it holds and its occurrence."""
    conversion = given.get("conversionId")
    if isinstance(conversion, str) and 0 < len(conversion) <= 100:
        return conversion
    digest = sha256(orjson.dumps([form.id, _ordered(raw)], option=orjson.OPT_SORT_KEYS)).hexdigest()
    seen[digest] += 1
    return f"{digest[:40]}-{seen[digest]}"


def _ordered(raw: object) -> object:
    """Put the submitted values in an order of their own; HubSpot promises none."""
    if not isinstance(raw, dict) or not isinstance(raw.get("values"), list):
        return raw
    return {
        **raw,
        "values": sorted(raw["values"], key=lambda one: orjson.dumps(one, option=orjson.OPT_SORT_KEYS)),
    }


def _email(values: object) -> str:
    for one in values if isinstance(values, list) else ():
        try:
            field = a_map(one, "a value")
            if field.get("name") == "email":
                return (a_text(field.get("value"), "an address") or "").strip().casefold()
        except Unreadable:
            continue
    return ""
