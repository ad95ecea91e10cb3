// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions are what is tested.
import { expect, test } from "vitest";
import type { LoadedConfig } from "../../src/config/load.ts";
import { configError, LOCAL, load, loadError } from "./support.ts";

const MAIN = `${LOCAL}overrides:
  defaults:
    ingestion: { rate_limit_bytes: 100, burst_size_bytes: 200 }
    read: { max_condition_groups_per_tag_query: 7 }
  per_tenant_override_config: /conf/overrides.yaml
`;

function withFile(text: string, main = MAIN): LoadedConfig {
  return load(main, { files: { "/conf/overrides.yaml": text } });
}

const fileError = (text: string) => configError(() => withFile(text)).message;

test("lookup is exact name, then *, then defaults", () => {
  const { overrides, warnings } = withFile(`overrides:
  a: { ingestion: { rate_limit_bytes: 1, burst_size_bytes: 1 } }
  "*": { ingestion: { rate_limit_bytes: 2, burst_size_bytes: 2 } }
`);
  expect(warnings).toEqual([]);
  expect(overrides.limitsFor("a").ingest.rateLimitBytes).toBe(1);
  expect(overrides.limitsFor("b").ingest.rateLimitBytes).toBe(2);
  expect(overrides.tenants()).toEqual(["a", "*"]);
  expect(withFile("overrides: {}\n").overrides.limitsFor("b").ingest.rateLimitBytes).toBe(100);
});

test("an entry replaces the defaults as a whole: unset keys are zero", () => {
  const { overrides } = withFile(`overrides:
  a: { ingestion: { rate_limit_bytes: 1, burst_size_bytes: 2 } }
`);
  expect(overrides.limitsFor("a")).toMatchObject({
    ingest: {
      rateLimitBytes: 1,
      burstSizeBytes: 2,
      maxAttributeBytes: 2048,
      retryInfoEnabled: false,
    },
    query: {
      maxBytesPerTrace: 0,
      maxBytesPerTagValuesQuery: 0,
      maxSearchDurationMs: 604_800_000,
      maxConditionGroupsPerTagQuery: 7,
      leftPadTraceIds: false,
    },
    retentionMs: 0,
    compactionDisabled: false,
  });
});

test("an unset rate or burst comes from the defaults, with a warning", () => {
  const { overrides, warnings } = withFile(`overrides:
  a: { compaction: { block_retention: 30d } }
  b: { ingestion: { rate_limit_bytes: 0, burst_size_bytes: 5 } }
`);
  expect(overrides.limitsFor("a")).toMatchObject({
    ingest: { rateLimitBytes: 100, burstSizeBytes: 200 },
    retentionMs: 30 * 86_400_000,
  });
  expect(overrides.limitsFor("b").ingest).toMatchObject({ rateLimitBytes: 0, burstSizeBytes: 5 });
  expect(warnings).toEqual([
    "/conf/overrides.yaml: ingestion.rate_limit_bytes or ingestion.burst_size_bytes is not set for a: the defaults apply",
  ]);
});

test.each(["", "overrides:\n", "overrides: {}\n", "overrides: { a: }\n", "# x\n"])(
  "%j names no tenant",
  (text) => {
    const { overrides, warnings } = withFile(text);
    expect(warnings).toEqual([]);
    expect(overrides.limitsFor("a").ingest.rateLimitBytes).toBe(100);
  },
);

test("flat legacy entries are read like scoped ones, with a warning", () => {
  const { overrides, warnings } = withFile(`overrides:
  a:
    ingestion_rate_limit_bytes: 5
    ingestion_burst_size_bytes: 6
    max_bytes_per_trace: 7
    block_retention: 1d
    compaction_disabled: true
    max_search_duration: 2h
    max_traces_per_user: 10000
    metrics_generator_processors: [span-metrics]
    metrics_generator_processor_span_metrics_dimensions: [x]
`);
  expect(overrides.limitsFor("a")).toMatchObject({
    ingest: { rateLimitBytes: 5, burstSizeBytes: 6 },
    query: { maxBytesPerTrace: 7, maxSearchDurationMs: 7_200_000 },
    retentionMs: 86_400_000,
    compactionDisabled: true,
  });
  expect(warnings).toEqual([
    "DEPRECATED: Legacy (flat, unscoped) overrides format is used for tenants a; it is read as the scoped format",
    "no metrics_generator.storage.path configured, metrics generator will be disabled",
  ]);
  expect(overrides.entry("a")).toMatchObject({
    metrics_generator: { processors: ["span-metrics"] },
  });
});

test("legacy keys in the main file mean the defaults", () => {
  const { settings, warnings } = load(
    `${LOCAL}overrides: { max_bytes_per_trace: 20, ingestion_rate_limit_bytes: 50, per_tenant_override_period: 1m }\n`,
  );
  expect(settings.limits.query.maxBytesPerTrace).toBe(20);
  expect(settings.limits.ingest.rateLimitBytes).toBe(50);
  expect(settings.perTenantOverridePeriodMs).toBe(60_000);
  expect(warnings[0]).toMatch(/^DEPRECATED: Legacy \(flat, unscoped\) overrides format/);
});

test.each([
  ["overides: {}\n", "line 1: field overides not found in type config"],
  [
    "overrides: { a: { ingestion: { rate_limit: 1 } } }\n",
    "line 1: field rate_limit not found in type overrides.a.ingestion",
  ],
  [
    "overrides:\n  a: { ingestion: { rate_limit_bytes: x } }\n",
    "line 2: cannot unmarshal !!str `x` into int",
  ],
  ["overrides: { a: 1 }\n", "cannot unmarshal !!str `1` into overrides.a"],
  ["overrides: [a]\n", "overrides must be a map"],
  ["overrides: { a: {}, a: {} }\n", 'key "a" already set'],
  ["overrides: { a: { forwarders: [f] } }\n", "overrides.a.forwarders is not supported"],
  ["overrides: { a: { compaction: { block_retention: 5 } } }\n", "not a valid duration"],
  [
    "overrides: { a: { max_bytes_per_trace: 1, global: { max_bytes_per_trace: 2 } } }\n",
    "set in both formats",
  ],
])("%j prevents the start", (text, message) => {
  expect(fileError(text)).toContain("failed to load per-tenant overrides /conf/overrides.yaml: ");
  expect(fileError(text)).toContain(message);
});

test("a missing file prevents the start", () => {
  expect(loadError(MAIN)).toBe(
    "failed to read per-tenant overrides /conf/overrides.yaml: open /conf/overrides.yaml: no such file or directory",
  );
});

test("a reload replaces all entries, a broken one keeps them", () => {
  const { overrides } = withFile(
    "overrides: { a: { ingestion: { rate_limit_bytes: 1, burst_size_bytes: 1 } } }\n",
  );
  expect(() => overrides.reload("overrides: { a: { nope: 1 } }")).toThrow("field nope not found");
  expect(overrides.limitsFor("a").ingest.rateLimitBytes).toBe(1);
  const changed = "overrides: { b: { ingestion: { rate_limit_bytes: 3 } } }";
  expect(overrides.reload(changed)).toHaveLength(1);
  expect(overrides.reload(changed), "an unchanged file warns once").toEqual([]);
  expect(overrides.limitsFor("a").ingest.rateLimitBytes).toBe(100);
  expect(overrides.limitsFor("b").ingest.rateLimitBytes).toBe(3);
});

test("the environment is expanded in the tenants' file on every load", () => {
  const { overrides } = load(MAIN, {
    args: ["-config.expand-env"],
    env: { RATE: "42" },
    files: {
      "/conf/overrides.yaml": "overrides: { a: { ingestion: { rate_limit_bytes: ${RATE} } } }",
    },
  });
  expect(overrides.limitsFor("a").ingest.rateLimitBytes).toBe(42);
  overrides.reload("overrides: { a: { ingestion: { rate_limit_bytes: ${RATE}0 } } }");
  expect(overrides.limitsFor("a").ingest.rateLimitBytes).toBe(420);
});

test("names of an object's own members are tenants like others", () => {
  const { overrides } = withFile(
    "overrides: { __proto__: { ingestion: { rate_limit_bytes: 1 } } }\n",
  );
  expect(overrides.limitsFor("__proto__").ingest.rateLimitBytes).toBe(1);
  expect(overrides.limitsFor("constructor").ingest.rateLimitBytes).toBe(100);
});
