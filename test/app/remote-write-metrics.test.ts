import { expect, test } from "vitest";
import { remoteWriteMetrics } from "../../src/app/remote-write-metrics.ts";
import { MetricRegistry } from "../../src/telemetry/metrics.ts";
import { someSettings } from "../drivers/remote-write/support.ts";

const BATCH = { sampleCount: 10, exemplarCount: 2 };

function valuesOf(registry: MetricRegistry): Record<string, string> {
  const lines = registry.render().split("\n");
  const samples = lines.filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    samples.map((line) => line.replace("prometheus_remote_storage_", "").split(" ")),
  );
}

test("samples and exemplars are counted under Prometheus' names, by endpoint and tenant", () => {
  const registry = new MetricRegistry();
  const metrics = remoteWriteMetrics(registry, someSettings("http://me:secret@far/push?key=1"));
  for (let i = 0; i < 4; i++) metrics.queued("a", BATCH);
  metrics.retried("a", BATCH);
  metrics.sent("a", BATCH);
  metrics.failed("a", { sampleCount: 3, exemplarCount: 1 });
  metrics.dropped("a", { sampleCount: 4, exemplarCount: 0 });
  const labels = '{remote_name="far",url="http://far/push",tenant="a"}';
  expect(valuesOf(registry)).toEqual({
    [`samples_total${labels}`]: "10",
    [`samples_failed_total${labels}`]: "3",
    [`samples_dropped_total${labels}`]: "4",
    [`samples_retried_total${labels}`]: "10",
    [`samples_pending${labels}`]: "23",
    [`exemplars_total${labels}`]: "2",
    [`exemplars_failed_total${labels}`]: "1",
    [`exemplars_dropped_total${labels}`]: "0",
    [`exemplars_retried_total${labels}`]: "2",
  });
});

test("endpoints without a name are told apart by their settings, not by the secrets of auth", () => {
  const registry = new MetricRegistry();
  const password = (text: string) =>
    ({ type: "basic", username: "me", password: { type: "text", text } }) as const;
  const names = [
    someSettings("http://far/push", { name: "" }),
    someSettings("http://far/push", { name: "", headers: { "X-Scope-OrgID": "b" } }),
    someSettings("http://far/push", { name: "", auth: password("one") }),
    someSettings("http://far/push", { name: "", auth: password("two") }),
  ].map((settings) => {
    remoteWriteMetrics(registry, settings).queued("a", BATCH);
    return registry.render();
  });
  const found = new Set(names.at(-1)!.match(/remote_name="[0-9a-f]{6}"/g));
  expect(found.size).toBe(3);
});
