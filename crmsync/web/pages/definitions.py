"""What both teams agreed on, in sentences; its versions, and what changed between two of them."""

from starlette.responses import Response

from crmsync.web.asking import Ask, not_here


def show(ask: Ask) -> Response:
    sha256 = ask.request.path_params.get("sha256")
    view = ask.desk.definition(sha256)
    if view is None:
        raise not_here("No definition with this hash was ever used here.")
    versions = ask.desk.versions()
    review_by = view.review_by
    return ask.page(
        "definition.html",
        view=view,
        versions=versions,
        in_force=versions[0].ref if versions else None,
        was_in_force=any(one.ref == view.ref for one in versions),
        newer=ask.desk.newer(),
        is_overdue=review_by is not None and review_by < ask.now.date(),
    )


def difference(ask: Ask) -> Response:
    old, new = ask.query("old"), ask.query("new")
    differences = ask.desk.difference(old, new) if old and new else None
    if differences is None:
        raise not_here("Choose two definitions that were used here; see the page Definition.")
    return ask.page(
        "difference.html", old=ask.desk.definition(old), new=ask.desk.definition(new), differences=differences
    )
