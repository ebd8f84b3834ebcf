"""`switchlog demo`: what a restart costs with the state in RAM only, and with switchlog.

Law: nothing is canned. It plays (demo_run), counts (demo_count) and tells (demo_text), and every figure comes from
files that stay behind for whoever wants to look.

The baseline is the same gateway with the same chain, policy, provider script and seed. It does remember, from turn to
turn; only its state dies with its process.
"""

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import AsJson

if TYPE_CHECKING:
    from cli.demo_incident import Incident
    from cli.demo_run import Run

MOST_TURNS: Final = 30
"""One mark a turn and one a kill, in a line of 80 columns."""


def demo(
    json: AsJson = False,
    seed: Annotated[int, typer.Option("--seed", help="For the delays, and for when the gateway is killed.")] = 1,
    turns: Annotated[int, typer.Option("--turns", min=1, max=MOST_TURNS, help="How many turns are played.")] = 9,
    kills: Annotated[int, typer.Option("--kills", min=0, help="How often the gateway is killed in mid-attempt.")] = 2,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Keep the files there: a new or empty folder.")
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=20, hidden=True, help="Divides every delay.")] = 1.0,
) -> int:
    """See it work: a gateway is killed in mid-attempt, twice, without switchlog and with it. Takes fifteen seconds.

    A real gateway and a provider whose first model is rate limited, both on this machine only.

    \b
    Examples:
      switchlog demo
      switchlog demo --seed 7 --turns 12 --kills 3 --into my-demo
    """
    from cli.demo_count import Files
    from cli.demo_incident import incident
    from cli.demo_run import Run, play
    from cli.demo_text import Screen
    from cli.output import write_json

    if turns < 2 * kills + 1:
        raise typer.BadParameter(f"{kills} kills need {2 * kills + 1} turns or more (--turns)", param_hint="'--kills'")
    with _folder(into) as folder:
        story, runs = incident(), [Run(Files(folder, memory)) for memory in ("ram", "switchlog")]
        screen = None if json else Screen(turns, kills)
        if screen is not None:
            screen.opening(story)
        for run in runs:
            with closing(play(run.files, seed=seed, turns=turns, kills=kills, speed=speed)) as progress:
                steps = run.follow(progress)
                if screen is None:
                    deque(steps, maxlen=0)
                else:
                    screen.row(run, steps)
        if screen is None:
            settings: dict[str, object] = {"seed": seed, "turns": turns, "kills": kills}
            told = {"incident": incident_fields(story), "runs": [run_fields(run) for run in runs]}
            write_json({**settings, **told, "folder": str(folder)})
        else:
            screen.ending(runs)
    return 0


def incident_fields(story: "Incident") -> dict[str, object]:
    """The issue's incident, as `--json` has it."""
    from cli.demo_incident import ISSUE
    from replay.events import format_time

    return {
        "issue": ISSUE,
        "sessionId": story.session,
        "restarts": story.restarts,
        "putBack": [{"timestamp": format_time(one.at), "from": one.model, "to": one.to} for one in story.put_back],
        "spanMs": story.span_ms,
        "requests": story.requests,
    }


def run_fields(run: "Run") -> dict[str, object]:
    """A run, as `--json` has it."""
    from cli.demo_count import count

    total = count(run.files)
    return {
        "memory": run.files.memory,
        "requestsByModel": total.by_model,
        "wastedAttempts": len(total.wasted),
        "wastedAfterRestart": total.after_restart,
        "wastedMs": total.wasted_ms,
        "turnMs": run.turn_ms,
        "kills": len(run.killed),
        "killedTurns": run.killed,
        "restarts": run.restarts,
        "transcripts": [str(path) for path in run.files.transcripts],
        "providerLog": str(run.files.provider_log),
    }


@contextmanager
def _folder(into: Path | None) -> Iterator[Path]:
    """The demo's folder. One that we made up goes again if the demo is broken off: nobody has heard of it yet."""
    if into is None:
        made = Path(tempfile.mkdtemp(prefix="switchlog-demo-"))
        try:
            yield made
        except (KeyboardInterrupt, BrokenPipeError):
            shutil.rmtree(made, ignore_errors=True)
            raise
        return
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        empty = not any(into.iterdir())
    except OSError as error:
        raise typer.BadParameter(f"{into}: {(error.strerror or str(error)).lower()}", param_hint="'--into'") from None
    if not empty:
        raise typer.BadParameter(f"{into} is not empty; name a new folder", param_hint="'--into'")
    yield into
