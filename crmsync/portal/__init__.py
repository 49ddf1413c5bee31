"""
HubSpot -> snapshots, and intents -> outcomes. The only package that knows HubSpot.

`gateway.connect` builds it. Inside, a request travels: reading, writing, schema (what to ask) -> client (the kept SDK
objects) -> transport (retries) -> budget (when it may go) -> wire (one HTTP exchange) -> faults (what a refusal means),
and the answer comes back through shapes and snapshots.
"""
