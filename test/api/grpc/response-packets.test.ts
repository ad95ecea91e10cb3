import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  PartialStatus,
  QueryInstantResponseSchema,
  QueryRangeResponseSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import { instantPackets, rangePackets } from "../../../src/api/grpc/response-packets.ts";

const label = (value: string) => ({
  key: "name",
  value: { value: { case: "stringValue" as const, value } },
});

const range = create(QueryRangeResponseSchema, {
  series: Array.from({ length: 30 }, (_, s) => ({
    labels: [label(`series ${s}`)],
    samples: Array.from({ length: s === 7 ? 5000 : 20 }, (_, i) => ({
      timestampMs: 1_700_000_000_000n + BigInt(i),
      value: i + 0.1,
    })),
    exemplars: [{ value: 1, timestampMs: 1_700_000_000_000n }],
  })),
  metrics: { totalJobs: 3, completedJobs: 3 },
  status: PartialStatus.PARTIAL,
  message: "Response exceeds maximum series limit of 30",
});

test("a range answer is split between series, and within one that is too large", () => {
  for (const maxBytes of [600, 4000, 50_000]) {
    const all = [...rangePackets(range, maxBytes)];
    expect(all.length).toBeGreaterThan(1);
    for (const packet of all) {
      expect(toBinary(QueryRangeResponseSchema, packet).length).toBeLessThanOrEqual(maxBytes);
      expect(packet.series.length).toBeGreaterThan(0);
      expect(packet.metrics?.totalJobs).toBe(3);
    }
    expect(all.map(({ status, message }) => [status, message !== ""])).toEqual(
      all.map((_, i) => (i === all.length - 1 ? [PartialStatus.PARTIAL, true] : [0, false])),
    );
    const samples = all.flatMap(({ series }) => series.flatMap((one) => one.samples));
    expect(samples).toEqual(range.series.flatMap((one) => one.samples));
    const exemplars = all.flatMap(({ series }) => series.flatMap((one) => one.exemplars));
    expect(exemplars.length).toBe(30);
  }
});

test("0 means no bound, and an empty answer is one packet", () => {
  expect([...rangePackets(range, 0)]).toEqual([range]);
  const empty = create(QueryInstantResponseSchema, { metrics: { totalJobs: 1 } });
  expect([...instantPackets(empty, 100)]).toEqual([empty]);
});

test("an instant answer is split between series", () => {
  const instant = create(QueryInstantResponseSchema, {
    series: Array.from({ length: 50 }, (_, s) => ({ labels: [label(`series ${s}`)], value: s })),
    metrics: { totalJobs: 3 },
    status: PartialStatus.PARTIAL,
    message: "m",
  });
  const all = [...instantPackets(instant, 400)];
  expect(all.length).toBeGreaterThan(3);
  expect(all.flatMap(({ series }) => series)).toEqual(instant.series);
  expect(all.map(({ message }) => message).join("")).toBe("m");
});
