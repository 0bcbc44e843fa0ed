"""docs/doctor.md: its tables are those of the code and of the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import sse_proxy.doctor
from sse_proxy.cli import main
from sse_proxy.core.probing import Plan
from sse_proxy.doctor.hop import Hop
from sse_proxy.doctor.hop_table import HOPS
from sse_proxy.probe import MAX_PER_CLIENT, MAX_PROBES

from .test_doctor_chains import CHAINS, EXPECTED

_PACKAGE = Path(sse_proxy.doctor.__file__).parent
_DOCS = Path(__file__).parent.parent / "docs"
_PAGE, _HOPS_PAGE = (_DOCS / "doctor.md").read_text(), (_DOCS / "hops.md").read_text()
#: Hops that have a longer name there.
_ON_THE_OTHER_PAGE = {
    "Amazon CloudFront": "CloudFront",
    "Amazon API Gateway": "API Gateway",
    "Google Cloud load balancer": "Google external ALB",
    "Azure load balancer": "Azure Load Balancer",
    "Vercel": "Vercel functions",
}
_UNITS = {"s": 1, "min": 60}
#: How a module names a finding: as an argument, or in one of the functions that make it.
_IDS = re.compile(
    r'\bid="([a-z0-9.-]+)"|_(?:blaming|changed)\(\s*case,\s*"([a-z0-9.-]+)"|_finding\("([a-z-]+)"'
    r'|_limit\(\w+, "([a-z-]+)"|, "(resume)"\)'
)


def section(title: str) -> str:
    """The text below the heading *title*."""
    return _PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the tables in *text*, headings left out."""
    rows = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    return [row for row in rows if row not in {"id", "hop", "chain", "option", "parameter"}]


def test_every_finding_is_explained() -> None:
    """Those that the modules can make, and no others, in the order of the alphabet."""
    made = {
        name for path in _PACKAGE.glob("*.py") for names in _IDS.findall(path.read_text()) for name in names if name
    }
    told = [name for cell in first_cells(section("Findings")) for name in re.findall(r"`([^`]+)`", cell)]
    assert len(made) > 30
    assert sorted(made) == sorted(told)
    assert told == sorted(told, key=lambda name: name.replace("-", " "))


def test_every_hop_is_in_the_table() -> None:
    """With its limits."""
    rows = [
        f"| {hop.name} | {'yes' if hop.signs else 'no'} | "
        f"{', '.join(f'{cut.seconds:g} s {cut.kind}' for cut in hop.cuts) or '-'} |"
        for hop in HOPS
    ]
    assert [line for line in section("Hops that it knows").splitlines() if line.startswith("| ")][1:] == rows


@pytest.mark.parametrize("hop", [hop for hop in HOPS if hop.cuts], ids=lambda hop: hop.name)
def test_the_page_of_hops_tells_the_same_limits(hop: Hop) -> None:
    """Those that the doctor blames are those that docs/hops.md says what to do about."""
    name = _ON_THE_OTHER_PAGE.get(hop.name, hop.name)
    told: set[float] = set()
    for rows in re.findall(rf"^\| {re.escape(name)}[^|]*\|.*\n(?:\| \|.*\n)*", _HOPS_PAGE, re.MULTILINE):
        told |= {float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+) (s|min)\b", rows)}
    assert {cut.seconds for cut in hop.cuts} - told == set()


def test_every_chain_is_in_the_table() -> None:
    """With what the tests hold."""
    rows = [f"| {name} | {', '.join(f'`{found}`' for found in sorted(EXPECTED[name])) or 'none'} |" for name in CHAINS]
    assert [line for line in section("What it said of real chains").splitlines() if line.startswith("| ")][1:] == rows


def test_every_parameter_of_the_probe_is_explained() -> None:
    """By its name and default."""
    names = [name for cell in first_cells(section("The probe")) for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(names) == sorted(Plan.__dataclass_fields__)
    assert f"One process gives {MAX_PROBES} at a time, {MAX_PER_CLIENT} to one client" in _PAGE.replace("\n", " ")


@pytest.mark.parametrize("option", sorted(set(re.findall(r"--[a-z][a-z-]+", section("Options")))))
def test_every_option_that_is_named_exists(option: str) -> None:
    """As the command's help has it."""
    assert option in CliRunner().invoke(main, ["doctor", "--help"]).stdout
