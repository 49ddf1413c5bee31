"""What a request meets before an endpoint does: who may call, how often, the fault ordered for it, and the log."""
