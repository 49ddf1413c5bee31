"""A Desk -> six pages, /healthz and /metrics. Starlette, Jinja2, one style sheet, htmx as one vendored file."""

from crmsync.web.desk import Desk
from crmsync.web.server import Running, WebConfig, serve
from crmsync.web.site import make_app

__all__ = ["Desk", "Running", "WebConfig", "make_app", "serve"]
