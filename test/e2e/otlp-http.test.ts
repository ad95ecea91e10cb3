import { request as httpRequest } from "node:http";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  attributeOf,
  eventually,
  foundIds,
  hexOfBase64,
  metric,
  spansOf,
} from "../support/e2e-answers.ts";
import { encodedBodies } from "../support/e2e-encodings.ts";
import { grpcClient } from "../support/e2e-grpc.ts";
import {
  aRequest,
  aSpan,
  attribute,
  attributes,
  encodeRequest,
  hex,
} from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";

let serial = 0;

function newTraceId(): string {
  return (++serial).toString(16).padStart(32, "c");
}

/** A request of one span of now. */
function spanBody(
  traceId: string,
  values: Record<string, string | bigint | number | boolean> = {},
  name = "op",
): Uint8Array<ArrayBuffer> {
  const start = BigInt(Date.now()) * 1_000_000n;
  const span = aSpan({
    traceId: hex(traceId),
    name,
    startTimeUnixNano: start,
    endTimeUnixNano: start + 1_000_000n,
    attributes: attributes(values),
  });
  return encodeRequest(aRequest([span]));
}

function jsonBody(span: Record<string, unknown>): string {
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
}

async function statusOf(response: Response): Promise<{ code: number; message: string }> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.headers.get("content-type") === JSON_TYPE) {
    const { code = 0, message = "" } = JSON.parse(new TextDecoder().decode(bytes));
    return { code, message };
  }
  expect(response.headers.get("content-type")).toBe(PROTOBUF);
  return fromBinary(StatusSchema, bytes);
}

describe("one tenant", () => {
  let pintail: PintailProcess;

  beforeAll(async () => {
    pintail = await PintailProcess.start({
      otlpHttp: "max_request_body_size: 1000000",
      distributor: "max_attribute_bytes: 64",
    });
  });

  afterAll(() => pintail?.remove());

  it.each(encodedBodies(new Uint8Array(1)).map(([name]) => name))("takes %s", async (name) => {
    for (const type of [PROTOBUF, JSON_TYPE]) {
      const traceId = newTraceId();
      const plain =
        type === PROTOBUF
          ? spanBody(traceId, { filler: "abc ".repeat(16), n: 5n })
          : new TextEncoder().encode(
              jsonBody({ traceId, spanId: "00000000000000a1", name: "op", startTimeUnixNano: "1" }),
            );
      const [, encoding, body] = encodedBodies(plain).find(([each]) => each === name)!;
      const response = await pintail.push(body, {
        "content-type": type,
        "content-encoding": encoding,
      });
      expect(response.status).toBe(200);
      expect((await spansOf(pintail, traceId)).map((span) => span.name)).toEqual(["op"]);
    }
  });

  it("answers success in the request's own form", async () => {
    const protobuf = await pintail.push(spanBody(newTraceId()));
    expect(protobuf.headers.get("content-type")).toBe(PROTOBUF);
    expect([...new Uint8Array(await protobuf.arrayBuffer())]).toEqual([0x0a, 0x00]);
    const json = await pintail.push(
      jsonBody({ traceId: newTraceId(), spanId: "00000000000000a1" }),
      { "content-type": "application/json; charset=utf-8" },
    );
    expect(json.headers.get("content-type")).toBe(JSON_TYPE);
    expect(await json.text()).toBe('{"partialSuccess":{}}');
    expect((await pintail.push(new Uint8Array(0))).status).toBe(200);
    expect((await pintail.push("{}", { "content-type": JSON_TYPE })).status).toBe(200);
  });

  it("keeps all digits of raw 64-bit numbers in JSON", async () => {
    const traceId = newTraceId();
    const body = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${traceId.toUpperCase()}",
      "spanId":"00000000000000A1","name":"raw","kind":2,
      "startTimeUnixNano":1716200000123456789,"endTimeUnixNano":1716200000123456791,
      "attributes":[{"key":"big","value":{"intValue":9223372036854775807}},
        {"key":"small","value":{"intValue":-9223372036854775808}},
        {"key":"text","value":{"intValue":"-1234567890123456789"}}],
      "events":[{"timeUnixNano":1716200000123456790,"name":"e"}]}]}]}]}`;
    expect((await pintail.push(body, { "content-type": JSON_TYPE })).status).toBe(200);
    const [span] = await spansOf(pintail, traceId);
    expect(span!.startTimeUnixNano).toBe("1716200000123456789");
    expect(span!.endTimeUnixNano).toBe("1716200000123456791");
    expect(attributeOf(span!, "big")).toEqual({ intValue: "9223372036854775807" });
    expect(attributeOf(span!, "small")).toEqual({ intValue: "-9223372036854775808" });
    expect(attributeOf(span!, "text")).toEqual({ intValue: "-1234567890123456789" });
    expect(span!.events?.[0]?.timeUnixNano).toBe("1716200000123456790");
  });

  it("cuts long attributes in the middle of nothing, and counts them", async () => {
    const traceId = newTraceId();
    const body = spanBody(traceId, {
      fits: "x".repeat(64),
      long: "ü".repeat(40),
      ["k".repeat(70)]: "v",
    });
    expect((await pintail.push(body)).status).toBe(200);
    const [span] = await spansOf(pintail, traceId);
    expect(attributeOf(span!, "fits")).toEqual({ stringValue: "x".repeat(64) });
    expect(attributeOf(span!, "long")).toEqual({ stringValue: "ü".repeat(32) });
    expect(attributeOf(span!, "k".repeat(64))).toEqual({ stringValue: "v" });
    expect(
      await metric(pintail, "tempo_distributor_attributes_truncated_total", 'scope="span"'),
    ).toBe(2);
  });

  it.each([
    ["a zero trace id", { traceId: new Uint8Array(16) }],
    ["no trace id", { traceId: new Uint8Array(0) }],
    ["a short trace id", { traceId: new Uint8Array(8).fill(1) }],
    ["a long trace id", { traceId: new Uint8Array(17).fill(1) }],
    ["a zero span id", { spanId: new Uint8Array(8) }],
    ["no span id", { spanId: new Uint8Array(0) }],
    ["a short span id", { spanId: new Uint8Array(4).fill(1) }],
    ["a long span id", { spanId: new Uint8Array(9).fill(1) }],
  ])("refuses a whole request with %s and stores nothing of it", async (_, bad) => {
    const traceId = newTraceId();
    const start = BigInt(Date.now()) * 1_000_000n;
    const times = { startTimeUnixNano: start, endTimeUnixNano: start + 1n };
    const good = aSpan({ ...times, traceId: hex(traceId), name: "good" });
    const body = encodeRequest(
      aRequest([good, aSpan({ ...times, traceId: hex(traceId), name: "bad", ...bad })]),
    );
    const response = await pintail.push(body);
    expect(response.status).toBe(400);
    expect((await statusOf(response)).code).toBe(3);
    expect(await spansOf(pintail, traceId)).toEqual([]);
    expect(await foundIds(pintail, '{ name = "good" || name = "bad" }')).toEqual([]);
  });

  describe("the errors of the route", () => {
    const protobuf = { "content-type": PROTOBUF };
    const json = { "content-type": JSON_TYPE };

    it.each([
      ["bytes that are no message", Uint8Array.of(0x0a, 0x05, 0x01), protobuf, 400, 3],
      ["text that is no JSON", "{", json, 400, 3],
      ["an empty JSON body", "", json, 400, 3],
      ["JSON with an id that is not hex", jsonBody({ traceId: "xyz", spanId: "1" }), json, 400, 3],
      ["an unknown encoding", "x", { ...protobuf, "content-encoding": "br" }, 400, 3],
      ["two encodings", "x", { ...json, "content-encoding": "gzip, gzip" }, 400, 3],
      ["gzip that is none", "not gzip", { ...protobuf, "content-encoding": "gzip" }, 400, 3],
      ["zstd that is none", "not zstd", { ...json, "content-encoding": "zstd" }, 400, 3],
      ["snappy that is none", "not snappy", { ...json, "content-encoding": "snappy" }, 400, 3],
      ["a body over the limit", new Uint8Array(1_000_001), protobuf, 413, 8],
    ])("refuses %s", async (_, body, headers, http, code) => {
      const response = await pintail.push(body, headers as Record<string, string>);
      expect(response.status).toBe(http);
      const status = await statusOf(response);
      expect(status.code).toBe(code);
      expect(status.message).not.toBe("");
      expect(response.headers.get("retry-after")).toBeNull();
    });

    it.each(["gzip", "zstd", "deflate", "snappy", "lz4"])(
      "refuses what %s would blow up over the limit",
      async (encoding) => {
        const [, , body] = encodedBodies(new Uint8Array(1_000_001)).find(
          ([, each]) => each === encoding,
        )!;
        // A stored lz4 block is over the limit even before.
        const response = await pintail.push(body, { ...protobuf, "content-encoding": encoding });
        expect(response.status).toBe(413);
        expect((await statusOf(response)).code).toBe(8);
      },
    );

    it("knows one path, one method and two types", async () => {
      const url = `http://127.0.0.1:${pintail.ports.otlpHttp}`;
      const get = await fetch(`${url}/v1/traces`);
      expect([get.status, get.headers.get("content-type")]).toEqual([405, "text/plain"]);
      for (const type of ["text/plain", "application/protobuf", ""]) {
        const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
        const response = await pintail.push(new Uint8Array(1), headers);
        expect(response.status, type).toBe(415);
      }
      for (const path of ["/v1/traces/", "/v1/metrics", "/v1/logs", "/"]) {
        const response = await fetch(url + path, { method: "POST", headers: protobuf, body: "" });
        expect(response.status, path).toBe(404);
      }
    });

    it("takes a chunked body, and cuts one that grows over the limit", async () => {
      const send = (chunks: Uint8Array[]): Promise<number> =>
        new Promise((done, fail) => {
          const out = httpRequest(
            {
              port: pintail.ports.otlpHttp,
              host: "127.0.0.1",
              method: "POST",
              path: "/v1/traces",
              headers: protobuf,
            },
            (answer) => {
              answer.resume();
              done(answer.statusCode ?? 0);
            },
          );
          out.once("error", fail);
          for (const chunk of chunks) out.write(chunk);
          out.end();
        });
      const traceId = newTraceId();
      const body = spanBody(traceId);
      const pieces = Array.from({ length: body.length }, (_, i) => body.subarray(i, i + 1));
      expect(await send(pieces)).toBe(200);
      expect((await spansOf(pintail, traceId)).length).toBe(1);
      expect(await send(Array.from({ length: 12 }, () => new Uint8Array(100_000)))).toBe(413);
    });
  });
});

describe("several tenants", () => {
  let pintail: PintailProcess;

  beforeAll(async () => {
    pintail = await PintailProcess.start({ extraYaml: "multitenancy_enabled: true\n" });
  });

  afterAll(() => pintail?.remove());

  const push = (tenant: string | undefined, body: Uint8Array<ArrayBuffer>) =>
    pintail.push(body, {
      "content-type": PROTOBUF,
      ...(tenant === undefined ? {} : { "x-scope-orgid": tenant }),
    });
  const as = (tenant: string) => ({ "x-scope-orgid": tenant });

  it("asks for the tenant", async () => {
    const missing = await push(undefined, spanBody(newTraceId()));
    expect(missing.status).toBe(503);
    expect((await statusOf(missing)).code).toBe(14);
    expect(missing.headers.get("retry-after")).toBeNull();
    for (const bad of ["a/b", "a|b", "..", "x".repeat(151)]) {
      const response = await push(bad, spanBody(newTraceId()));
      expect(response.status, bad).toBe(400);
      expect((await statusOf(response)).code, bad).toBe(3);
    }
    expect((await pintail.get("/api/search")).status).toBe(401);
    expect((await pintail.get("/api/search", as("a/b"))).status).toBe(400);
  });

  it("says the same over gRPC", async () => {
    const client = grpcClient(pintail.ports.otlpGrpc);
    const body = spanBody(newTraceId());
    expect((await client.export(body)).code).toBe(14);
    expect((await client.export(body, as("a/b"))).code).toBe(3);
    expect((await client.export(body, as("by-grpc"))).code).toBe(0);
    client.close();
  });

  it("keeps the same trace id of two tenants apart, and reads both when asked", async () => {
    const traceId = newTraceId();
    expect((await push("a", spanBody(traceId, { of: "a" }, "in a"))).status).toBe(200);
    const start = BigInt(Date.now()) * 1_000_000n;
    const other = aSpan({
      traceId: hex(traceId),
      spanId: hex("00000000000000b1"),
      name: "in b",
      startTimeUnixNano: start,
      endTimeUnixNano: start + 1n,
      attributes: [attribute("of", "b")],
    });
    expect((await push("b", encodeRequest(aRequest([other])))).status).toBe(200);
    const names = async (tenant: string) =>
      (await spansOf(pintail, traceId, as(tenant))).map((span) => span.name).sort();
    const query = "{ span.of != nil }";
    const found = (tenant: string) => foundIds(pintail, query, { headers: as(tenant) });
    expect(await names("a")).toEqual(["in a"]);
    expect(await names("b")).toEqual(["in b"]);
    expect(await names("a|b")).toEqual(["in a", "in b"]);
    expect(await names("c")).toEqual([]);
    expect(await found("a")).toEqual([traceId]);
    expect(await found("a|b")).toEqual([traceId]);
    expect(await found("c")).toEqual([]);
    expect(await foundIds(pintail, '{ span.of = "b" }', { headers: as("a") })).toEqual([]);
    const values = async (tenant: string) =>
      (
        await pintail.json<{ tagValues: { value: string }[] }>(
          "/api/v2/search/tag/span.of/values",
          as(tenant),
        )
      ).tagValues.map((each) => each.value);
    expect(await values("a")).toEqual(["a"]);
    expect((await values("a|b")).sort()).toEqual(["a", "b"]);
    expect(await values("c")).toEqual([]);
  });
});

describe("the rate limit", () => {
  it("refuses with a hint; what it refused never appears", { timeout: 120_000 }, async () => {
    const extraYaml = `ingester: { max_block_duration: 1s }
overrides:
  defaults:
    ingestion: { rate_limit_bytes: 1000, burst_size_bytes: 20000 }
`;
    let pintail = await PintailProcess.start({ extraYaml });
    try {
      const big = (traceId: string) =>
        spanBody(
          traceId,
          Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, "x".repeat(1500)])),
        );
      const accepted = [newTraceId()];
      const refused: string[] = [];
      expect((await pintail.push(big(accepted[0]!))).status).toBe(200);
      for (let i = 0; i < 5; i++) {
        const traceId = newTraceId();
        refused.push(traceId);
        const response = await pintail.push(big(traceId));
        expect(response.status).toBe(429);
        expect(response.headers.get("retry-after")).toBe("5");
        const status = fromBinary(StatusSchema, new Uint8Array(await response.arrayBuffer()));
        expect(status.code).toBe(8);
        expect(status.message).toMatch(/^RATE_LIMITED: /);
        expect(status.details[0]!.typeUrl).toBe("type.googleapis.com/google.rpc.RetryInfo");
        const delay = fromBinary(RetryInfoSchema, status.details[0]!.value).retryDelay;
        expect(delay?.seconds).toBe(5n);
      }
      const client = grpcClient(pintail.ports.otlpGrpc);
      const overGrpc = newTraceId();
      refused.push(overGrpc);
      const answer = await client.export(big(overGrpc));
      client.close();
      expect(answer.code).toBe(8);
      expect(answer.details).toBeDefined();

      // Small ones go on: the bucket is not empty.
      const small = newTraceId();
      accepted.push(small);
      expect((await pintail.push(spanBody(small))).status).toBe(200);
      const last = newTraceId();
      refused.push(last);
      expect((await pintail.push(big(last))).status).toBe(429);
      // Straight after the refusal, so that only the write-ahead log knows of it.
      await pintail.kill();
      pintail = await PintailProcess.start({ dir: pintail.dir, extraYaml });
      const check = async () => {
        for (const id of accepted) expect((await spansOf(pintail, id)).length, id).toBe(1);
        for (const id of refused) expect(await spansOf(pintail, id), id).toEqual([]);
        expect(await foundIds(pintail, "{ true }")).toEqual([...accepted].sort());
      };
      await check();
      // The L1 is made from the write-ahead log, where the refused records still lie.
      await eventually(
        "L1 built",
        () => metric(pintail, "pintail_segments", 'level="1"'),
        (count) => count > 0,
      );
      await check();
      expect(await pintail.stop()).toBe(0);
      pintail = await PintailProcess.start({ dir: pintail.dir, extraYaml });
      await check();
      expect(hexOfBase64((await spansOf(pintail, small))[0]!.traceId)).toBe(small);
    } finally {
      await pintail.remove();
    }
  });
});
