"""The calendar: the days of each listing, and which of them must be read again.

stay stored ──→ marks: its days are due ──┐
time passed ──→ readings: all days are due ┴──→ days: an answer is stored, and clears what it covers
"""
