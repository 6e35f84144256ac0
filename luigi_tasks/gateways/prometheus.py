"""Metrics in Prometheus's words: a file for a scrape or node_exporter's textfile collector, and a push."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.error import URLError

from prometheus_client import CollectorRegistry, generate_latest, push_to_gateway
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from luigi_tasks.domain.errors import NotificationError

Sample = tuple[str, Mapping[str, str], float]
PUSH_SECONDS = 10
HELP = {
    "draenei_pages": "responses kept in the raw zone, by status",
    "draenei_requests": "requests to the source, by what they came to, those that never became a page too",
    "draenei_records": "records of loaded pages, by what became of them",
    "draenei_uploads": "attempts at pictures, by outcome",
    "draenei_stored_bytes": "bytes of pictures and of archives' files stored",
    "draenei_step_seconds": "how long complete steps took",
    "draenei_dbt_nodes": "dbt nodes that ran, by status",
    "draenei_dbt_seconds": "time that dbt spent in nodes",
    "draenei_run_ends": "how runs ended; one that failed and then went on ends twice",
    "draenei_last_success_timestamp_seconds": "when the last run that succeeded was done",
    "draenei_last_run_timestamp_seconds": "when the last run ended, however it did",
    "draenei_last_run_failed": "1 when the last run did not succeed",
    "draenei_damaged_objects": "damage that the latest fsck of each part found and did not mend",
    "draenei_last_audit_timestamp_seconds": "when the last fsck ended",
    "draenei_lost_pictures": "pictures whose object was lost and that are not stored again yet",
    "draenei_missing_minutes": "minutes that a run a minute should have and no run has",
    "draenei_expected_interval_seconds": "how often the source is collected when all is well",
    "draenei_quarantine_open": "records in quarantine",
    "draenei_requests_in_last_minute": "requests granted out of the budget in the 60 s before",
    "draenei_request_budget": "requests that any 60 s may have",
    "draenei_pending_uploads": "pictures that are due",
    "draenei_pending_bytes": "bytes of the pictures that are due, as their records say",
    "draenei_pending_details": "wallpapers whose details are due",
}


class _Families(Collector):
    """The samples as metric families; a series with _bucket, _sum is a histogram, with _total a counter."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    def collect(self) -> Iterable[Metric]:
        by_family: dict[str, list[Sample]] = {}
        for sample in self._samples:
            name = sample[0]
            for ending in ("_bucket", "_sum", "_total"):
                name = name.removesuffix(ending)
            by_family.setdefault(name, []).append(sample)
        for family, samples in sorted(by_family.items()):
            yield _family(family, samples)


def _family(name: str, samples: list[Sample]) -> Metric:
    labels = sorted(samples[0][1].keys() - {"le"})
    if samples[0][0].endswith(("_bucket", "_sum")):
        return _histogram(name, labels, samples)
    kind = CounterMetricFamily if samples[0][0].endswith("_total") else GaugeMetricFamily
    family = kind(name, HELP[name], labels=labels)
    for _, values, number in samples:
        family.add_metric([values[label] for label in labels], number)
    return family


def _histogram(name: str, labels: list[str], samples: list[Sample]) -> Metric:
    family = HistogramMetricFamily(name, HELP[name], labels=labels)
    buckets: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    sums: dict[tuple[str, ...], float] = {}
    for series, values, number in samples:
        key = tuple(values[label] for label in labels)
        if series.endswith("_sum"):
            sums[key] = number
        else:
            bound = "+Inf" if values["le"] == "Infinity" else values["le"]
            buckets.setdefault(key, []).append((bound, number))
    for key, found in buckets.items():
        family.add_metric(list(key), sorted(found, key=lambda bucket: float(bucket[0])), sums.get(key, 0))
    return family


def write(samples: Iterable[Sample], path: Path) -> None:
    """Write the metrics to a file, whole or not at all. Raises NotificationError."""
    registry = CollectorRegistry()
    registry.register(_Families(samples))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of a name of its own: containers that share the folder may have the same process id.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(generate_latest(registry))
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as problem:
        raise NotificationError(f"metrics were not written: {problem.strerror}", where=str(path)) from None


def push(samples: Iterable[Sample], gateway: str) -> None:
    """Replace the job's metrics in a Pushgateway. Raises NotificationError."""
    registry = CollectorRegistry()
    registry.register(_Families(samples))
    try:
        push_to_gateway(gateway, job="draenei-collector", registry=registry, timeout=PUSH_SECONDS)
    except (URLError, OSError, ValueError) as problem:
        raise NotificationError(
            f"metrics were not pushed: {problem}", mend="Is PUSHGATEWAY_URL right, and the gateway up?"
        ) from None
