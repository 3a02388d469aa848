"""The gateway watches itself: what leaves its own recent past, or nears a limit, becomes an alert.

`bands` and `looks` are pure: what is usual, and when something is told or has ended. Collectors turn what is
stored into readings; `watch` stores the alerts that follow and tells of them. Every process reports its own
`vitals`; only the scheduler's leader watches.
"""
