"""What answers a path: `routes` is the table of all of them, `call` one routed request, the others answer it."""
