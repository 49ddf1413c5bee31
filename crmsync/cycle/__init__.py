"""
The path of a contact through one cycle, a module a stage, in the order it travels.

pull (portal -> mirror), qualify (mirror -> evaluations), reconcile (evaluations -> decisions), planning and plans
(decisions -> a plan that is kept), guard (may it go ahead), apply: record (plan -> intents in the trail) and write
(intents -> portal -> outcomes). `engine` is the table of contents. Nothing here knows HubSpot, SQL or the clock: each
stage declares the Protocols of the edges it needs.
"""
