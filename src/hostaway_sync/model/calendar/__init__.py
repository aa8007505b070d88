"""Days of a listing's calendar, and what the change of a stay touches of them. Pure: no I/O, no clock."""
