"""Runs a plan: all cases once a round, in another order each round, so that a neighbour's noise meets all alike."""

from __future__ import annotations

import datetime as dt
import gc
import os
import random
import sys
import time
from pathlib import Path

import uvloop

from .control import Control, upstream
from .cores import on, roles
from .descriptors import raise_open_files_limit
from .load import Failed
from .machine import describe
from .peers import DIRECT, OPENAI_AND_ANTHROPIC, PEERS
from .plan import Case, Plan
from .results import Record, Results
from .scenarios import SCENARIOS, Figures, Stage, warm_up
from .servers import running
from .startup import ENVIRONMENT, imports

__all__ = ["run"]


def run(plan: Plan, output: Path, *, seed: int) -> Results:
    """The results of *plan*, which are saved to *output* after every round."""
    cores = roles(os.sched_getaffinity(0))
    raise_open_files_limit()
    wanted = list(dict.fromkeys(case.peer for case in plan.cases if case.peer != DIRECT))
    absent = {name: reason for name in wanted if (reason := PEERS[name].missing)}
    results = Results(
        date=dt.datetime.now(tz=dt.UTC).date().isoformat(),
        plan={**Results.told(plan), "seed": seed},
        machine=describe(cores),
        versions={name: PEERS[name].version() for name in wanted if name not in absent},
        absent=absent,
    )
    cases = [case for case in plan.cases if case.peer not in absent]
    order = random.Random(seed)  # noqa: S311  an order, not a secret
    with upstream(cores[2]) as control, on(cores[1]):
        for number in range(1, plan.rounds + 1):
            order.shuffle(cases)
            began = time.monotonic()
            for case in cases:
                results.records.append(_measured(number, case, plan, control, cores[0]))
            results.save(output)
            _tell(f"round {number} of {plan.rounds} took {time.monotonic() - began:.0f} s")
    return results


def _measured(number: int, case: Case, plan: Plan, control: Control, core: int) -> Record:
    try:
        figures = _figures(case, plan, control, core)
    except (Failed, OSError, TimeoutError) as error:
        control.stop()
        fault = str(error) or type(error).__name__
        _tell(f"{case.told}: {fault}")
        return Record(round=number, case=case, fault=fault)
    _tell(f"{case.told}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    return Record(round=number, case=case, figures=figures)


def _figures(case: Case, plan: Plan, control: Control, core: int) -> Figures:
    if case.scenario == "startup":
        return _started(case, control, core)
    if case.peer == DIRECT:
        path = OPENAI_AND_ANTHROPIC[case.form]
        return _driven(Stage(case=case, plan=plan, control=control, server=None, path=path))
    peer = PEERS[case.peer]
    with running(peer, control.port, core) as server:
        idle = {"ready_seconds": server.ready_seconds, "idle_bytes": float(server.resident_bytes)}
        stage = Stage(case=case, plan=plan, control=control, server=server, path=peer.paths[case.form])
        return idle | _driven(stage)


def _driven(stage: Stage) -> Figures:
    async def drive() -> Figures:
        await warm_up(stage)
        return await SCENARIOS[stage.case.scenario](stage)

    # With thousands of streams a collection in the midst of it would show as jitter.
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(drive())
    finally:
        gc.enable()


def _started(case: Case, control: Control, core: int) -> Figures:
    peer = PEERS[case.peer]
    with running(peer, control.port, core) as server:
        figures = {"ready_seconds": server.ready_seconds, "idle_bytes": float(server.resident_bytes)}
    with running(peer, control.port, core, environment=ENVIRONMENT) as server:
        seconds, modules = imports(server.log.read_text(errors="replace"))
    return {**figures, "import_seconds": seconds, "modules": float(modules)}


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
