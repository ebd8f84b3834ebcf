"""OpenClaw as a neighbour: its homes, its databases and its locks.

Law: beside a gateway that runs, never in its way. What is its own is read, not written, but for our lines under its own
lock. Nothing is imported here, so that who asks for one of these modules pays for that one.
"""

__all__: list[str] = []
