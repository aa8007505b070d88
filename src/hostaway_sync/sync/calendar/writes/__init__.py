"""Write to calendars: compared with the mirror, written down, requested once, read back.

guards      what may be asked for, and what a person should know before                pure
decision    what changed meanwhile, and what the days that were read back show         pure
writer      one write: lock of the listing, live days, intent, one request, days read back
settlement  writes that a process left open, settled by what their days show
"""

from __future__ import annotations
