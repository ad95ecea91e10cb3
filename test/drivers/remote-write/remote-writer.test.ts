import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/runtime/clock.ts";
import { sleep } from "../../../src/util/sleep.ts";
import { eventually } from "../../runtime/support.ts";
import { freePorts } from "../../support/free-ports.ts";
import type { SinkAnswer } from "../../support/remote-write-sink.ts";
import { aBatch, arrivals, Writers } from "./support.ts";

const FLUSH_MS = 10_000;
const OK: SinkAnswer = { status: 204 };

const writers = new Writers();
afterEach(() => writers.closeAll());

/** An answer that waits for `open`. */
function gate() {
  let open = () => {};
  const opened = new Promise<SinkAnswer>((resolve) => {
    open = () => resolve(OK);
  });
  return { opened, open };
}

/** Sleeps that are over at once, and how long they should have been. */
function noSleep() {
  const waits: number[] = [];
  const sleep = async (ms: number, signal: AbortSignal) => {
    if (ms === FLUSH_MS) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    else waits.push(ms);
  };
  return { waits, sleep };
}

describe("order", () => {
  test("batches of a tenant arrive one after the other, over one connection", async () => {
    const sink = await writers.sink(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return OK;
    });
    const writer = await writers.open(sink.url);
    for (let i = 0; i < 20; i++) writer.push(aBatch("a", i));
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests)).toEqual(Array.from({ length: 20 }, (_, i) => ["a", i]));
    expect([sink.atOnce(), sink.connections()]).toEqual([1, 1]);
    expect(writers.count("queued")).toBe(20);
    expect(writers.count("sent")).toBe(20);
  });

  test("a tenant whose endpoint hangs does not hold up another", async () => {
    const { opened, open } = gate();
    const sink = await writers.sink(({ headers }) =>
      headers["x-scope-orgid"] === "slow" ? opened : OK,
    );
    const writer = await writers.open(sink.url);
    writer.push(aBatch("slow", 1));
    writer.push(aBatch("slow", 2));
    for (let i = 0; i < 3; i++) writer.push(aBatch("fast", i));
    await eventually(() => writers.count("sent") === 3);
    expect(arrivals(sink.requests).filter(([tenant]) => tenant === "slow")).toEqual([["slow", 1]]);
    open();
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests).at(-1)).toEqual(["slow", 2]);
  });

  test("there are no more requests at a time than shards, and all tenants get their turn", async () => {
    const sink = await writers.sink(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return OK;
    });
    const writer = await writers.open(sink.url, { queue: { maxShards: 2 } });
    for (let i = 0; i < 3; i++) for (const t of ["a", "b", "c", "d"]) writer.push(aBatch(t, i));
    await writer.flush(FLUSH_MS);
    expect(sink.atOnce()).toBe(2);
    expect(new Set(arrivals(sink.requests).slice(0, 4)).size).toBe(4);
    expect(writers.count("sent")).toBe(12);
  });

  test("a tenant that waits for its next try leaves its turn to others", async () => {
    const sink = await writers.sink(({ headers }) =>
      headers["x-scope-orgid"] === "bad" ? { status: 503, headers: { "Retry-After": "60" } } : OK,
    );
    const writer = await writers.open(sink.url, { queue: { maxShards: 1 } });
    writer.push(aBatch("bad", 1));
    writer.push(aBatch("good", 1));
    await eventually(() => writers.count("sent") === 1);
    expect(writers.count("retried")).toBe(1);
  });
});

describe("retries", () => {
  test("503 is tried again after Retry-After, before the tenant's next batch", async () => {
    const sink = await writers.sink((_, index) =>
      index < 2 ? { status: 503, headers: { "Retry-After": "7" } } : OK,
    );
    const { waits, sleep } = noSleep();
    const writer = await writers.open(sink.url, {}, { sleep });
    writer.push(aBatch("a", 1));
    writer.push(aBatch("a", 2));
    await writer.flush(FLUSH_MS);
    expect(waits).toEqual([7000, 7000]);
    expect(arrivals(sink.requests).map(([, value]) => value)).toEqual([1, 1, 1, 2]);
    const attempts = sink.requests.map(({ headers }) => headers["retry-attempt"]);
    expect(attempts).toEqual([undefined, "1", "2", undefined]);
    expect(writers.count("retried")).toBe(2);
    expect(writers.count("sent")).toBe(2);
  });

  test("a date in Retry-After is seen from the wall clock", async () => {
    const now = Date.UTC(2026, 0, 1);
    const sink = await writers.sink((_, index) =>
      index === 0
        ? { status: 500, headers: { "Retry-After": new Date(now + 3000).toUTCString() } }
        : OK,
    );
    const { waits, sleep } = noSleep();
    const clock = { ...systemClock, nowUnixMs: () => now };
    const writer = await writers.open(sink.url, {}, { sleep, clock });
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect(waits).toEqual([3000]);
  });

  test("waits grow with failures, and begin anew after a success", async () => {
    const sink = await writers.sink((_, index) => (index === 3 ? OK : { status: 500 }));
    const { waits, sleep } = noSleep();
    const stopped = async (ms: number, signal: AbortSignal) => {
      await sleep(ms, signal);
      if (waits.length > 4)
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    const writer = await writers.open(sink.url, {}, { sleep: stopped, random: () => 1 });
    writer.push(aBatch("a", 1));
    writer.push(aBatch("a", 2));
    await eventually(() => waits.length === 5);
    expect(waits).toEqual([10, 20, 40, 10, 20]);
  });

  test("429 drops the batch unless the settings say otherwise", async () => {
    const limited = () => ({ status: 429, headers: { "Retry-After": "2" }, body: "slow down" });
    const sink = await writers.sink((_, index) => (index === 0 ? limited() : OK));
    const writer = await writers.open(sink.url);
    writer.push(aBatch("a", 1));
    writer.push(aBatch("a", 2));
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests).map(([, value]) => value)).toEqual([1, 2]);
    expect(writers.count("failed")).toBe(1);
    expect(writers.count("sent")).toBe(1);
  });

  test("429 is tried again when the settings say so", async () => {
    const sink = await writers.sink((_, index) =>
      index === 0 ? { status: 429, headers: { "Retry-After": "2" } } : OK,
    );
    const { waits, sleep } = noSleep();
    const writer = await writers.open(sink.url, { queue: { retryOnRateLimit: true } }, { sleep });
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect(waits).toEqual([2000]);
    expect(writers.count("sent")).toBe(1);
    expect(writers.count("failed")).toBe(0);
  });

  test("an endpoint that does not answer in time is asked again", async () => {
    const sink = await writers.sink((_, index) => (index === 0 ? "never" : OK));
    const writer = await writers.open(sink.url, { timeoutMs: 50 });
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect(sink.requests.length).toBe(2);
    expect(writers.logs).toMatchObject([
      {
        msg: "remote write failed, will be tried again",
        tenant: "a",
        reason: `no answer of 127.0.0.1:${sink.port} in 50 ms`,
      },
    ]);
  });

  test("an endpoint that is dead and comes back gets all, in order", async () => {
    const [port] = await freePorts(1);
    const writer = await writers.open(`http://127.0.0.1:${port}/api/v1/push`);
    for (let i = 0; i < 3; i++) writer.push(aBatch("a", i));
    await eventually(() => writers.count("retried") >= 2);
    const sink = await writers.sink(() => OK, { port: port! });
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests)).toEqual([0, 1, 2].map((value) => ["a", value]));
    expect(writers.count("sent")).toBe(3);
    expect(writers.logs.length).toBe(1);
    expect(writers.logs[0]!.reason).toContain("ECONNREFUSED");
  });

  test("an endpoint that closes the connection without an answer is asked again", async () => {
    let connections = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      connections++;
      socket.once("data", () =>
        connections < 3 ? socket.destroy() : socket.end("HTTP/1.1 200 OK\r\n\r\nfine"),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const writer = await writers.open(`http://127.0.0.1:${port}/`);
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect([connections, writers.count("sent")]).toEqual([3, 1]);
    server.close();
  });
});

describe("refusals", () => {
  test("an answer without end settles its batch, and is not read on", async () => {
    let closed = false;
    const server = createHttpServer((request, response) => {
      request.resume();
      response.on("close", () => {
        closed = true;
      });
      const write = () => {
        while (!closed && response.write("x".repeat(10_000)));
      };
      response.on("drain", write);
      write();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const writer = await writers.open(`http://127.0.0.1:${port}/`);
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect(writers.count("sent")).toBe(1);
    await eventually(() => closed);
    server.close();
  });

  test("other 4xx drop the batch, with the start of the answer in one warning a minute", async () => {
    const body = `out of order sample ${"x".repeat(100_000)}`;
    const sink = await writers.sink(() => ({ status: 400, body }));
    const writer = await writers.open(sink.url);
    for (let i = 0; i < 3; i++) writer.push(aBatch("a", i));
    await writer.flush(FLUSH_MS);
    expect(sink.requests.length).toBe(3);
    expect(writers.count("failed")).toBe(3);
    expect(writers.logs).toMatchObject([
      {
        level: "warn",
        msg: "remote write was refused",
        remote: "far",
        url: sink.url,
        tenant: "a",
        status: 400,
        reason: body.slice(0, 256),
        sampleCount: 1,
      },
    ]);
  });

  test("redirects are not followed", async () => {
    const other = await writers.sink();
    const sink = await writers.sink(() => ({ status: 307, headers: { Location: other.url } }));
    const writer = await writers.open(sink.url);
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect([other.requests.length, writers.count("failed")]).toEqual([0, 1]);
  });

  test("a batch whose headers cannot be sent is refused without a request", async () => {
    const sink = await writers.sink();
    const writer = await writers.open(sink.url);
    writer.push(aBatch("a", 1, { headers: { "X-Bad": "a\nb" } }));
    await writer.flush(FLUSH_MS);
    expect([sink.requests.length, writers.count("failed")]).toEqual([0, 1]);
  });

  test.each(["nowhere", "ftp://127.0.0.1/", "http://a:%zz@127.0.0.1/"])(
    "the address %s is invalid",
    async (url) => {
      await expect(writers.open(url)).rejects.toMatchObject({ kind: "invalid" });
    },
  );
});

describe("headers", () => {
  test("a request has those of the protocol, the endpoint and the batch", async () => {
    const sink = await writers.sink();
    const writer = await writers.open(`${sink.url}?a=b`, {
      headers: { "X-Scope-OrgID": "all", "X-Team": "Grün" },
    });
    writer.push(aBatch("a", 1, { headers: { "x-scope-orgid": "mine" } }));
    await writer.flush(FLUSH_MS);
    const [{ path, headers }] = sink.requests as [(typeof sink.requests)[0]];
    expect(path).toBe("/api/v1/push?a=b");
    expect(headers).toMatchObject({
      "content-type": "application/x-protobuf",
      "content-encoding": "snappy",
      "x-prometheus-remote-write-version": "0.1.0",
      "x-scope-orgid": "mine",
      "x-team": Buffer.from("Grün").toString("latin1"),
    });
    expect(headers["user-agent"]).toMatch(/^Pintail\//);
    expect(headers["transfer-encoding"]).toBeUndefined();
  });

  test("credentials of the URL are used, and told to nobody", async () => {
    const sink = await writers.sink(() => ({ status: 400 }));
    const writer = await writers.open(sink.url.replace("//", "//me:p%C3%A4ss@"));
    writer.push(aBatch("a", 1));
    await writer.flush(FLUSH_MS);
    expect(sink.requests[0]!.headers.authorization).toBe(
      `Basic ${Buffer.from("me:päss").toString("base64")}`,
    );
    expect(writers.logs[0]!.url).toBe(sink.url);
  });

  test("a secret that is missing for a while delays the batch", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pintail-secret-"));
    const path = join(folder, "token");
    const sink = await writers.sink();
    const writer = await writers.open(sink.url, {
      auth: { type: "header", scheme: "Bearer", credentials: { type: "file", path } },
    });
    writer.push(aBatch("a", 1));
    await eventually(() => writers.count("retried") > 0);
    await writeFile(path, "abc\n");
    await writer.flush(FLUSH_MS);
    expect(sink.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer abc"]);
    await rm(folder, { recursive: true });
  });
});

describe("bounds", () => {
  test("the oldest samples that wait are dropped and counted", async () => {
    const { opened, open } = gate();
    const sink = await writers.sink(() => opened);
    const writer = await writers.open(sink.url, { queue: { maxSamples: 3 } });
    for (let i = 0; i < 6; i++) writer.push(aBatch("a", i));
    open();
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests).map(([, value]) => value)).toEqual([0, 4, 5]);
    expect([writers.count("dropped"), writers.count("sent")]).toEqual([3, 3]);
    expect(writers.logs).toMatchObject([{ batches: 1, sampleCount: 1 }]);
  });

  test("a batch that rests after a failure makes room, too", async () => {
    let healthy = false;
    const sink = await writers.sink(() => (healthy ? OK : { status: 500 }));
    const writer = await writers.open(sink.url, {
      queue: { maxSamples: 1, minBackoffMs: 100, maxBackoffMs: 100 },
    });
    writer.push(aBatch("a", 1));
    await eventually(() => writers.count("retried") === 1);
    writer.push(aBatch("a", 2));
    healthy = true;
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests).map(([, value]) => value)).toEqual([1, 2]);
    expect([writers.count("dropped"), writers.count("sent")]).toEqual([1, 1]);
  });

  test("a batch beyond the bounds alone is dropped, and nobody waits for it", async () => {
    const sink = await writers.sink();
    const writer = await writers.open(sink.url, { queue: { maxSamples: 3 } });
    writer.push(aBatch("a", 1, { sampleCount: 4 }));
    await writer.flush(FLUSH_MS);
    expect([sink.requests.length, writers.count("dropped")]).toEqual([0, 4]);
  });
});

describe("the end", () => {
  test("a flush of nothing is over at once", async () => {
    const writer = await writers.open("http://127.0.0.1:1/");
    await writer.flush(FLUSH_MS);
  });

  test("a flush whose time is over drops what is left, and breaks off requests", async () => {
    const sink = await writers.sink(() => "never");
    const writer = await writers.open(sink.url);
    for (const tenant of ["a", "b"]) for (let i = 0; i < 3; i++) writer.push(aBatch(tenant, i));
    await eventually(() => sink.requests.length === 2);
    const from = performance.now();
    await writer.flush(60);
    expect(performance.now() - from).toBeLessThan(2000);
    // What was broken off must not be counted once more.
    await sleep(20, new AbortController().signal);
    expect(writers.count("dropped")).toBe(6);
    expect(writers.count("sent") + writers.count("failed") + writers.count("retried")).toBe(0);
    expect(writers.logs).toMatchObject([
      { msg: "remote write ended before all was sent", batches: 6, sampleCount: 6 },
    ]);
  });

  test("a writer whose flush came too late still sends what is pushed later", async () => {
    const sink = await writers.sink((_, index) => (index === 0 ? "never" : OK));
    const writer = await writers.open(sink.url);
    writer.push(aBatch("a", 1));
    await eventually(() => sink.requests.length === 1);
    await writer.flush(20);
    writer.push(aBatch("a", 2));
    await writer.flush(FLUSH_MS);
    expect(arrivals(sink.requests).map(([, value]) => value)).toEqual([1, 2]);
    expect([writers.count("dropped"), writers.count("sent")]).toEqual([1, 1]);
  });

  test("a closed writer drops what it has and what it is given", async () => {
    const sink = await writers.sink(() => "never");
    const writer = await writers.open(sink.url);
    writer.push(aBatch("a", 1));
    await eventually(() => sink.requests.length === 1);
    const flushed = writer.flush(FLUSH_MS);
    writer.close();
    await flushed;
    writer.push(aBatch("a", 2));
    expect([writers.count("queued"), writers.count("dropped")]).toEqual([2, 2]);
  });
});
