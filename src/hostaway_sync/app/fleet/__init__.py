"""How accounts do, for an operator who watches them: facts, and the words for them."""

from __future__ import annotations
