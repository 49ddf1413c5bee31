"""
The path of a contact through one cycle, a module a station, in the order it travels.

- pull (portal -> mirror) runs streams, one a kind or form; news says what is new, foreign who changed what is ours,
  taking puts both into the mirror; asked says which kinds must be read from the start, patience what a stream that
  cannot be read means for the others.
- planning (due contacts -> a plan) uses qualify (mirror -> evaluations) and reconcile (evaluation -> decision); plans
  keeps what they decided, guard says whether it may go ahead, withholding why a stage change is not made.
- apply (plan -> portal) uses record (changes -> intents in the trail), write (intents -> portal -> outcomes) and settle
  (what an earlier process left open).
- revert makes a plan that undoes a run, revert_entries its entries.

`engine` is the table of contents. Beside it, agenda says what is due, activation which definition was in force,
watching how far it has come. Nothing here knows HubSpot, SQL or the clock: each station declares the Protocols of the
edges it needs.
"""
