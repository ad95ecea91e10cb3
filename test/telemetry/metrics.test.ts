import { describe, expect, test } from "vitest";
import { MetricRegistry, OVERFLOW } from "../../src/telemetry/metrics.ts";
import { registerProcessMetrics } from "../../src/telemetry/process-metrics.ts";

test("counters, gauges and histograms are rendered in Prometheus' text format", () => {
  const registry = new MetricRegistry();
  const counter = registry.counter({
    name: "c_total",
    help: "Counts.",
    labels: ["tenant", "code"],
  });
  counter.inc({ tenant: "a", code: "1" });
  counter.inc({ code: "1", tenant: "a" }, 2);
  registry.gauge({ name: "a_gauge", help: "One." }).set({}, Number.POSITIVE_INFINITY);
  const histogram = registry.histogram({ name: "h", help: "H.", labels: ["x"], buckets: [0.5, 1] });
  for (const value of [0.5, 0.7, 3]) histogram.observe({ x: "y" }, value);
  expect(registry.render()).toBe(
    [
      "# HELP a_gauge One.",
      "# TYPE a_gauge gauge",
      "a_gauge +Inf",
      "# HELP c_total Counts.",
      "# TYPE c_total counter",
      'c_total{tenant="a",code="1"} 3',
      "# HELP h H.",
      "# TYPE h histogram",
      'h_bucket{x="y",le="0.5"} 1',
      'h_bucket{x="y",le="1"} 2',
      'h_bucket{x="y",le="+Inf"} 3',
      'h_sum{x="y"} 4.2',
      'h_count{x="y"} 3',
      "",
    ].join("\n"),
  );
});

test("metrics without labels exist at zero, labelled ones have only their head", () => {
  const registry = new MetricRegistry();
  registry.counter({ name: "plain", help: "" });
  registry.counter({ name: "with", help: "", labels: ["a"] });
  registry.histogram({ name: "z", help: "", buckets: [1] });
  const samples = registry
    .render()
    .split("\n")
    .filter((line) => !line.startsWith("#"));
  expect(samples).toEqual([
    "plain 0",
    'z_bucket{le="1"} 0',
    'z_bucket{le="+Inf"} 0',
    "z_sum 0",
    "z_count 0",
    "",
  ]);
});

test("help and label values are escaped", () => {
  const registry = new MetricRegistry();
  registry.counter({ name: "c", help: 'a\\b "c"\nd', labels: ["l"] }).inc({ l: 'x\\y"z"\nend' });
  expect(registry.render()).toBe(
    '# HELP c a\\\\b "c"\\nd\n# TYPE c counter\nc{l="x\\\\y\\"z\\"\\nend"} 1\n',
  );
});

test("label sets beyond the bound share one overflow series", () => {
  const registry = new MetricRegistry();
  const counter = registry.counter({ name: "c", help: "", labels: ["t"], maxSeries: 2 });
  for (const t of ["a", "b", "c", "d", "a"]) counter.inc({ t });
  const samples = registry
    .render()
    .split("\n")
    .filter((line) => line.startsWith("c{"));
  expect(samples).toEqual(['c{t="a"} 2', 'c{t="b"} 1', `c{t="${OVERFLOW}"} 2`]);
});

describe("asking again for a metric", () => {
  test("gives the same one", () => {
    const registry = new MetricRegistry();
    for (let i = 0; i < 2; i++) registry.counter({ name: "c", help: "" }).inc({});
    expect(registry.render()).toContain("\nc 2\n");
  });

  test("with another type or labels is an error", () => {
    const registry = new MetricRegistry();
    registry.counter({ name: "c", help: "" });
    expect(() => registry.gauge({ name: "c", help: "" })).toThrow("another type");
    expect(() => registry.counter({ name: "c", help: "", labels: ["a"] })).toThrow("another type");
  });
});

test("a gauge that is reset forgets its series", () => {
  const registry = new MetricRegistry();
  const gauge = registry.gauge({ name: "g", help: "", labels: ["t"] });
  gauge.set({ t: "a" }, 1);
  gauge.reset();
  gauge.add({ t: "b" }, 2);
  gauge.add({ t: "b" }, -3);
  expect(registry.render().split("\n").slice(2)).toEqual(['g{t="b"} -1', ""]);
});

test("process metrics are read at each rendering", () => {
  const registry = new MetricRegistry();
  let cpuSeconds = 1;
  registerProcessMetrics(
    registry,
    () => ({ residentBytes: 10, heapBytes: 5, cpuSeconds }),
    1_700_000_000_500,
    { version: "1.2.3", revision: "r", branch: "b", runtime: "node24", os: "linux", arch: "amd64" },
  );
  registry.render();
  cpuSeconds = 2.5;
  const text = registry.render();
  expect(text).toContain("\nprocess_cpu_seconds_total 2.5\n");
  expect(text).toContain("\nprocess_resident_memory_bytes 10\n");
  expect(text).toContain("\nprocess_start_time_seconds 1700000000.5\n");
  expect(text).toContain(
    'tempo_build_info{branch="b",goarch="amd64",goos="linux",goversion="node24",revision="r",tags="",version="1.2.3"} 1',
  );
});
