"""A self-hosted web-push gateway."""

# Written here too, because a container runs the code as it lies there: nothing is installed to ask for it.
VERSION = "0.1.0"
