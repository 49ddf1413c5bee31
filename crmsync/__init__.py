"""
crmsync runs the qualification definition that marketing and sales share beside a HubSpot portal.

The path of a contact, and the folder of each station:

    portal/ --pull--> store/ (mirror) --qualify--> definition/ --reconcile--> plan --guard--> --record--> store/ (audit)
    --write--> portal/

Below: errors.py is what can go wrong, model.py the nouns that travel, paging.py the way through a list,
definition/ what qualifies.
Beside each other: cycle/ walks the path; portal/ and store/ are the two edges; insight/ reads what happened.
Above: plots/ draws it; web/ and report/ show it; settings/ says how all of it runs; daemon.py says when, hearing.py
until when; heaps.py keeps memory small; sandbox/ is a portal to try it on, and starter/ the files that `init` writes.
At the top: assembly.py makes a cycle of the parts, app.py makes the parts (the clock is clock.py's), logs.py and
metrics.py tell how it goes, service.py is the long-running process, cli/ the commands.

Imports go from the top down, never across; pyproject.toml holds it to that.
"""

__version__ = "0.1.0"
