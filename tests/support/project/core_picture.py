"""The picture of the views of `core`: which key of which view leads to which other one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Column and row of each view that is drawn; those that are made of others are left out.
PLACES: Final = {
    "units": (0, 0), "listings": (1, 0), "calendar_days": (2, 0),
    "inquiries": (0, 1), "reservations": (1, 1), "guests": (2, 1),
    "conversation_reservations": (0, 2), "conversations": (1, 2), "messages": (2, 2),
}  # fmt: skip
WIDTH, HEIGHT, STEP_X, STEP_Y, MARGIN, BEND = 200, 112, 290, 190, 20, 130


def draw(columns: Mapping[str, Sequence[str]]) -> str:
    """Return the picture as SVG, of the columns of each view."""
    width, height = MARGIN * 2 + STEP_X * 2 + WIDTH, MARGIN * 2 + STEP_Y * 2 + HEIGHT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="13"><title>Views of core, and the keys that lead from one to another</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    )
    return "\n".join([head, *_lines(columns), *_boxes(columns), "</svg>", ""])


def leads_to(view: str, column: str) -> str | None:
    """Return the view whose row a key of another view names."""
    target = f"{column.removesuffix('_key')}s"
    return target if column.endswith("_key") and target in PLACES and target != view else None


def _lines(columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for view, place in PLACES.items():
        for column in columns[view]:
            target = leads_to(view, column)
            if target is None:
                continue
            (x, y), (to_x, to_y) = _middle(place), _middle(PLACES[target])
            # A straight line would cross the view between the two.
            bend_x = BEND if x == to_x and abs(y - to_y) > STEP_Y else 0
            bend_y = BEND - 40 if y == to_y and abs(x - to_x) > STEP_X else 0
            control = f"{(x + to_x) // 2 + 2 * bend_x} {(y + to_y) // 2 + 2 * bend_y}"
            yield f'<path d="M {x} {y} Q {control} {to_x} {to_y}" fill="none" stroke="#7a869a" stroke-width="1.5"/>'


def _boxes(columns: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for view, place in PLACES.items():
        x, y = (middle - half for middle, half in zip(_middle(place), (WIDTH // 2, HEIGHT // 2), strict=True))
        yield f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#f4f6fa" stroke="#33415c"/>'
        yield f'<text x="{x + 10}" y="{y + 20}" font-weight="bold" fill="#14213d">{view}</text>'
        keys = [column for column in columns[view] if column.endswith("_key")]
        for line, key in enumerate(keys, 1):
            arrow = " →" if leads_to(view, key) else ""
            yield f'<text x="{x + 10}" y="{y + 22 + 18 * line}" fill="#33415c">{key}{arrow}</text>'


def _middle(place: tuple[int, int]) -> tuple[int, int]:
    column, row = place
    return MARGIN + WIDTH // 2 + column * STEP_X, MARGIN + HEIGHT // 2 + row * STEP_Y
