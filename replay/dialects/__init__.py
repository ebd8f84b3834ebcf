"""Dialects: what other programs' logs and transcripts say, told as our events.

Law: pure, like the room. A dialect is given text or dicts that somebody else has read and decoded. Whatever it is
given, it answers: a line that it can't use is counted by what it is, never raised.

Each is a module of its own, imported by whoever has such a log: their tables take longer to make than most logs of
ours to read. To tell whether it is one, ``openclaw_forms`` is enough.
"""
