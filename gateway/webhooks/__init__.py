"""Webhooks: who is told of what, how it is written and signed. gateway.dispatch delivers."""
