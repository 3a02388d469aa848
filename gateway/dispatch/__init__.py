"""Delivers webhooks: packs what is in the outbox, and sends it, each receiver in a lane of its own."""
