"""Samples over time, and what they say."""

import json

# Over the second half of a run, by a straight line through the samples. May grow by so
# much, and by what chance explains.
MAY_GROW = {"rss": 3 * 1024, "pss": 3 * 1024, "descriptors": 12, "threads": 0.5}


def growth(samples, name):
    """How much the second half grew from its beginning to its end, by least squares, and how far chance alone may have
    moved that (two standard errors)."""
    half = samples[len(samples) // 2 :]
    if len(half) < 4:
        return 0.0, 0.0
    times, values = [s["at"] for s in half], [s[name] for s in half]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((t - middle) ** 2 for t in times)
    slope = sum((t - middle) * (v - mean) for t, v in zip(times, values)) / spread
    left = sum((v - mean - slope * (t - middle)) ** 2 for t, v in zip(times, values))
    error = (left / (len(half) - 2) / spread) ** 0.5
    return slope * (times[-1] - times[0]), 2 * error * (times[-1] - times[0])


def judge(samples, ledger, facts):
    """Every reason to say that the run failed."""
    failures = [f"{what}: {times} times" for what, times in ledger.mistakes.items()]
    for name, bound in MAY_GROW.items():
        grown, chance = growth(samples, name)
        if grown - chance > bound:
            failures.append(f"{name} grew by {grown:.1f} ± {chance:.1f} over the second half, more than {bound}")
    for what, (value, expected) in facts.items():
        if value != expected:
            failures.append(f"{what}: {value} instead of {expected}")
    return failures


def report(samples, ledger, facts, failures, cost, output):
    result = {
        "seconds": round(samples[-1]["at"]),
        "sent": dict(sorted(ledger.sent.items())),
        "requests": sum(ledger.sent.values()),
        "records": ledger.recorded["all"],
        "samples": {
            name: {
                "first": samples[0][name],
                "highest": max(s[name] for s in samples),
                "last": samples[-1][name],
                "grown": round(growth(samples, name)[0], 1),
                "chance": round(growth(samples, name)[1], 1),
                "may_grow": bound,
            }
            for name, bound in MAY_GROW.items()
        },
        "cpu": cost,
        "facts": {what: value for what, (value, _) in facts.items()},
        "failures": failures,
        "examples": ledger.examples,
    }
    if output == "json":
        print(json.dumps(result))
        return
    print(f"\n{result['seconds']} s, {result['requests']} requests, {result['records']} records")
    print("  " + ", ".join(f"{kind} {times}" for kind, times in result["sent"].items()))
    print(f"{'':14}{'first':>9}{'highest':>9}{'last':>9}{'grown':>9}{'± chance':>9}  (over the second half; bound)")
    for name, row in result["samples"].items():
        print(f"{name:14}{row['first']:9}{row['highest']:9}{row['last']:9}{row['grown']:9}{row['chance']:9}  ({row['may_grow']})")
    print("CPU, in cores: " + ", ".join(f"{who} {share}" for who, share in cost.items()))
    for what, value in result["facts"].items():
        print(f"{what}: {value}")
    for example in ledger.examples:
        print(f"  {example[:1000]}")
    print("\n".join(f"!!! {failure}" for failure in failures) or "passed")
