import { connect } from "node:net";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StreamingQuerier } from "../../gen/tempopb/tempo_pb.ts";
import { StreamingClient } from "../api/grpc/streaming-fixture.ts";
import { eventually, metric } from "../support/e2e-answers.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { RUNTIMES } from "../support/runtimes.ts";
import { type ReadEvent, readEvents } from "../support/server-events.ts";

const TRACES = 40;
const idOf = (n: number): string => n.toString(16).padStart(32, "0");

/** One span of each trace. */
function body(ids: readonly number[], more: Record<string, string> = {}): Uint8Array {
  const now = BigInt(Date.now()) * 1_000_000n;
  return encodeRequest(
    aRequest(
      ids.map((n) =>
        aSpan({
          traceId: hex(idOf(n)),
          spanId: hex("00000000000000a1"),
          name: `op ${n}`,
          startTimeUnixNano: now + BigInt(n),
          endTimeUnixNano: now + BigInt(n) + 2_000_000n,
          attributes: attributes({ n: BigInt(n), ...more }),
        }),
      ),
    ),
  );
}

const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);

describe.each(Object.entries(RUNTIMES))("on %s", (_, command) => {
  let pintail: PintailProcess;
  let clients: { readonly http: StreamingClient; readonly grpc: StreamingClient };

  beforeAll(async () => {
    if (command === undefined) return;
    pintail = await PintailProcess.start({
      runtime: command,
      // Shorter than the streams of this test, which it must not cut.
      server: "http_server_write_timeout: 3s\n",
      extraYaml:
        "query_frontend: { max_grpc_streaming_packet_size: 2000 }\nquerier: { max_concurrent_queries: 2 }\n",
    });
    expect((await pintail.push(body(numbers(TRACES)))).status).toBe(200);
    clients = {
      http: new StreamingClient(pintail.ports.http),
      grpc: new StreamingClient(pintail.ports.grpc),
    };
  }, 60_000);
  afterAll(async () => {
    clients?.http.close();
    clients?.grpc.close();
    await pintail?.remove();
  });
  const test = it.skipIf(command === undefined);

  test("plain gRPC clients are served on both ports", { timeout: 60_000 }, async () => {
    for (const client of [clients.http, clients.grpc]) {
      const search = await client.call("search", { Query: "{ span.n > 0 }", Limit: 1000 });
      expect([search.code, search.details]).toEqual([0, ""]);
      expect(Math.max(...search.sizes)).toBeLessThanOrEqual(2000);
      expect(search.messages.length).toBeGreaterThan(3);
      expect(search.messages.every(({ metrics }) => metrics !== undefined)).toBe(true);
      const ids = new Set(search.messages.flatMap((m) => m.traces.map((trace) => trace.traceID)));
      expect(ids.size).toBe(TRACES);
      const tags = await client.call("searchTags", {});
      expect(tags.messages.flatMap(({ tagNames }) => tagNames)).toEqual(["n", "service.name"]);
      const tagsV2 = await client.call("searchTagsV2", { scope: "span" });
      expect(tagsV2.messages.flatMap(({ scopes }) => scopes)).toMatchObject([
        { name: "span", tags: ["n"] },
      ]);
      const values = await client.call("searchTagValues", { tagName: "service.name" });
      expect(values.messages.flatMap(({ tagValues }) => tagValues)).toEqual(["shop"]);
      const valuesV2 = await client.call("searchTagValuesV2", { tagName: "span.n" });
      expect(valuesV2.messages.flatMap(({ tagValues }) => tagValues).length).toBe(TRACES);
      const end = BigInt(Date.now() + 60_000) * 1_000_000n;
      const times = { start: end - 600_000_000_000n, end };
      const range = await client.call("metricsQueryRange", {
        query: "{ span.n > 0 && span.n < 1000 } | count_over_time()",
        ...times,
      });
      expect([range.code, range.details]).toEqual([0, ""]);
      expect(Math.max(...range.sizes)).toBeLessThanOrEqual(2000);
      const last = new Map(
        range.messages.flatMap(({ series }) =>
          series.flatMap(({ samples }) => samples.map((s) => [s.timestampMs, s.value] as const)),
        ),
      );
      expect([...last.values()].reduce((a, b) => a + b, 0)).toBe(TRACES);
      const instant = await client.call("metricsQueryInstant", {
        query: "{ span.n > 0 && span.n < 1000 } | count_over_time()",
        ...times,
      });
      expect([instant.code, instant.details]).toEqual([0, ""]);
      expect(instant.messages.at(-1)!.series.map(({ value }) => value)).toEqual([TRACES]);
      const refused = await client.call("search", { Query: "{ oops" });
      expect(refused.code).toBe(3);
      expect(refused.details).toMatch(/^invalid TraceQL query: parse error at line 1, col/);
    }
  });

  test("a request far larger than any query is refused", { timeout: 60_000 }, async () => {
    const answer = await clients.grpc.call("search", { Query: "x".repeat(2 * 1024 * 1024) });
    expect(answer.code).toBe(8);
    const long = await clients.grpc.call("search", {
      Query: `{ name = "${"x".repeat(200_000)}" }`,
    });
    expect([long.code, long.details]).toEqual([
      3,
      expect.stringMatching(/^TraceQL expression exceeds the configured maximum size/),
    ]);
  });

  test("a client that cancels leaves its place to the next", { timeout: 60_000 }, async () => {
    for (let i = 0; i < 20; i++) {
      const call = clients.http.open("search", { Query: "{ span.n > 0 }", Limit: 1000 });
      call.on("error", () => {});
      if (i % 2 === 0) call.once("data", () => call.cancel());
      else setTimeout(() => call.cancel(), i);
      call.resume();
      await new Promise((done) => call.once("status", done));
    }
    const answer = await clients.grpc.call("search", { Query: "{}" });
    expect(answer.code).toBe(0);
  });

  test("gRPC-Web and Connect clients are served too", { timeout: 60_000 }, async () => {
    const baseUrl = pintail.url;
    const transports: Transport[] = [
      createGrpcTransport({ baseUrl }),
      createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
      createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
      createGrpcWebTransport({
        baseUrl: `http://127.0.0.1:${pintail.ports.grpc}`,
        httpVersion: "2",
      }),
      createConnectTransport({ baseUrl, httpVersion: "1.1" }),
      createConnectTransport({ baseUrl, httpVersion: "2" }),
      createConnectTransport({
        baseUrl: `http://127.0.0.1:${pintail.ports.grpc}`,
        httpVersion: "2",
      }),
    ];
    for (const transport of transports) {
      const client = createClient(StreamingQuerier, transport);
      const ids = new Set<string>();
      for await (const { traces } of client.search({ Query: "{}", Limit: 7 })) {
        for (const { traceID } of traces) ids.add(traceID);
      }
      expect(ids.size).toBe(7);
    }
  });

  test("a search comes as server-sent events", { timeout: 60_000 }, async () => {
    const response = await pintail.get("/api/search?q=%7B%7D&limit=5", {
      accept: "text/event-stream",
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-encoding")).toBeNull();
    const events: ReadEvent[] = [];
    for await (const event of readEvents(response)) events.push(event);
    const { event, data } = events.at(-1)!;
    expect(event).toBe("result");
    expect((data as { traces: unknown[] }).traces.length).toBe(5);
  });

  test("a live tail shows matching spans once, soon after they came", {
    timeout: 60_000,
  }, async () => {
    const stop = new AbortController();
    const query = encodeURIComponent("{ span.n >= 1001 && span.n < 1010 } | select(span.n)");
    const response = await fetch(`${pintail.url}/api/tail?q=${query}`, { signal: stop.signal });
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
    ]);
    expect(await metric(pintail, "pintail_tails")).toBe(1);
    const events = readEvents(response);
    const delays: number[] = [];
    // Longer than the write time-out in all.
    for (const from of [1000, 1003, 1006, 1008]) {
      const sentMs = Date.now();
      expect((await pintail.push(body(numbers(3, from)))).status).toBe(200);
      const wanted = numbers(3, from).filter((n) => n >= 1001 && n < 1010);
      const names: string[] = [];
      while (names.length < wanted.length) {
        const { value } = await events.next();
        expect(value).toMatchObject({ event: "span", data: { serviceName: "shop" } });
        names.push((value as { data: { name: string } }).data.name);
      }
      delays.push(Date.now() - sentMs);
      expect(names.sort()).toEqual(wanted.map((n) => `op ${n}`).sort());
      await new Promise((done) => setTimeout(done, 900));
    }
    // A cut a second; the machine may be busy.
    expect(Math.min(...delays)).toBeLessThan(2000);
    stop.abort();
    await eventually(
      "the tail is gone",
      () => metric(pintail, "pintail_tails"),
      (count) => count === 0,
    );
  });

  test("a tail whose client does not read is told what it lost", { timeout: 60_000 }, async () => {
    const socket = connect(pintail.ports.http, "127.0.0.1");
    socket.on("error", () => {});
    const query = encodeURIComponent("{ span.n > 100000 } | select(span.text)");
    socket.write(`GET /api/tail?q=${query} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await eventually(
      "the tail is open",
      () => metric(pintail, "pintail_tails"),
      (count) => count === 1,
    );
    socket.pause();
    const text = "x".repeat(2000);
    const pushes = 12;
    for (let i = 1; i <= pushes; i++) {
      const sent = await pintail.push(body(numbers(1500, 100_000 * i + 1), { text: text + i }));
      expect(sent.status).toBe(200);
      await pintail.json("/api/search?q=%7B%20name%20%3D%20%22nobody%22%20%7D");
    }
    let answer = "";
    let shown = 0;
    let lost = 0;
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
      const end = answer.lastIndexOf("\n\n");
      const whole = answer.slice(0, end + 1);
      answer = answer.slice(end + 1);
      shown += whole.match(/^event: span$/gm)?.length ?? 0;
      for (const [, spans] of whole.matchAll(/^data: \{"spans":(\d+),"segments":\d+\}$/gm)) {
        lost += Number(spans);
      }
    });
    socket.resume();
    await eventually(
      "all spans are accounted for",
      async () => shown + lost,
      (sum) => sum >= pushes * 1500,
    );
    expect(shown + lost).toBe(pushes * 1500);
    expect(shown).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(0);
    expect(await metric(pintail, "pintail_tail_dropped_spans_total")).toBe(lost);
    socket.destroy();
  });

  test("a tail that needs more than one span is refused", { timeout: 60_000 }, async () => {
    const response = await pintail.get(`/api/tail?q=${encodeURIComponent("{} >> {}")}`);
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/^invalid live tail query: a live tail looks at spans/);
  });

  test("open tails end when Pintail stops, and do not delay it", { timeout: 60_000 }, async () => {
    const response = await pintail.get("/api/tail");
    const events = readEvents(response);
    const next = events.next();
    const began = Date.now();
    expect(await pintail.stop(), pintail.output).toBe(0);
    expect(Date.now() - began).toBeLessThan(10_000);
    expect((await next).done).toBe(true);
  });
});
