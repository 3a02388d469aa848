"""The interpreter made to suit a busy server: its collector of circular garbage, and its threads."""

import gc
import sys

# Containers alive beyond those that were freed, before it looks at all: a thousand requests that wait for a
# commit are that many. With Python's 700 it went through them again and again, for a third of all CPU time.
_YOUNG = 100_000

# Seconds. The database's thread asks for its turn after every statement, with the write lock in its hand: at
# Python's 5 ms a transaction of 8 ms took 60 beside a busy event loop.
_TURN = 0.001


def suit_a_server() -> None:
    """Once everything that lives as long as the process is there: that is never looked at again, and the rest
    seldom. What is not part of a circle is freed at once, as always.
    """
    sys.setswitchinterval(_TURN)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
