# SPDX-License-Identifier: PostgreSQL
"""run - PostgreSQL's own test suites, directly and through the pooled port while thieves keep taking its servers.

Ends with 1 when a test that passes directly does not pass through the pooled port, when a thief was told a lie or lost
its connection, when a fresh client found what another left, or when the suite's database could not be dropped.
"""

import argparse
import json
import signal
import sys
import time

import material
from suites import NOT_REACHED, SUITES
from trial import Trial

WAYS = ("direct", "pooled")
COLUMNS = "{:10} {:>11} {:>11} {:>5} {:>9} {:>7} {:>8} {:>8} {:>5}  {}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    names = [suite.name for suite in SUITES]
    parser.add_argument("--suite", action="append", choices=names, help="only this one (may be repeated)")
    parser.add_argument("--way", action="append", choices=WAYS, help="only directly, or only through the pooled port")
    parser.add_argument("--tests", type=str.split, default=[], metavar='"a b c"',
                        help="only these, after what they need")
    parser.add_argument("--pool", type=int, metavar="N", help="default_pool_size, instead of each suite's own")
    parser.add_argument("--thieves", type=int, default=4, metavar="N", help="how many others take servers (4)")
    parser.add_argument("--no-thieves", dest="thieves", action="store_const", const=0, help="the suite is alone")
    parser.add_argument("--keep", action="store_true", help="keep the output of every test, not only the differences")
    return parser.parse_args()


def teller(title):
    """Prints how far a run is, once in ten seconds."""
    last = [time.monotonic()]

    def tell(done):
        if time.monotonic() - last[0] > 10:
            last[0] = time.monotonic()
            print(f"  {title}: {done} tests done", flush=True)

    return tell


def chosen(options, place):
    """The suites that were asked for and have one of the tests that were asked for."""
    return [suite for suite in SUITES if not options.suite or suite.name in options.suite
            if not options.tests or set(options.tests) & set(suite.tests(place))]


def attempt(suite, way, place, options, results):
    tests = [test for test in options.tests if test in suite.tests(place)]
    result = Trial(suite, way, place, options, tests, teller(f"{suite.name}, {way}")).run()
    results.setdefault(suite.name, {})[way] = result
    print(f"{suite.name}, {way}: {result['passed']} of {result['total']} passed in {result['seconds']} s", flush=True)


def only_pooled(ways):
    """The tests that fail through the pooled port and not directly."""
    direct = ways["direct"]["failed"] if "direct" in ways else {}
    return {test: trouble for test, trouble in ways["pooled"]["failed"].items() if test not in direct}


def troubles(name, ways):
    """Sentences about what is wrong with one suite."""
    pooled = ways.get("pooled")
    if pooled is None:
        return []
    thieves, worse = pooled["thieves"], len(only_pooled(ways))
    found = [f"{worse} fail only here; build/postgres-suite/{name}-pooled has the differences"] if worse else []
    found += [f"a lie to {lie}" for lie in thieves["lies"][:5]]
    found += [f"a thief lost its connection: {what}" for what in thieves["lost"]]
    found += [f"{thieves['stuck']} thieves had no answer for 30 s"] if thieves["stuck"] else []
    found += [f"a fresh client found what another left: {what}" for what in pooled["left"][:5]]
    found += [f"and {len(pooled['left']) - 5} things more"] if len(pooled["left"]) > 5 else []
    found += [f"the database could not be dropped: {pooled['drop']}"] if pooled["drop"] else []
    found += [pooled["gateway"]] if pooled["gateway"] else []
    return [f"{name}: {sentence}" for sentence in found]


def cell(result):
    return f"{result['passed']} of {result['total']}" if result else "-"


def named(tests):
    """Names of failed tests; those that a run did not come to are only counted."""
    names = [name for name, trouble in tests.items() if trouble != NOT_REACHED]
    return " ".join(names) + (f" ({len(tests) - len(names)} not reached)" if len(names) < len(tests) else "")


def row(name, ways):
    direct, pooled = ways.get("direct"), ways.get("pooled")
    if pooled is None:
        return COLUMNS.format(name, cell(direct), "-", "", "", "", "", "", "", "")
    seen, thieves = pooled["sessions"], pooled["thieves"]
    return COLUMNS.format(name, cell(direct), cell(pooled), pooled["pool"], seen["sessions_seen"],
                          seen["sessions_seen_pinned"], seen["peak"]["pinned"], thieves["statements"],
                          len(thieves["lies"]), named(only_pooled(ways)))


def table(results):
    lines = [COLUMNS.format("suite", "direct", "pooled", "pool", "sessions", "pinned", "at once", "thefts", "lies",
                            "failed only through the pooled port")]
    lines += [row(name, ways) for name, ways in results.items()]
    for name, ways in results.items():
        if ways.get("direct") and ways["direct"]["failed"]:
            lines.append(f"{name}: directly fail {named(ways['direct']['failed'])}")
    return "\n".join(lines)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    place = material.Material()
    if place.version != place.installed:
        print(f"The suites are of {place.version}, the server is {place.installed}: minor differences are theirs.")
    results = {}
    try:
        for suite in chosen(options, place):
            for way in options.way or WAYS:
                attempt(suite, way, place, options, results)
    finally:
        place.close()
        (material.KEPT / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    wrong = [sentence for name, ways in results.items() for sentence in troubles(name, ways)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
