"""The programme's numbers, counted again by somebody who has seen nothing but the change feed.

Usage: coverage_test.py BINARY DATA_FOLDER

Starts a gateway that tells a year of the programme, reads the feed from its first change as Kemnaker,
and counts by itself what GetCoverage and GetSectorMap say: designations by year and province, pace,
workers, villages that should come next, and how each sector stands.
"""

import collections
import datetime
import pathlib
import subprocess
import sys
import time

from client import connect, purpose
from desmigratif.exchange.v1 import feed_pb2, feed_pb2_grpc
from desmigratif.programme.v1 import (
    coverage_pb2,
    coverage_pb2_grpc,
    sector_pb2,
    sector_pb2_grpc,
)

VILLAGES = 6
PLANNING = purpose("programme-planning")
JAKARTA = datetime.timezone(datetime.timedelta(hours=7))


def start(binary: str, data: pathlib.Path) -> tuple[subprocess.Popen, str]:
    """A gateway after its story, and its address."""
    address = ["127.0.0.1:0"]
    out, log = open(data / "out", "w"), open(data / "log", "w")
    arguments = [binary, "dev", "--story", str(VILLAGES), "--data", str(data / "gateway")]
    for option in ("--listen", "--operators", "--sandbox"):
        arguments += [option, *address]
    gateway = subprocess.Popen(arguments, stdout=out, stderr=log)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        said = (data / "out").read_text()
        if "a year of the programme" in said:
            line = next(it for it in said.splitlines() if it.strip().startswith("agencies"))
            return gateway, line.split()[1]
        if gateway.poll() is not None:
            sys.exit(f"the gateway stopped: {(data / 'log').read_text()[-2000:]}")
        time.sleep(0.2)
    gateway.kill()
    sys.exit("the story did not come to its end")


class Programme:
    """What the feed tells, as it is after the last change."""

    def __init__(self, channel):
        self.designations, self.services, self.workers = {}, {}, {}
        request = feed_pb2.WatchChangesRequest(from_beginning=True, catch_up_only=True)
        feed = feed_pb2_grpc.ChangeFeedServiceStub(channel)
        for message in feed.WatchChanges(request, metadata=PLANNING, timeout=300):
            for event in message.events:
                self.take(event)

    def take(self, event):
        kind = event.WhichOneof("record")
        if kind == "designation":
            self.designations[event.designation.village_code] = event.designation
        elif kind == "sector_service":
            it = event.sector_service
            self.services[it.village_code, it.sector_code, it.provider] = it
        elif kind == "worker":
            self.workers[event.worker.worker_id] = event.worker.village_code

    def in_force(self):
        return [it for it in self.designations.values() if not it.ended_on]


def check_coverage(programme: Programme, coverage) -> None:
    in_force = programme.in_force()
    by_year = collections.Counter(it.year for it in in_force)
    assert {it.year: it.villages for it in coverage.years} == dict(by_year), coverage.years
    assert [it.cumulative for it in coverage.years][-1] == len(in_force) == coverage.total.designated

    by_province = collections.Counter(it.village_code[:2] for it in in_force)
    told = {it.region_code: it.designated for it in coverage.regions if it.designated}
    assert told == dict(by_province), told
    workers = collections.Counter(code[:2] for code in programme.workers.values())
    told = {it.region_code: it.workers for it in coverage.regions if it.workers}
    assert told == dict(workers), told
    assert coverage.total.workers == len(programme.workers)
    assert coverage.total.desa == sum(it.desa for it in coverage.regions)
    share = len(in_force) / coverage.total.desa
    assert abs(coverage.total.share - share) < 1e-12

    this_year = int(coverage.on[:4])
    last = sum(by_year[this_year - n] for n in range(coverage.pace_years))
    assert abs(coverage.pace - last / coverage.pace_years) < 1e-9
    needed = (coverage.target - len(in_force)) / (this_year + 4 - this_year)
    assert abs(coverage.pace_needed - needed) < 1e-9

    homes = collections.Counter(programme.workers.values())
    designated = {it.village_code for it in in_force}
    # Only a desa or desa adat can be designated: the village's part does not begin with 1.
    rest = [(-n, code) for code, n in homes.items() if code not in designated and code[9] != "1"]
    expected = [(code, -n) for n, code in sorted(rest)][:20]
    assert [(it.village_code, it.workers) for it in coverage.candidates] == expected


def standing(reports, sector, designated, today) -> str | None:
    """How a sector stands in a village, by the rules that ListSectors states."""
    given, old = 0, 0
    for it in reports:
        begun = datetime.date.fromisoformat(getattr(it, "from"))
        ended = it.until and datetime.date.fromisoformat(it.until) < today
        if it.status != sector_pb2.SERVICE_STATUS_ACTIVE or begun > today or ended:
            continue
        reported = it.reported_at.ToDatetime(datetime.timezone.utc).astimezone(JAKARTA).date()
        counts = reported + datetime.timedelta(days=sector.report_counts_days) >= today
        given, old = given + counts, old + (not counts)
    if given > sector.providers:
        return "overlapping"
    if given:
        return "covered"
    if old:
        return "stale"
    return "missing" if designated and sector.expected else None


def check_map(programme: Programme, sectors, told) -> None:
    today = datetime.date.fromisoformat(told.on)
    designated = {it.village_code for it in programme.in_force()}
    reports = collections.defaultdict(list)
    for (village, sector, _), it in programme.services.items():
        reports[village, sector].append(it)
    villages = designated | {village for village, _ in reports}
    assert told.total.designated_villages == len(designated)
    seen = set()
    for sector, count in zip(sectors, told.total.sectors, strict=True):
        assert sector.sector_code == count.sector_code
        expected = collections.Counter(
            standing(reports[village, sector.sector_code], sector, village in designated, today)
            for village in villages
        )
        del expected[None]
        fields = ("covered", "missing", "overlapping", "stale")
        found = {name: getattr(count, name) for name in fields if getattr(count, name)}
        assert found == dict(expected), (sector.sector_code, found, expected)
        seen |= set(found)
    assert {"covered", "missing", "stale"} <= seen, seen


def main(binary: str, data: str) -> None:
    folder = pathlib.Path(data) / "coverage"
    folder.mkdir()
    gateway, address = start(binary, folder)
    try:
        channel = connect(address, folder / "gateway", "kemnaker")
        programme = Programme(channel)
        assert len(programme.designations) == 402, len(programme.designations)
        stub = coverage_pb2_grpc.CoverageServiceStub(channel)
        year = datetime.datetime.now(JAKARTA).year
        request = coverage_pb2.GetCoverageRequest(target_year=year + 4)
        check_coverage(programme, stub.GetCoverage(request, metadata=PLANNING))
        stub = sector_pb2_grpc.SectorMapServiceStub(channel)
        sectors = stub.ListSectors(sector_pb2.ListSectorsRequest()).sectors
        told = stub.GetSectorMap(sector_pb2.GetSectorMapRequest(), metadata=PLANNING)
        check_map(programme, sectors, told)
        print(
            f"coverage   {len(programme.designations)} designations, {len(programme.services)} "
            f"services and {len(programme.workers)} workers of the feed give the same numbers"
        )
    finally:
        gateway.terminate()
        gateway.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
