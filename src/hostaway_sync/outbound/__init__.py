"""Guarded requests to addresses that an operator named: public ones alone, no redirect, limited in time and size.

URL ──→ target ──→ resolved once ──→ each address judged ──→ connected to that address ──→ answer, cut to a limit

targets     which URLs may be asked: https, or written in full in the settings (pure)
addresses   which addresses are public (pure)
connection  resolves, judges and connects, and ends whatever lasts longer than the request may
client      one request and its answer
"""
