"""cli: the commands. Arguments in, tables and exit codes out.

Law: the only room that prints; nothing imports it. One module a command, imported when that command runs.
"""
