"""What the demo's runs came to, from what was written down: the provider's request log and the transcripts.

Law: reads files, counts, believes nobody. Nothing the gateway or the driver says enters a figure here, except for the
time of a turn, which only the gateway knows.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cli.demo_gateway import CHAIN
from eventlog import Policy, read_events
from replay.events import parse_time
from replay.waste import Request, joined, wasted


@dataclass(frozen=True, slots=True)
class Files:
    """What one run leaves in the demo's folder: ``demo`` with switchlog, ``ram`` without."""

    folder: Path
    memory: str

    @property
    def transcript(self) -> Path:
        """What the gateway is given; in RAM mode it makes a new one of each start, see :attr:`transcripts`."""
        return self.folder / ("ram.jsonl" if self.memory == "ram" else "demo.jsonl")

    @property
    def transcripts(self) -> list[Path]:
        """The logs of all generations of the gateway, in their order."""
        if self.memory != "ram":
            return [self.transcript]
        return sorted(self.folder.glob("ram.*.jsonl"), key=lambda path: int(path.name.split(".")[1]))

    @property
    def provider_log(self) -> Path:
        return self.folder / f"{self.transcript.stem}.provider.ndjson"


@dataclass(frozen=True, slots=True)
class Count:
    """The figures of a run."""

    requests: list[Request]
    wasted: list[Request]

    @property
    def by_model(self) -> dict[str, int]:
        """Requests by model, the whole chain, also those that nobody answered."""
        counts = Counter(one.model for one in self.requests)
        return {model: counts[model] for model in CHAIN}

    @property
    def unanswered(self) -> int:
        """Requests in flight at a kill."""
        return sum(one.ended is None for one in self.requests)

    @property
    def after_restart(self) -> list[int]:
        """Wasted attempts from each restart to the next one. A restart follows on a request left unanswered."""
        waste: list[int] = []
        for one in self.requests:
            if one.ended is None:
                waste.append(0)
            elif waste:
                waste[-1] += one in self.wasted
        return waste

    @property
    def wasted_ms(self) -> int:
        """How long the users waited for answers that the log could have told."""
        return sum(round((one.ended - one.began).total_seconds() * 1000) for one in self.wasted if one.ended)


def count(files: Files) -> Count:
    """Join the provider's log with the transcripts, as far as both are written."""
    asked = requests(files.provider_log)
    events = joined(read_events(path) for path in files.transcripts)
    return Count(asked, wasted(asked, events, CHAIN, Policy()))


def requests(log: Path) -> list[Request]:
    """The requests of a provider's log, in the order in which they began."""
    begun: dict[int, Request] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        number = told["number"]
        if told["event"] == "begin":
            begun[number] = Request(told["model"], _time(told["time"]), turn=told["turn"])
        else:
            one = begun[number]
            begun[number] = Request(one.model, one.began, _time(told["time"]), told["status"], one.turn)
    return list(begun.values())


def _time(text: str) -> datetime:
    time = parse_time(text)
    if time is None:
        raise ValueError(f"no time: {text!r}")
    return time
