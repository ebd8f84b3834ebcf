"""Adapters: the memory in gateways that others have written.

Law: each module knows one gateway and is imported by its users alone, for the gateway itself comes as an extra. Nothing
in here fails a user's request: what goes wrong on our side is logged, and the request goes on as if we were not there.
"""
