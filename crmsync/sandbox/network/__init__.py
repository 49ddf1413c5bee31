"""The portal on a real network: requests come in over HTTP, webhooks go out."""
