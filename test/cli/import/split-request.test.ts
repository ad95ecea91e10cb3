import { create, fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ExportTraceServiceRequestSchema } from "../../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { spanCount } from "../../../src/cli/import/span-count.ts";
import { splitRequest } from "../../../src/cli/import/split-request.ts";
import { aRequest, aSpan, attribute, encodeRequest } from "../../support/otlp-builder.ts";

const BLOB = "x".repeat(300);
const spans = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    aSpan({ name: `span ${from + i}`, attributes: [attribute("blob", BLOB)] }),
  );

test("pieces hold all spans in order, each with its resource and scope, within the bound", () => {
  const first = aRequest(spans(0, 40), { service: "a", scope: "lib" });
  const second = aRequest(spans(40, 25), { service: "b", scope: "other" });
  const resourceSpans = [...first.resourceSpans, ...second.resourceSpans];
  resourceSpans[0]!.schemaUrl = "https://example.org/schema";
  const request = encodeRequest(create(ExportTraceServiceRequestSchema, { resourceSpans }));
  const pieces = [...splitRequest(request, 5000)];
  expect(pieces.length).toBeGreaterThan(4);
  const names: string[] = [];
  for (const piece of pieces) {
    expect(piece.length).toBeLessThan(5500);
    for (const group of fromBinary(ExportTraceServiceRequestSchema, piece).resourceSpans) {
      const [service] = group.resource?.attributes ?? [];
      for (const { scope, spans } of group.scopeSpans) {
        for (const { name } of spans) {
          const isFirst = Number(name.slice(5)) < 40;
          expect(service?.value?.value.value).toBe(isFirst ? "a" : "b");
          expect(scope?.name).toBe(isFirst ? "lib" : "other");
          expect(group.schemaUrl).toBe(isFirst ? "https://example.org/schema" : "");
          names.push(name);
        }
      }
    }
  }
  expect(names).toEqual(Array.from({ length: 65 }, (_, i) => `span ${i}`));
});

test("a span larger than the bound is a piece of its own", () => {
  const request = encodeRequest(aRequest(spans(0, 3)));
  expect([...splitRequest(request, 10)].map(spanCount)).toEqual([1, 1, 1]);
});

test("many empty spans cost no more than their bytes", () => {
  // 2 bytes each: a tag and a length of 0.
  const inner = new Uint8Array(2 * 1_000_000).map((_, i) => (i % 2 === 0 ? 0x12 : 0));
  const field = (tag: number, content: Uint8Array) => {
    const length: number[] = [];
    for (let rest = content.length; ; rest >>>= 7) {
      length.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80);
      if (rest < 0x80) break;
    }
    return Buffer.concat([Buffer.from([tag, ...length]), content]);
  };
  const request = field(0x0a, field(0x12, inner));
  const pieces = [...splitRequest(request, 500_000)];
  expect(pieces.reduce((sum, piece) => sum + spanCount(piece), 0)).toBe(1_000_000);
  expect(pieces.length).toBe(4);
});
