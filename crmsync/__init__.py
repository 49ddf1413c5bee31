"""
crmsync runs the qualification definition that marketing and sales share beside a HubSpot portal.

The path of a contact, a folder a station:

    portal/ --pull--> store/ (mirror) --qualify--> definition/ --reconcile--> plan --record--> store/ (audit)
    --write--> portal/

cycle/ walks the path, daemon.py says when, app.py and service.py wire it together, cli/ and web/ show it,
insight/ reads what happened, sandbox/ is a portal to try it on.
"""

__version__ = "0.1.0"
