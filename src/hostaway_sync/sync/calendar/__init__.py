"""Mirror the calendars: one request a listing, for what stays have changed and, in turns, for all days.

plan      which listings are read, and which days of each; what a reading shows            pure
reading   the days of one listing, asked for again in parts where some did not come
run       all listings of a run that are due
recorder  days, marks and turns, as a run writes them
"""
