"""The periodic work of the whole installation, done by one leader: start, freeze, finish, expire, purge."""
