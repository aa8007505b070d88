"""Rows of the sandbox as JSON text, made from the seed each time they are asked for.

    Layout (position ↔ id ↔ stamp) → facts (a few integers) → fragments that were escaped once → text

No row is kept and none goes through a JSON encoder, so that a page of 500 reservations takes a few milliseconds.
"""
