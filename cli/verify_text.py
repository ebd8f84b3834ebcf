"""What `verify` says of a log, in words and as JSON.

Law: a verdict in, lines out. It never claims more than the evidence: what is proven and what is not is said each time.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.render import Line
    from eventlog.verify import Anchor, Verdict


_WIDTH: Final = 70


def fields(name: str, verdict: "Verdict") -> dict[str, object]:
    """One line of `--json`."""
    report, anchor = verdict.report, verdict.anchor
    return {
        "file": name,
        "sessionId": report.session,
        "intact": verdict.intact,
        "log": report.figures,
        "knownDamage": {kind: count for kind, count in report.known.items() if count},
        "lastSeal": report.last_seal,
        "keys": None if verdict.protection.keys is None else {"proven": report.proven, "unproven": verdict.unproven},
        "anchor": None if anchor is None else {"seal": anchor.seal, "found": verdict.anchored is not None},
        "clockBackwards": verdict.backwards,
        "findings": [
            {"what": one.what, "line": one.line, "offset": one.offset, "length": one.length, "told": one.told}
            for one in (*report.findings, *(verdict.deep or ()))
        ],
        "findingsLeftOut": report.unnamed + verdict.deep_unnamed,
    }


def lines(name: str, verdict: "Verdict", most: int, *, brief: bool) -> "Iterator[Line]":
    """What people see: at most ``most`` findings, and only the first line where it is to be ``brief``."""
    from cli.render import counted, labelled, line
    from cli.safe_text import visible

    report = verdict.report
    yield line(f"{visible(name)}: ", _verdict(verdict))
    if brief:
        return
    yield labelled("pieces", f"{counted(report.counts) or 'none'} ({report.size:,} bytes)")
    findings = [*report.findings, *(verdict.deep or ())]
    for one in findings[:most]:
        yield labelled("finding", f"line {one.line}, byte {one.offset}: {one.what}: {visible(one.told)}")
    more = len(findings) + report.unnamed + verdict.deep_unnamed - most
    if more > 0:
        yield labelled("", f"and {more:,} more (--json names a thousand)")
    if known := ", ".join(f"{count:,} {kind}" for kind, count in report.known.items() if count):
        yield labelled("known", f"{known}: recorded by a repair")
    if verdict.backwards:
        yield labelled("clock", f"went backwards {verdict.backwards} times; the order is that of the file")
    if verdict.anchor_lost is not None:
        yield labelled("anchor", (visible(verdict.anchor_lost), "bold red"))
    for proof in _proves(verdict):
        yield labelled("proves", proof)
    for number, part in enumerate(_rows(_does_not(verdict))):
        yield labelled("" if number else "not", part)
    if report.last_seal is not None:
        yield labelled("last", report.last_seal)


def summary(logs: int, faulty: int, bare: int, lost: int, noted: int | None) -> "Line":
    """The last line, where there were several logs."""
    from cli.render import line

    told = f"{logs:,} {'log' if logs == 1 else 'logs'}: {logs - faulty - bare:,} intact"
    told += f", {bare:,} with nothing to verify" if bare else ""
    told += f", {faulty:,} with findings" if faulty else ""
    told += f", {lost:,} gone" if lost else ""
    return line(told if noted is None else f"{told}; {noted:,} new {'anchor' if noted == 1 else 'anchors'} noted")


def gone(name: str, anchor: "Anchor") -> "Line":
    """A log that has an anchor and is not there any more."""
    from cli.render import line
    from cli.safe_text import visible

    told = "GONE: its end was noted" + (f" on {visible(anchor.taken, 30)}" if anchor.taken else "")
    return line(f"{visible(name)}: ", (told, "bold red"))


def _verdict(verdict: "Verdict") -> tuple[str, str]:
    report = verdict.report
    if report.damaged:
        return "DAMAGED", "bold red"
    if verdict.anchor_lost is not None:
        return "TAMPERED WITH: it is not what it was", "bold red"
    if verdict.unproven:
        return f"UNPROVEN: {verdict.unproven:,} events carry no proof of a key that is here", "bold red"
    if verdict.deep:
        count = len(verdict.deep) + verdict.deep_unnamed
        return f"{count:,} {'finding' if count == 1 else 'findings'} of the deep look", "bold red"
    if report.last_seal is None:
        return "nothing to verify: no line here is sealed", "yellow"
    if any(report.known.values()):
        return "nothing new: a repair has recorded its damage", "yellow"
    return "intact", "bold green"


def _proves(verdict: "Verdict") -> "Iterator[str]":
    from cli.safe_text import visible

    report = verdict.report
    if report.last_seal is None:
        yield "nothing; an event without a seal could say anything"
        return
    rest = "the rest: " if report.damaged else ""
    yield f"{rest}no accident changed a sealed line, or lost one between two others"
    keys = verdict.protection.keys
    if keys is not None and report.proven:
        yield f"{report.proven:,} records were written by who has a key, and nothing sealed before them changed"
    if verdict.anchored is not None and verdict.anchor_lost is None:
        noted = "" if verdict.anchor is None else visible(verdict.anchor.taken, 30)
        taken = f" (noted {noted})" if noted else ""
        yield f"up to its anchor{taken}, after {verdict.anchored:,} events, no sealed line changed, came or went"


def _rows(parts: "list[str]") -> "Iterator[str]":
    """The parts in rows that fit the screen, none of them torn."""
    row = ""
    for part in parts:
        if row and len(row) + len(part) + 2 > _WIDTH:
            yield row + ";"
            row = part
        else:
            row = f"{row}; {part}" if row else part
    yield row


def _does_not(verdict: "Verdict") -> "list[str]":
    report = verdict.report
    gaps = ["what the host's own lines say"]
    if verdict.protection.keys is None:
        gaps.insert(0, "who wrote it (no key is set)")
    gaps.append(
        "that its end is here (no anchor)" if verdict.anchor is None else "what came after the anchor and is gone"
    )
    if report.unsealed:
        several = "event" if report.unsealed == 1 else "events"
        gaps.append(f"what {report.unsealed:,} {several} without a seal say")
    return gaps
