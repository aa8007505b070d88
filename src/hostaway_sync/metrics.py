"""The name of every metric, once."""

from __future__ import annotations

DELIVERIES = "hostaway_sync_deliveries"
"""Counter, by `outcome`: requests to the receiver's delivery path."""
DELIVERY_SECONDS = "hostaway_sync_delivery_seconds"
"""Histogram: from the end of a request's head until its answer is ready, of deliveries that were stored."""
OLDEST_WAITING_SECONDS = "hostaway_sync_oldest_waiting_delivery_seconds"
"""Gauge: age of the oldest delivery that waits to be worked; 0 when none does."""
