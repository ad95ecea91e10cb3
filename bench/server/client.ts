/** The sending side in a process of its own, so that its CPU time is not the server's. */
import { randomBytes } from "node:crypto";
import { RequestStamper } from "../request-stamper.ts";
import { HttpClient } from "../support/http-get.ts";
import { sleep } from "../support/progress.ts";
import { quantile } from "../support/stats.ts";
import { makeRequests } from "../workload.ts";
import type { ClientTask, FromClient, Latencies, Seen, Sent, ToClient } from "./client-messages.ts";
import { probeRequest } from "./probe.ts";
import { openSender, type Sender } from "./sender.ts";

const SPANS_PER_REQUEST = 500;
/** Traces of the workload begin this far apart, about: 100 000 spans a second. */
const NANOS_PER_SPAN = 10_000n;
/** A span that is acknowledged and not found for this long is lost. */
const VISIBLE_TIMEOUT_MS = 15_000;
const SEARCH_WINDOW_SECONDS = 600;

class Client {
  readonly #sender: Sender;
  readonly #queries = new HttpClient(4);
  readonly #queryUrl: string;
  readonly #stampers: readonly RequestStamper[];
  #nextBody = 0;

  constructor({ sender, queryUrl, distinctSpans }: Extract<ClientTask, { type: "open" }>) {
    this.#sender = openSender(sender);
    this.#queryUrl = queryUrl;
    this.#stampers = makeRequests({
      spans: distinctSpans,
      seed: 1,
      spansPerRequest: SPANS_PER_REQUEST,
      spreadNanos: BigInt(distinctSpans) * NANOS_PER_SPAN,
    }).map((body) => new RequestStamper(body));
  }

  async load({ spans, inFlight }: Extract<ClientTask, { type: "load" }>): Promise<Sent> {
    const tally = new Tally();
    const work = async (): Promise<void> => {
      while (tally.spans < spans) {
        const { body, spanCount, traceCount } = this.#nextRequest();
        tally.add(spanCount, traceCount, body.length);
        const startMs = performance.now();
        await this.#sender.send(body);
        tally.acknowledged(performance.now() - startMs);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, work));
    return tally.result();
  }

  /** A late request counts from when it was due, so that a stall of the server is not hidden. */
  async rate({ perSecond, requests }: Extract<ClientTask, { type: "rate" }>): Promise<Sent> {
    const tally = new Tally();
    const sends: Promise<void>[] = [];
    const startMs = performance.now();
    for (let i = 0; i < requests; i++) {
      const { body, spanCount, traceCount } = this.#nextRequest();
      tally.add(spanCount, traceCount, body.length);
      const dueMs = startMs + (i * 1000) / perSecond;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      const send = this.#sender.send(body).then(() => {
        tally.acknowledged(performance.now() - dueMs);
      });
      // Reported at the end; until then nobody waits for it.
      send.catch(() => {});
      sends.push(send);
    }
    await Promise.all(sends);
    return tally.result();
  }

  async visible({ by, probes }: Extract<ClientTask, { type: "visible" }>): Promise<Seen> {
    const latencies: number[] = [];
    let atOnce = 0;
    for (let i = 0; i < probes; i++) {
      const traceId = randomBytes(16);
      const value = `probe-${traceId.toString("hex")}`;
      const service = "bench-probe";
      const startUnixNano = BigInt(Date.now()) * 1_000_000n;
      const spanId = randomBytes(8);
      const body = probeRequest({
        ...{ traceId, spanId, service, name: "probe", key: "bench.probe", value, startUnixNano },
      });
      await this.#sender.send(body);
      const ackMs = performance.now();
      const found =
        by === "trace-id"
          ? () => this.#hasTrace(traceId.toString("hex"))
          : () => this.#findsProbe(value);
      let tries = 1;
      for (; !(await found()); tries++) {
        if (performance.now() - ackMs > VISIBLE_TIMEOUT_MS) {
          throw new Error(`acknowledged, but not found by ${by} (${tries} tries): ${value}`);
        }
      }
      if (tries === 1) atOnce++;
      latencies.push(performance.now() - ackMs);
    }
    return { spans: probes, traces: probes, latency: latenciesOf(latencies), atOnce };
  }

  close(): void {
    this.#sender.close();
    this.#queries.close();
  }

  #nextRequest(): { body: Uint8Array; spanCount: number; traceCount: number } {
    const at = this.#nextBody++;
    const stamper = this.#stampers[at % this.#stampers.length]!;
    const nowUnixNano = BigInt(Date.now()) * 1_000_000n;
    const body = stamper.stamp({
      copy: Math.floor(at / this.#stampers.length),
      shiftNanos: nowUnixNano - stamper.startUnixNano,
    });
    return { body, spanCount: stamper.spanCount, traceCount: stamper.traceCount };
  }

  async #hasTrace(traceIdHex: string): Promise<boolean> {
    const { status, body } = await this.#queries.send(`${this.#queryUrl}/api/traces/${traceIdHex}`);
    if (status !== 200 && status !== 404) throw new Error(`trace by id: ${status} ${body}`);
    return status === 200;
  }

  async #findsProbe(value: string): Promise<boolean> {
    const nowSeconds = Math.floor(Date.now() / 1000);
    const params = new URLSearchParams({
      q: `{ span.bench.probe = "${value}" }`,
      start: String(nowSeconds - SEARCH_WINDOW_SECONDS),
      end: String(nowSeconds + SEARCH_WINDOW_SECONDS),
    });
    const { status, body } = await this.#queries.send(`${this.#queryUrl}/api/search?${params}`);
    if (status !== 200) throw new Error(`search: ${status} ${body}`);
    const { traces } = JSON.parse(body.toString()) as { traces?: unknown[] };
    return (traces ?? []).length > 0;
  }
}

class Tally {
  spans = 0;
  #traces = 0;
  #requests = 0;
  #bytes = 0;
  readonly #latencies: number[] = [];
  readonly #startMs = performance.now();

  add(spans: number, traces: number, bytes: number): void {
    this.spans += spans;
    this.#traces += traces;
    this.#requests++;
    this.#bytes += bytes;
  }

  acknowledged(latencyMs: number): void {
    this.#latencies.push(latencyMs);
  }

  result(): Sent {
    return {
      spans: this.spans,
      traces: this.#traces,
      requests: this.#requests,
      bytes: this.#bytes,
      wallMs: performance.now() - this.#startMs,
      ack: latenciesOf(this.#latencies),
    };
  }
}

function latenciesOf(values: readonly number[]): Latencies {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

let client: Client | undefined;

async function run(task: ClientTask): Promise<Sent | Seen | undefined> {
  if (task.type === "open") {
    client = new Client(task);
    return undefined;
  }
  if (client === undefined) throw new Error("not opened");
  switch (task.type) {
    case "load":
      return client.load(task);
    case "rate":
      return client.rate(task);
    case "visible":
      return client.visible(task);
    case "close":
      client.close();
      return undefined;
    default:
      return task satisfies never;
  }
}

const reply = (message: FromClient): void => {
  process.send?.(message);
};
process.on("message", ({ id, task }: ToClient) => {
  run(task).then(
    (result) => reply({ id, result }),
    (e) => reply({ id, error: e instanceof Error ? e.message : String(e) }),
  );
});
process.on("disconnect", () => process.exit(0));
