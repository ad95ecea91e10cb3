import { expect, test } from "vitest";
import { FLAGS } from "../../src/config/flag-table.ts";
import { loadSettings } from "../../src/config/load.ts";
import { configError, LOCAL, load } from "./support.ts";

const run = (...args: string[]) => loadSettings({ args, env: {}, readFile: () => "" });

test.each([
  ["-server.http-listen-port=1"],
  ["--server.http-listen-port=1"],
  ["-server.http-listen-port", "1"],
])("a value follows = or is the next argument: %s %s", (...args) => {
  expect(load(undefined, { args }).settings.server.httpListenPort).toBe(1);
});

test("a boolean does not take the next argument, which ends the flags", () => {
  const { settings, warnings } = load(undefined, {
    args: ["-multitenancy.enabled", "false", "-server.http-listen-port=1"],
  });
  expect(settings.server.multitenancyEnabled).toBe(true);
  expect(settings.server.httpListenPort).toBe(3200);
  expect(warnings).toEqual([expect.stringContaining('arguments from "false" on are ignored')]);
  expect(
    load(undefined, { args: ["-multitenancy.enabled=false"] }).settings.server.multitenancyEnabled,
  ).toBe(false);
});

test("flags win over the file", () => {
  const { settings } = load(`server: { http_listen_port: 7 }\n${LOCAL}`, {
    args: ["-server.http-listen-port=8"],
  });
  expect(settings.server.httpListenPort).toBe(8);
});

test.each([
  [["-nope"], "flag provided but not defined: -nope"],
  [["-server.http-listen-prt=1"], "did you mean -server.http-listen-port?"],
  [["-server.http-listen-port"], "flag needs an argument: -server.http-listen-port"],
  [["-server.http-listen-port=x"], 'invalid value "x" for flag -server.http-listen-port'],
  [["-server.http-listen-port=70000"], "not between 0 and 65535"],
  [["-version=maybe"], 'invalid boolean value "maybe" for -version'],
  [["---x"], "bad flag syntax: ---x"],
  [["-log.level=loud"], 'invalid value "loud" for flag -log.level'],
])("%j is a usage error with exit code 2", (args, message) => {
  const error = configError(() => run(...args));
  expect(error.exitCode).toBe(2);
  expect(error.message).toContain(message);
  expect(error.message).toContain("Usage of pintail:");
});

test("help, version and health need no configuration", () => {
  expect(run("-h")).toMatchObject({
    action: "help",
    text: expect.stringContaining("-config.file value"),
  });
  expect(run("-version", "-config.file=/gone")).toEqual({ action: "version" });
  expect(run("-health")).toEqual({ action: "health", url: "http://localhost:3200/ready" });
  expect(run("-health", "-health.url=http://h/ready")).toEqual({
    action: "health",
    url: "http://h/ready",
  });
});

test("every flag of Tempo is accepted", () => {
  const sample: Record<string, string> = {
    target: "all",
    "log.level": "warn",
    "log.format": "json",
    "storage.trace.backend": "local",
    "storage.trace.s3.tls_min_version": "VersionTLS12",
    "http-api-prefix": "/tempo",
    "config.per-user-override-config": "",
  };
  for (const [name, flag] of FLAGS) {
    if (["version", "health", "config.file"].includes(name)) continue;
    const text =
      flag.type === "bool"
        ? "false"
        : (sample[name] ?? (/retention|period|delay/.test(name) ? "5m" : "10"));
    expect(load(undefined, { args: [`-${name}=${text}`] }).settings.target, name).toBe("all");
  }
});

test.each([
  ["-storage.trace.local.path=/x/blocks", "ingest.segmentDir", "/x/blocks"],
  ["-storage.trace.wal.path=/x/wal", "ingest.walDir", "/x/wal"],
  ["-compactor.compaction.block-retention=5h", "retention.retentionMs", 18_000_000],
  ["-backend-worker.compaction.block-retention=6h", "retention.retentionMs", 21_600_000],
  ["-compactor.disabled", "retention.disabled", true],
  ["-distributor.ingestion-rate-limit-bytes=7", "limits.ingest.rateLimitBytes", 7],
  ["-distributor.ingestion-burst-size-bytes=8", "limits.ingest.burstSizeBytes", 8],
  ["-ingester.max-bytes-per-trace=9", "limits.query.maxBytesPerTrace", 9],
  ["-querier.max-bytes-per-tag-values-query=10", "limits.query.maxBytesPerTagValuesQuery", 10],
  [
    "-querier.max-condition-groups-per-tag-query=11",
    "limits.query.maxConditionGroupsPerTagQuery",
    11,
  ],
  ["-config.per-user-override-period=1m", "perTenantOverridePeriodMs", 60_000],
  ["-http-api-prefix=/t/", "server.httpApiPrefix", "/t"],
  ["-shutdown-delay=3s", "server.shutdownDelayMs", 3000],
  ["-auth.enabled", "server.multitenancyEnabled", true],
  ["-server.grpc-listen-port=4", "server.grpcListenPort", 4],
  ["-log.level=error", "log.level", "error"],
  ["-log.format=json", "log.format", "json"],
])("%s sets %s", (arg, path, expected) => {
  expect(load(undefined, { args: [arg] }).settings).toHaveProperty(path, expected);
});

test("the charts' ballast flag and a cluster's flags are accepted silently", () => {
  const args = [
    "-mem-ballast-size-mbs=1024",
    "-memberlist.bind-port=7946",
    "-live-store.x",
    "y",
    "-reporting.enabled=true",
    "-ingest.kafka.z",
  ];
  expect(load(undefined, { args }).warnings).toEqual([]);
});

test("a flag whose feature does not exist is named in a warning", () => {
  const { warnings } = load(undefined, {
    args: [
      "-metrics-generator.native-histogram-bucket-factor=1.2",
      "-query-frontend.mcp-server.enabled",
    ],
  });
  expect(warnings).toEqual([
    "accepted but without effect: query_frontend.mcp_server.enabled, -metrics-generator.native-histogram-bucket-factor",
  ]);
});
