"""Whom a message goes to and when, beyond "everybody, now": campaigns, each rule in a module of its own."""
