"""Draw docs/howto/timeline.svg: the picture on the report page of the example in hangs.md.

    python docs/draw_timeline.py

The example is run as it stands there, in a folder of its own; what differs from the picture on the
page is only that styles and picture are one file. Run this when the example or the drawing changes;
a test compares.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HOWTO = Path(__file__).resolve().parent / "howto"


def draw() -> str:
    """Return the picture."""
    page = (HOWTO / "hangs.md").read_text(encoding="utf-8")
    (example,) = re.findall(
        r"^```python\n(# test_bank\.py\n.*?)^```$", page, re.DOTALL | re.MULTILINE
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_bank.py").write_text(example, encoding="utf-8")
        command = [sys.executable, "-m", "asynctesting", "--report", ".", "test_bank"]
        subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, check=False)
        (report,) = Path(folder).glob("*.html")
        html = report.read_text(encoding="utf-8")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    picture = re.search(r"<svg (viewBox.*?)>(.*?</svg>)", html, re.DOTALL)
    assert style is not None and picture is not None, "the page has no picture"
    look = f"{style[1]}svg {{ background: var(--paper); font-family: system-ui, sans-serif }}"
    xmlns = 'xmlns="http://www.w3.org/2000/svg"'
    return f"<svg {xmlns} {picture[1]}>\n<style>{look}</style>\n{picture[2]}\n"


def _environment() -> dict[str, str]:
    """Return the environment without settings that would change the example."""
    unwanted = ("ASYNCTESTING_", "PYTEST_", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


if __name__ == "__main__":
    HOWTO.joinpath("timeline.svg").write_text(draw(), encoding="utf-8")
