"""Report pages: for each failure a page of HTML with its timeline, and a trace for Perfetto.

Both are drawn from a :class:`~asynctesting._timeline.Timeline` and stand alone: a page needs no
script, no font and no network, so it can be opened from the artifacts of a CI run. The trace is
the Chrome trace format, which ui.perfetto.dev opens.

Invariants: whatever comes from a test, names and messages for two, is escaped; a file that is
there is never written over, so that workers can share a folder; a trace's slices lie end to end.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from ._timeline import KINDS, Bar, Moment, Row, Timeline

__unittest = True

#: How many rows and arrows a picture has at most; the trace has all of them.
ROWS, ARROWS = 120, 400
#: How many characters of what was raised stand above the picture; all of them stand below it.
VERDICT = 400

_NAMES, _WIDTH, _HEIGHT, _TOP, _RIGHT = 260, 1180, 24, 30, 20


def write(
    folder: str,
    test: str,
    verdict: str,
    texts: Iterable[str],
    timeline: Timeline,
    command: str = "",
) -> Path:
    """Write the page and the trace of one failure; return the path of the page.

    Args:
        folder: Where; it must be there.
        test: The test's ``id()``.
        verdict: What went wrong, in a line.
        texts: The same at length, a text for each exception.
        timeline: What happened.
        command: What repeats the test.

    Raises:
        OSError: If the folder can't be written to.
    """
    path, file = _open_new(Path(folder), _file_name(test))
    trace = path.with_suffix(".json")
    with file:
        file.write(page(test, verdict, texts, timeline, command=command, trace=trace.name))
    with open(trace, "w", encoding="utf-8") as opened:
        json.dump(trace_of(test, timeline), opened)
    return path


def _file_name(test: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", test).strip(".-")[-100:] or "test"
    # Names that differ in what is not safe, or far from their ends, stay different.
    return f"{safe}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"


def _open_new(folder: Path, name: str) -> tuple[Path, TextIO]:
    for number in range(1, 10_000):
        path = folder / f"{name}{'' if number == 1 else f'-{number}'}.html"
        try:
            return path, open(path, "x", encoding="utf-8")
        except FileExistsError:
            continue
    raise FileExistsError(f"{folder} is full of reports of {name}")


# Trace -----------------------------------------------------------------------------------------


def trace_of(test: str, timeline: Timeline) -> dict[str, object]:
    """Return the timeline in the Chrome trace format.

    A track is a task, a slice is a wait, an instant is a step, and a flow leads from the task that
    wakes, in the wait that it goes into then, to the next wait of the woken one. Times are
    microseconds of the virtual clock where there is one, and else real ones.
    """
    events: list[dict[str, object]] = [
        {"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": test}}
    ]

    def at(moment: Moment) -> int:
        return round(timeline.since_start(moment) * 1e9)

    for number, row in enumerate(timeline.rows):
        track = {"pid": 1, "tid": number + 1}
        events.append({"ph": "M", **track, "name": "thread_name", "args": {"name": row.name}})
        events.append(
            {"ph": "M", **track, "name": "thread_sort_index", "args": {"sort_index": number}}
        )
        if row.made:
            facts = {"made at": row.made}
            events.append(
                {
                    "ph": "i",
                    "s": "t",
                    **track,
                    "name": "made",
                    "ts": at(row.begin) / 1e3,
                    "args": facts,
                }
            )
        for bar, following in itertools.zip_longest(row.bars, row.bars[1:]):
            facts = {"at": bar.place}
            if bar.waker is not None:
                facts["woken by"] = timeline.rows[bar.waker].name
            begin, end = at(bar.begin), at(bar.end)
            name = bar.label + (" (never ended)" if bar.is_open else "")
            events.append(
                {
                    "ph": "X",
                    **track,
                    "name": name,
                    "cat": bar.kind,
                    "ts": begin / 1e3,
                    "dur": (end - begin) / 1e3,
                    "args": facts,
                }
            )
            if not bar.is_open:
                events.append({"ph": "i", "s": "t", **track, "name": "step", "ts": end / 1e3})
            # Flows join slices: one that has none at either end would point to nowhere.
            if following and bar.waker not in (None, number) and _waits_then(timeline, bar):
                flow = {"cat": "wake", "name": "wakes", "pid": 1, "id": bar.end.number}
                at_end = {"ts": end / 1e3}
                events.append({"ph": "s", **flow, "tid": bar.waker + 1, **at_end})
                events.append({"ph": "f", **flow, "tid": number + 1, **at_end})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _waits_then(timeline: Timeline, bar: Bar) -> bool:
    waker = timeline.rows[bar.waker or 0]
    begins = waker.bars[0].begin.number if waker.bars else bar.end.number
    return begins < bar.end.number < waker.end.number


# Page ------------------------------------------------------------------------------------------


def page(
    test: str,
    verdict: str,
    texts: Iterable[str],
    timeline: Timeline,
    *,
    command: str = "",
    trace: str = "",
) -> str:
    """Return a page of HTML about one failure."""
    axes = _axes(timeline)
    choice = "".join(
        f'<input type="radio" name="axis" id="axis-{key}"{" checked" if not n else ""}>'
        f'<label for="axis-{key}">{title}</label>'
        for n, (key, title, _, _) in enumerate(axes)
    )
    pictures = "".join(
        f'<div class="picture {key}">{_svg(timeline, title, place, marks)}</div>'
        for key, title, place, marks in axes
    )
    shown = "".join(
        f"#axis-{key}:checked ~ .picture.{key} {{ display: block }}\n" for key, *_ in axes
    )
    facts = "".join(f"<li>{_text(line)}</li>" for line in timeline.clock)
    if facts:
        facts = f"<li>Clock:</li>{facts}"
    if timeline.not_recorded:
        facts += f"<li>steps: {_text(timeline.not_recorded)}</li>"
    if timeline.forgotten:
        facts += f"<li>only the last {len(timeline.steps):,} steps are remembered</li>"
    steps = "\n".join(timeline.last_steps(40))
    bars = [bar for row in timeline.rows for bar in row.bars]
    if len(verdict) > VERDICT:
        verdict = f"{verdict[:VERDICT].rstrip()}…"
    return _PAGE.format(
        test=_text(test),
        verdict=_text(verdict),
        css=_CSS + shown,
        command=f"<p>Repeat it: <code>{_text(command)}</code></p>" if command else "",
        trace=(
            f'<p><a href="{_text(trace)}">{_text(trace)}</a> is the same for '
            "ui.perfetto.dev.</p>" if trace else ""
        ),
        facts=f"<ul class=clock>{facts}</ul>" if facts else "",
        picture=f'<div class="axes"><span>Axis:</span> {choice}\n{pictures}\n</div>\n'
        f"{_legend(bars)}\n{_hint(timeline)}" if bars else "<p>No task has waited.</p>",
        texts="".join(f"<pre>{_text(text)}</pre>" for text in texts),
        steps=f"<details><summary>Last steps</summary><pre>{_text(steps)}</pre></details>"
        if steps else "",
    )  # fmt: skip


def _text(text: str) -> str:
    # What is no character of XML would end the picture there.
    clean = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return html.escape(clean)


_Place = Callable[[Moment], float]
_Marks = list[tuple[float, str]]


def _axes(timeline: Timeline) -> list[tuple[str, str, _Place, _Marks]]:
    """Return the axes of a page: a word, a title, where a moment is from 0 to 1, and marks."""
    axes = []
    start, now = timeline.start, timeline.now
    if timeline.is_virtual:
        assert start.virtual is not None and now.virtual is not None
        zero = start.virtual
        axes.append(
            _seconds(
                "virtual", "Virtual time", now.virtual - zero, lambda m: (m.virtual or zero) - zero
            )
        )
    numbers = sorted(
        {m.number for row in timeline.rows for bar in row.bars for m in (bar.begin, bar.end)}
        | {row.begin.number for row in timeline.rows} | {now.number}
    )  # fmt: skip
    rank = {number: n for n, number in enumerate(numbers)}
    last = max(1, len(numbers) - 1)
    pace = max(1, -(-last // 12))
    marks = [(n / last, str(n)) for n in range(0, last + 1, pace)]
    axes.append(("step", "Step number", lambda m: rank.get(m.number, 0) / last, marks))
    axes.append(_seconds("real", "Real time", now.real - start.real, lambda m: m.real - start.real))
    return axes


def _seconds(
    key: str, title: str, span: float, of: Callable[[Moment], float]
) -> tuple[str, str, _Place, _Marks]:
    span = span or 1e-9
    unit = 10.0 ** (len(f"{span:.0f}") - 1) if span >= 1 else 1.0
    while unit > span:
        unit /= 10
    while span / unit < 5:
        unit /= 2
    marks = [(n * unit / span, f"{n * unit:g} s") for n in range(int(span / unit + 1e-9) + 1)]
    return key, title, lambda moment: min(1.0, max(0.0, of(moment) / span)), marks


def _hint(timeline: Timeline) -> str:
    hint = (
        "A bar is a wait, a tick is a step, an arrow leads from the task that wakes to the one "
        "that goes on. Point at anything to read more."
    )
    if any(row.in_cycle for row in timeline.rows):
        hint += " ★ marks tasks that wait for each other."
    return f'<p class="hint">{hint}</p>'


def _legend(bars: list[Bar]) -> str:
    used = {bar.kind for bar in bars}
    items = [
        f'<li><svg width="22" height="12" aria-hidden="true"><rect width="22" height="12" '
        f'class="{kind}"/></svg> {words}</li>'
        for kind, words in KINDS.items()
        if kind in used
    ]
    if any(bar.is_open for bar in bars):
        items.append(
            '<li><svg width="22" height="12" aria-hidden="true"><rect x="1" y="1" width="20" '
            'height="10" class="open"/></svg> had not ended</li>'
        )
    return f"<ul class=legend><li>Waits for:</li>{''.join(items)}</ul>"


def _svg(timeline: Timeline, title: str, place: _Place, marks: _Marks) -> str:
    folded = timeline.folded()
    shown = folded[:ROWS]
    line = {number: n for n, (number, _) in enumerate(shown)}
    height = _TOP + _HEIGHT * len(shown) + 8
    span = _WIDTH - _NAMES - _RIGHT

    # Who waits at the end has room for what it waits for, though no time has passed in it.
    now = _NAMES + span
    if any(row.is_pending for _, row in shown):
        span = int(span * 0.87)

    def x(moment: Moment) -> float:
        return _NAMES + place(moment) * span

    def y(n: int) -> float:
        return _TOP + _HEIGHT * n

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Timeline: {_text(title)}">'
    ]
    for at, text in marks:
        left = _NAMES + at * span
        parts.append(f'<path class="rule" d="M{left:.1f} {_TOP - 6}V{height - 4}"/>')
        parts.append(f'<text class="mark" x="{left:.1f}" y="{_TOP - 12}">{text}</text>')
    for n, (_, row) in enumerate(shown):
        parts += _draw_row(timeline, row, y(n), x, now)
    arrows = 0
    for n, (_, row) in enumerate(shown):
        for bar in row.bars:
            waker = line.get(-1 if bar.waker is None else bar.waker)
            if waker is None or waker == n or arrows == ARROWS:
                continue
            arrows += 1
            down = waker < n
            begin = y(waker) + (_HEIGHT - 4 if down else 4)
            end = y(n) + (3 if down else _HEIGHT - 5)
            parts.append(
                f'<path class="arrow" d="M{x(bar.end):.1f} {begin:.1f}V{end:.1f}'
                f'm-3 {-5 if down else 5}l3 {5 if down else -5}l3 {-5 if down else 5}">'
                f"<title>{_text(timeline.rows[bar.waker or 0].name)} wakes "
                f"{_text(row.name)}</title></path>"
            )
    parts.append("</svg>")
    if len(folded) > ROWS:
        left_out = sum(1 + row.alike for _, row in folded[ROWS:])
        parts.append(f"<p>{left_out:,} more tasks are not drawn; the trace has all of them.</p>")
    return "".join(parts)


def _draw_row(
    timeline: Timeline, row: Row, top: float, x: Callable[[Moment], float], now: float
) -> list[str]:
    name = ("★ " if row.in_cycle else "") + row.name
    more = f" ×{row.alike + 1:,}" if row.alike else ""
    room = 34 - len(more)
    short = (name if len(name) <= room else name[: room - 1] + "…") + more
    made = f"\nmade at  {row.made}" if row.made else ""
    if row.maker is not None:
        made += f"\nby {timeline.rows[row.maker].name}"
    alike = f"\nand {row.alike:,} more tasks like it" if row.alike else ""
    parts = [
        f'<g><text class="name{" cycle" if row.in_cycle else ""}" x="{_NAMES - 10}" '
        f'y="{top + 16:.1f}">{_text(short)}<title>{_text(row.name + made + alike)}</title></text>'
    ]
    for bar in row.bars:
        right = now if bar.is_open else x(bar.end)
        parts.append(_draw_bar(timeline, bar, top, x(bar.begin), right))
    # A step ran wherever a wait ended, and where the task began.
    ends = [x(row.begin), *(x(bar.end) for bar in row.bars if not bar.is_open)]
    ticks = "".join(f"M{at:.1f} {top + 3:.1f}v{_HEIGHT - 8}" for at in dict.fromkeys(ends))
    parts.append(f'<path class="tick" d="{ticks}"/></g>')
    return parts


def _draw_bar(timeline: Timeline, bar: Bar, top: float, left: float, right: float) -> str:
    width = max(1.5, right - left)
    lasted = timeline.since_start(bar.end) - timeline.since_start(bar.begin)
    state = f"waits for {lasted:g} s and has not ended" if bar.is_open else f"waited {lasted:g} s"
    text = f"{bar.label}\n{state}"
    text += f"\nat  {bar.place}" if bar.place else ""
    if bar.waker is not None:
        text += f"\nwoken by {timeline.rows[bar.waker].name}"
    drawn = (
        f'<rect class="{bar.kind}{" open" if bar.is_open else ""}" x="{left:.1f}" '
        f'y="{top + 5:.1f}" width="{width:.1f}" height="{_HEIGHT - 12}">'
        f"<title>{_text(text)}</title></rect>"
    )
    letters = int((width - 6) / 6.2)
    if letters >= 4:
        label = bar.label if len(bar.label) <= letters else bar.label[: letters - 1] + "…"
        drawn += (
            f'<text class="label" x="{left + 4:.1f}" y="{top + 14.5:.1f}">{_text(label)}</text>'
        )
    return drawn


_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{test}</title>
<style>{css}</style>
</head>
<body>
<main>
<h1>{test}</h1>
<p class="verdict" role="alert">{verdict}</p>
{command}
<section aria-label="Timeline">
<h2>What happened</h2>
{facts}
{picture}
{trace}
</section>
<section aria-label="Failure">
<h2>What was raised</h2>
{texts}
{steps}
</section>
</main>
</body>
</html>
"""

_CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea;
  --box: #f5f7f9; --bad: #c2182b; --timer: #9ec5f4; --lock: #f2a65a; --queue: #f5d76b;
  --task: #b9a7ee; --input: #86d3b5; --thread: #d5a6c8; --future: #f29ba4; --turn: #cbd3dc }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12161c; --ink: #e4e9f0; --soft: #9aa6b5; --line: #2b333e; --box: #1a2028;
    --bad: #ff6b78; --timer: #2f5f9a; --lock: #a5622a; --queue: #8a7420; --task: #5f4cab;
    --input: #2a7a5c; --thread: #81507a; --future: #9c4450; --turn: #46515e } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { max-width: 1240px; margin: 0 auto; padding: 24px 28px 60px }
h1 { font-size: 20px; margin: 0 0 8px; overflow-wrap: anywhere }
h2 { font-size: 16px; margin: 28px 0 8px }
code, pre { font: 13px/1.45 ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace }
.verdict { color: var(--bad); font-weight: 600; margin: 0 0 12px; overflow-wrap: anywhere;
  border-left: 4px solid var(--bad); padding-left: 12px }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: 12px 14px;
  overflow-x: auto }
.clock, .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0;
  margin: 6px 0; color: var(--soft) }
.legend svg { vertical-align: -1px }
.axes > span, .hint { color: var(--soft) }
.axes input { margin: 0 4px 0 12px }
.picture { display: none; margin-top: 8px; border: 1px solid var(--line); border-radius: 6px;
  padding: 4px 0; overflow-x: auto }
.picture svg { display: block; width: 100%; min-width: 900px }
.picture p { margin: 4px 14px }
.name { text-anchor: end; font-size: 12.5px; fill: var(--ink) }
.name.cycle { fill: var(--bad); font-weight: 600 }
.mark { text-anchor: middle; font-size: 11px; fill: var(--soft) }
.label { font-size: 10.5px; fill: var(--ink); pointer-events: none }
.rule { stroke: var(--line); fill: none }
.tick { stroke: var(--ink); stroke-width: 1.3; fill: none }
.arrow { stroke: var(--soft); stroke-width: 1; fill: none }
rect { fill: var(--turn) }
rect.open { stroke: var(--bad); stroke-width: 1.8 }
""" + "".join(f"rect.{kind} {{ fill: var(--{kind}) }}\n" for kind in KINDS)
