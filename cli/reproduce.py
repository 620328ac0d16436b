"""`asymptotics reproduce`: published results, remade one by one and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asymptotics.errors import InvalidInput, did_you_mean
from cli.output import (
    FIGURE_ENDINGS,
    TABLE_ENDINGS,
    configuration,
    json_option,
    print_json,
    print_table,
    write,
)
from cli.running import level_option, processes_option, running, seed_option

if TYPE_CHECKING:
    from validation.execution import Progress
    from validation.reproduce.judgement import Verdict
    from validation.reproduce.target import Remade, Target

_ENDINGS = TABLE_ENDINGS + FIGURE_ENDINGS
# of a table in the terminal: digits of each number
_SHOWN = {"published": ".7g", "theory": ".7g", "mean": ".6g", "standard_error": ".1e", "z": ".2f"}


@click.command("reproduce")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Remake every target.")
@click.option(
    "--trials",
    type=click.IntRange(8),
    default=60,
    show_default=True,
    help="Samples at each dimension and point; heads and networks are in proportion.",
)
@level_option(0.001)
@seed_option
@processes_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FOLDER|NAME.EXT",
    help="A folder for NAME.pdf and NAME.json of each target, or one file of one target: "
    f"{' '.join(_ENDINGS)}.",
)
@json_option
def command(
    names: tuple[str, ...],
    everything: bool,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Published results: theory with simulated points beside the published numbers.

    Without a name, lists the targets. A target disagrees if the theory misses a published number
    by more than its tolerance, if a claim of the paper does not hold, or if simulation and theory
    disagree. Exits 4 if a target disagrees, 3 if one is undecided.

    Example: asymptotics reproduce loureiro separability -o remade
    """
    from validation.reproduce.targets import TARGETS

    chosen = _chosen(names, everything, TARGETS)
    if not chosen:
        if output is not None:
            raise click.UsageError("-o: name the targets to remake, or give --all")
        return _list(TARGETS, as_json)
    _check_output(output, chosen)
    # where it ran is no part of what was computed
    computed = {name: value for name, value in options.items() if name != "jobs"}
    config = configuration("reproduce", {"names": list(chosen), **computed})
    remade = _remake(chosen, options, config)
    from validation.reproduce.judgement import judge

    verdicts = judge(remade, options["level"])
    if output is not None:
        _write(output, chosen, remade, verdicts, config)
    entries = [_entry(name, chosen[name], verdict) for name, verdict in verdicts.items()]
    if as_json:
        print_json({"config": config, "level": options["level"], "targets": entries})
    else:
        for entry in entries:
            click.echo(f"{entry['name']}: {entry['status']} ({entry['source']})")
            if output is None:
                _print(entry["rows"])
    statuses = {verdict.status for verdict in verdicts.values()}
    return 4 if "disagrees" in statuses else 3 if "undecided" in statuses else 0


def _chosen(
    names: Sequence[str], everything: bool, targets: Mapping[str, Target]
) -> dict[str, Target]:
    if names and everything:
        raise click.UsageError("give names or --all, not both")
    for name in names:
        if name not in targets:
            hint = did_you_mean(name, targets) or f"; targets: {', '.join(targets)}"
            raise click.UsageError(f"no target {name!r}{hint}")
    return {name: targets[name] for name in (targets if everything else names)}


def _list(targets: Mapping[str, Target], as_json: bool) -> int:
    rows = [{"name": n, "source": t.source, "shows": t.shows} for n, t in targets.items()]
    if as_json:
        print_json({"targets": rows})
    else:
        for row in rows:
            click.echo(f"{row['name']:<16}{row['shows']}\n{'':<16}{row['source']}")
    return 0


def _check_output(output: Path | None, chosen: Mapping[str, Target]) -> None:
    """InvalidInput before anything is computed, for a path that cannot be written."""
    if output is None:
        return
    folder = output if output.is_dir() else output.parent
    if not folder.is_dir():
        raise InvalidInput(f"-o: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise InvalidInput(f"-o: the folder {folder} is not writable")
    if output.is_dir():
        return
    if output.suffix in _ENDINGS and len(chosen) > 1:
        raise InvalidInput(f"-o: {output} is one file for {len(chosen)} targets: give a folder")
    if output.suffix and output.suffix not in _ENDINGS:
        raise InvalidInput(f"-o: a folder, or an ending of {', '.join(_ENDINGS)}, got {output}")
    if output.is_file() and not output.suffix:
        raise InvalidInput(f"-o: {output} is a file, not a folder")


def _remake(
    chosen: Mapping[str, Target], options: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Remade]:
    from dataclasses import replace

    from validation.reproduce.target import Effort

    remade = {}
    run = {"seed": options["seed"], "jobs": options["jobs"]}
    with running(run | dict.fromkeys(("scheduler", "store", "resume")), config) as settings:
        for number, (name, target) in enumerate(chosen.items(), 1):
            click.echo(f"asymptotics: {name}, {number} of {len(chosen)}", err=True)
            report = _numbered(name, settings.progress)
            run_of_target = replace(settings, progress=report)
            remade[name] = target.remake(Effort(trials=options["trials"], run=run_of_target))
    return remade


def _numbered(
    name: str, report: Callable[[str, Progress], None]
) -> Callable[[str, Progress], None]:
    """The progress of stages that have one name, told apart by their number."""
    number = 0

    def progress(stage: str, of_stage: Progress) -> None:
        nonlocal number
        number += of_stage.done == 0
        report(f"{name} {number}: {stage}", of_stage)

    return progress


def _entry(name: str, target: Target, verdict: Verdict) -> dict[str, Any]:
    return {
        "name": name,
        "source": target.source,
        "shows": target.shows,
        "status": verdict.status,
        "rows": verdict.rows,
    }


def _write(
    output: Path,
    chosen: Mapping[str, Target],
    remade: Mapping[str, Remade],
    verdicts: Mapping[str, Verdict],
    config: Mapping[str, Any],
) -> None:
    """One file, or NAME.pdf and NAME.json in a folder."""
    one_file = output.suffix in _ENDINGS and not output.is_dir()
    if not one_file:
        output.mkdir(exist_ok=True)
    for name, result in remade.items():

        def draw(result: Remade = result) -> Any:
            from asymptotics.reproduce_plot import plot_remade

            return plot_remade(result.points, result.panels)

        entry = {"target": _entry(name, chosen[name], verdicts[name])}
        paths = [output] if one_file else [output / f"{name}{end}" for end in (".pdf", ".json")]
        for path in paths:
            write(path, result.points, config, draw, extra=entry)


def _print(evidence: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        {**row, **{n: None if row[n] is None else format(row[n], f) for n, f in _SHOWN.items()}}
        for row in evidence
    ]
    print_table(rows, ["quantity", *_SHOWN, "status"])
    claims = dict.fromkeys(row["claim"] for row in rows if row["claim"])
    broken = {row["claim"] for row in rows if row["status"] == "the claim does not hold"}
    for claim in claims:
        click.echo(f"claim {'does not hold' if claim in broken else 'holds'}: {claim}")
    click.echo()
