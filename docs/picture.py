"""Makes the README's pictures: docs/demo.svg from what `switchlog demo` really prints, docs/step.svg from a screen of
`switchlog replay --step`.

Run by `make picture`. The demo's seed is fixed, the folder's name too; its times are those of the machine that ran it.
The screen is that of a recording, event 12 under the cursor.
"""

import io
import os
import subprocess
import sys
import tempfile
from datetime import UTC
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from cli.step_history import History
from cli.step_view import screen
from cli.step_walk import Walk
from eventlog import Policy, read_events

HERE = Path(__file__).parent
RECORDING = (
    HERE.parent / "fixtures" / "openclaw-2026.3.28" / "transcripts" / "33333333-3333-4333-8333-333333333333.jsonl"
)
WIDTH = 100
# Bright enough to read on both of a page's backgrounds; rich's own themes are meant to look faded.
THEME = TerminalTheme(
    (27, 30, 37),
    (226, 228, 233),
    [
        (90, 96, 110),
        (240, 100, 100),
        (110, 205, 120),
        (235, 195, 90),
        (100, 160, 245),
        (205, 130, 230),
        (95, 205, 215),
        (226, 228, 233),
    ],
)
SESSION_PROMPT = "$ make demo\n"
# rich's own template loads a font from elsewhere; a picture in a README should need nothing but itself.
TEMPLATE = """\
<svg class="{unique_id}" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Run the demo as a terminal would show it, and draw that; then the other."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cli.app", "demo", "--into", "my-demo"]
        colours = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80"}
        done = subprocess.run(command, cwd=folder, env=colours, capture_output=True, check=True, text=True)
    _draw("demo", 80, [Text.assemble((SESSION_PROMPT, "dim"), Text.from_ansi(done.stdout))])
    _draw("step", WIDTH, _stepped())


def _stepped() -> list[Text]:
    """The screen that a person sees who walks through the recording."""
    events = read_events(RECORDING)
    walk = Walk(History(events), 11, UTC)
    return screen(walk, WIDTH, 30, Policy(), utc=True, name=events.report.session or "")


def _draw(name: str, width: int, lines: list[Text]) -> None:
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, highlight=False)
    for line in lines:
        console.print(line, soft_wrap=True)
    svg = console.export_svg(title=f"switchlog {name}", theme=THEME, code_format=TEMPLATE, unique_id=name)
    (HERE / f"{name}.svg").write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
