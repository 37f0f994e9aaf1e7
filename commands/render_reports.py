"""Text for measurements of backends, for plugins and for this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gandem.core.errors import format_count
from gandem.terminal.tables import format_table

if TYPE_CHECKING:
    from gandem.core.plugins.registry import Plugin
    from gandem.parity import Handover, Report
    from gandem.profiler import Profile


def format_profile(profile: Profile) -> str:
    """Return a profile: a row for each part of the step."""
    rows = [("", "ms per step", "share")]
    parts = {"data wait": profile.data_wait, "step": profile.step, "log": profile.log}
    for name, value in (*parts.items(), ("total", profile.total)):
        rows.append((name, f"{value:.2f}", f"{value / profile.total:.0%}"))
    width = max(len(name) for name, *_ in rows)
    memory = f", peak memory {profile.peak_memory / 2**20:.0f} MiB" if profile.peak_memory else ""
    return (
        f"{profile.model} on {profile.backend} ({profile.device}, {profile.precision}), "
        f"{profile.data}, batches of {profile.batch_size}, "
        f"{format_count(profile.steps, 'step')}\n\n"
        + format_table([(name.ljust(width), *more) for name, *more in rows], right=True)
        + f"\n\n{profile.steps_per_second:.1f} steps/s; the first step took "
        f"{profile.first_step_seconds:.2f} s{memory}"
    )


def format_parity(report: Report) -> str:
    """Return a parity report: a row for each mark and hand-over, then the verdict."""
    first, second = report.backends
    head = ("step", "weights max", "median", "statistics", "loss max", "baseline max", "× baseline")
    rows = [
        (
            mark.step,
            f"{mark.weights_max:.1e}",
            f"{mark.weights_median:.1e}",
            f"{mark.statistics_max:.1e}",
            f"{mark.loss_max:.1e}",
            f"{mark.baseline_max:.1e}",
            "saturated" if mark.saturated else f"{mark.ratio:.1f}",
        )
        for mark in report.marks
    ]
    model = f"{report.model} ({report.size}), {report.precision}"
    parts = [
        f"{model}, {first} against {second}, tier {report.tier}",
        format_table([head, *rows], right=True),
    ]
    verdict = f"{'holds' if report.holds else 'DOES NOT HOLD'}: {report.tolerance}"
    if report.handover:
        parts.append(_format_handover(report.handover))
        faults = [f"{d.source} → {d.target}: {d.fault}" for d in report.handover.faults]
        verdict = "\n  ".join([verdict, *faults])
    return "\n\n".join([*parts, verdict])


def _format_handover(handover: Handover) -> str:
    """Return a row for each direction of a hand-over."""
    rows: list[tuple[str, ...]] = [
        (f"after step {handover.at}", "load", "weights max", "loss max", "uninterrupted run")
    ]
    for direction in handover.directions:
        rows.append(
            (
                f"{direction.source} → {direction.target}",
                "bit-exact" if direction.load_exact else f"{direction.load_max:.1e} off",
                f"{direction.weights_max:.1e}",
                f"{direction.loss_max:.1e}",
                {None: "", True: "bit-identical", False: "NOT identical"}[direction.identical],
            )
        )
    return format_table(rows, right=True)


def format_plugins(plugins: Iterable[Plugin]) -> str:
    """Return the plugins, what each adds, and their problems."""
    lines = []
    for plugin in plugins:
        adds = "; ".join(f"{kind}: {', '.join(ids)}" for kind, ids in plugin.adds.items())
        state = (adds or "adds nothing") if plugin.loaded else "not loaded"
        name = f"{plugin.name} {plugin.version}".rstrip()
        lines.append(f"{name}  ({plugin.distribution})  {state}")
        lines += [f"  ! {problem}" for problem in plugin.problems]
    return "\n".join(lines)


def format_doctor(facts: Mapping[str, Any]) -> str:
    """Return the facts about a machine."""
    lines = [
        f"python     {facts['python']} on {facts['platform']}, {facts['cores']} cores",
        f"packages   {_format_versions(facts['packages'])}",
    ]
    for name, backend in facts["backends"].items():
        if backend["ok"]:
            devices = ", ".join(backend["devices"])
            lines.append(f"{name:<10} {_format_versions(backend['versions'])}; devices: {devices}")
        else:
            lines.append(f"{name:<10} {backend['problem']}")
    for name, problems in facts["plugins"].items():
        lines += [f"plugin {name}: {problem}" for problem in problems]
    return "\n".join(lines)


def _format_versions(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
