import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countStored } from "../support/data-folder.ts";
import { expectTrue, type Figure, numberText } from "../support/figures.ts";
import type { Protocol, RuntimeName } from "../support/options.ts";
import { sleep } from "../support/progress.ts";
import { ServerProcess } from "../support/server-process.ts";
import type { Latencies } from "./client-messages.ts";
import { ClientProcess } from "./client-process.ts";

/** Of the open loop; a request holds about 500 spans. */
export const RATE_PER_SECOND = 20;
export const IN_FLIGHT = 8;
const CONNECTIONS: Readonly<Record<Protocol, number>> = { http: 8, grpc: 4 };
const POLL_MS = 200;
/** Nothing that is waited for takes longer, unless it never comes. */
const WAIT_TIMEOUT_MS = 180_000;

export type SessionOptions = {
  readonly dir: string;
  readonly protocol: Protocol;
  readonly runtime: RuntimeName;
  readonly distinctSpans: number;
  /** Age at which the last spans become an L1 segment. */
  readonly l1After: string;
  /** The server's program instead of the real one. */
  readonly entry?: string | undefined;
};

export type Session = {
  readonly server: ServerProcess;
  readonly client: ClientProcess;
  readonly sent: SentTotal;
};

class SentTotal {
  spans = 0;
  traces = 0;

  add(sent: { readonly spans: number; readonly traces: number }): void {
    this.spans += sent.spans;
    this.traces += sent.traces;
  }
}

/** Starts server and client, and counts at the end what the folder holds. */
export async function withServer<T>(
  { dir, protocol, runtime, distinctSpans, l1After, entry }: SessionOptions,
  measure: (session: Session) => Promise<T>,
): Promise<T> {
  const server = await ServerProcess.start({
    dir,
    runtime,
    ...(entry === undefined ? {} : { entry }),
    yaml: `ingester: { max_block_duration: ${l1After} }
overrides: { defaults: { ingestion: { rate_limit_bytes: 2000000000, burst_size_bytes: 2000000000 } } }
`,
  });
  const sent = new SentTotal();
  let result: T;
  try {
    const client = await ClientProcess.start({
      sender: { protocol, ports: server.ports, connections: CONNECTIONS[protocol] },
      queryUrl: server.url,
      distinctSpans,
    });
    try {
      result = await measure({ server, client, sent });
    } finally {
      await client.close();
    }
  } finally {
    await server.stop();
  }
  const counted = await countStored(dir);
  expectTrue(
    counted.spans === sent.spans && counted.traces === sent.traces,
    `stored are ${counted.spans} spans of ${counted.traces} traces, ` +
      `sent were ${sent.spans} of ${sent.traces}\n${server.output}`,
  );
  return result;
}

export async function inFolder<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "pintail-bench-"));
  try {
    return await work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export function storedSpans(metric: (name: string) => number): number {
  return metric("tempodb_backend_objects_total");
}

/** All is in L1 segments, and WAL and L0 are released. */
export async function allInL1(server: ServerProcess, spans: number): Promise<boolean> {
  const metric = await server.metrics();
  return (
    metric("pintail_wal_pending_bytes") === 0 &&
    metric('pintail_segments{level="0"}') === 0 &&
    storedSpans(metric) === spans
  );
}

/** Asking costs the server about a millisecond, so it is not asked often. */
export async function until(
  server: ServerProcess,
  what: string,
  done: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + WAIT_TIMEOUT_MS;
  while (!(await done())) {
    if (performance.now() > deadline) {
      throw new Error(`waited in vain for ${what}:\n${server.output}`);
    }
    await sleep(POLL_MS);
  }
}

export function latencyFigure(
  id: string,
  label: string,
  latency: Latencies,
  note?: string,
): Figure {
  const { p50, p90, p99, max, count } = latency;
  const others = `p90 ${numberText(p90)}, p99 ${numberText(p99)}, max ${numberText(max)} ms of ${count}`;
  return {
    id,
    label: `${label}, p50`,
    unit: "ms",
    value: p50,
    note: note === undefined ? others : `${others}; ${note}`,
  };
}
