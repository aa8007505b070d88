"""Looks at everything a mirror stands on, and says what is wrong and what to do about it.

the machine ─┐
the database ┼─ examination → facts ──→ judging → findings
the source  ─┘  I/O, bounded            pure
"""
