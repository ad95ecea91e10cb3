import { join } from "node:path";
import {
  type BenchResult,
  expectTrue,
  type Figure,
  mebibytesFigure,
  numberText,
} from "../support/figures.ts";
import type { BenchOptions, Protocol } from "../support/options.ts";
import { canReadUsage } from "../support/process-usage.ts";
import { progress, sleep } from "../support/progress.ts";
import type { Seen, Sent } from "./client-messages.ts";
import {
  allInL1,
  IN_FLIGHT,
  inFolder,
  latencyFigure,
  RATE_PER_SECOND,
  storedSpans,
  until,
  withServer,
} from "./session.ts";

type Size = {
  readonly spans: number;
  /**
   * Sent before, so that compilers and caches are warm: the first million spans of a process cost
   * two to three times as much.
   */
  readonly warmUpSpans: number;
  readonly distinctSpans: number;
  readonly rateRequests: number;
  readonly probes: number;
  /** Time from the start to the first look at the resident size. */
  readonly idleMs: number;
  /** Time from the last span to the second. */
  readonly settleMs: number;
  /** Age at which the last spans become an L1 segment. */
  readonly l1After: string;
};

const FULL: Size = {
  spans: 1_000_000,
  warmUpSpans: 1_000_000,
  distinctSpans: 100_000,
  rateRequests: 600,
  probes: 100,
  idleMs: 10_000,
  settleMs: 30_000,
  l1After: "10s",
};
const SMOKE: Size = {
  spans: 4000,
  warmUpSpans: 1000,
  distinctSpans: 2000,
  rateRequests: 10,
  probes: 3,
  idleMs: 200,
  settleMs: 200,
  l1After: "1s",
};

/** What the whole server costs a span, from the socket to durable and sorted. */
export async function benchServer(options: BenchOptions): Promise<BenchResult> {
  const base = options.smoke ? SMOKE : FULL;
  const size = { ...base, spans: options.spans ?? base.spans };
  const figures: Figure[] = [];
  let runtime = "";
  const onStart = (name: string): void => {
    runtime = name;
  };
  for (const protocol of options.protocols) {
    figures.push(
      ...(await inFolder((dir) => measureL0({ dir, protocol, size, options, onStart }))),
    );
    // The smoke run is to be short: both protocols and both programs, not each with each.
    if (options.smoke && figures.length > 1) continue;
    figures.push(
      ...(await inFolder((dir) => measureLife({ dir, protocol, size, options, onStart }))),
    );
  }
  return {
    name: "server",
    parameters: {
      runtime,
      spans: size.spans,
      warmUpSpans: size.warmUpSpans,
      requestsInFlight: IN_FLIGHT,
      ratePerSecond: RATE_PER_SECOND,
    },
    figures,
    skipped: canReadUsage() ? [] : ["CPU and memory of the server: only Linux has /proc"],
  };
}

type Run = {
  readonly dir: string;
  readonly protocol: Protocol;
  readonly size: Size;
  readonly options: BenchOptions;
  readonly onStart: (runtime: string) => void;
};

function sessionOf({ dir, protocol, size, options }: Run, l1After: string, entry?: string) {
  const { runtime } = options;
  return { dir, protocol, runtime, distinctSpans: size.distinctSpans, l1After, entry };
}

/** WAL and L0 alone. */
async function measureL0(run: Run): Promise<Figure[]> {
  const { protocol, size } = run;
  const entry = join(import.meta.dirname, "l0-only.ts");
  return withServer(sessionOf(run, "1h", entry), async ({ server, client, sent }) => {
    run.onStart(await server.runtime());
    progress(`server: ${protocol}, WAL and L0, ${size.spans} spans`);
    const load = async (spans: number): Promise<Sent> => {
      const result = await client.run({ type: "load", spans, inFlight: IN_FLIGHT });
      sent.add(result);
      await until(server, "a cut of all spans", async () => {
        const metric = await server.metrics();
        return metric("pintail_wal_pending_bytes") === 0 && storedSpans(metric) === sent.spans;
      });
      return result;
    };
    await load(size.warmUpSpans);
    const before = server.usage();
    const result = await load(size.spans);
    const after = server.usage();
    const metric = await server.metrics();
    expectTrue(
      metric('pintail_segments{level="0"}') === metric("pintail_segments"),
      "L1 segments were built in the phase that is to have none: take fewer spans",
    );
    return [
      {
        id: `server.${protocol}.l0`,
        label: `OTLP/${protocol}, WAL + L0, until acknowledged and cut`,
        unit: "us/span",
        value: (after.cpuMicros - before.cpuMicros) / result.spans,
        note: `${numberText(result.bytes / result.spans)} B/span sent, ${perSecond(result)}`,
      },
    ];
  });
}

/** The server as it is: with L1, memory, latencies, and what can be found how soon. */
async function measureLife(run: Run): Promise<Figure[]> {
  const { protocol, size } = run;
  return withServer(sessionOf(run, size.l1After), async ({ server, client, sent }) => {
    run.onStart(await server.runtime());
    const id = `server.${protocol}`;
    await sleep(size.idleMs);
    const idle = server.usage();
    progress(`server: ${protocol}, whole life, ${size.spans} spans`);
    const load = async (spans: number): Promise<Sent> => {
      const result = await client.run({ type: "load", spans, inFlight: IN_FLIGHT });
      sent.add(result);
      await until(server, "an L1 segment of all spans", () => allInL1(server, sent.spans));
      return result;
    };
    await load(size.warmUpSpans);
    const before = server.usage();
    const full = await load(size.spans);
    const after = server.usage();
    const metric = await server.metrics();
    const bytesPerSpan = metric("tempodb_backend_bytes_total") / storedSpans(metric);

    progress(`server: ${protocol}, ${RATE_PER_SECOND} requests a second`);
    const moderate = await client.run({
      type: "rate",
      perSecond: RATE_PER_SECOND,
      requests: size.rateRequests,
    });
    sent.add(moderate);
    progress(`server: ${protocol}, time until visible`);
    const seen: [string, string, Seen][] = [];
    for (const by of ["trace-id", "search"] as const) {
      const probe = () => client.run({ type: "visible", by, probes: size.probes });
      const alone = await probe();
      const [loaded, background] = await Promise.all([
        probe(),
        client.run({
          type: "rate",
          perSecond: RATE_PER_SECOND,
          requests: Math.ceil(size.rateRequests / 2),
        }),
      ]);
      for (const part of [alone, loaded, background]) sent.add(part);
      const rate = `at ${RATE_PER_SECOND} requests/s`;
      seen.push([`${id}.visible.${by}`, `from ack to found by ${by}, otherwise idle`, alone]);
      seen.push([`${id}.visible.${by}.loaded`, `from ack to found by ${by}, ${rate}`, loaded]);
    }
    await until(server, "an L1 segment of all spans", () => allInL1(server, sent.spans));
    const peak = server.usage();
    await sleep(size.settleMs);
    const settled = server.usage();
    const name = `OTLP/${protocol}`;
    return [
      {
        id: `${id}.life`,
        label: `${name}, whole life: WAL, L0, L1`,
        unit: "us/span",
        value: (after.cpuMicros - before.cpuMicros) / full.spans,
        note: perSecond(full),
      },
      {
        id: `${id}.bytes`,
        label: `${name}, stored, L1`,
        unit: "B/span",
        value: bytesPerSpan,
      },
      mebibytesFigure(`${id}.rss.peak`, `${name}, largest resident size`, peak.peakRssBytes),
      mebibytesFigure(
        `${id}.rss.idle`,
        `${name}, resident size idle, after the start`,
        idle.rssBytes,
      ),
      mebibytesFigure(
        `${id}.rss.settled`,
        `${name}, resident size idle, after the load`,
        settled.rssBytes,
      ),
      latencyFigure(
        `${id}.ack.rate`,
        `${name}, ack at ${RATE_PER_SECOND} requests/s`,
        moderate.ack,
      ),
      latencyFigure(`${id}.ack.full`, `${name}, ack at full load`, full.ack),
      ...seen.map(([figureId, label, { latency, atOnce }]) =>
        latencyFigure(
          figureId,
          `${name}, ${label}`,
          latency,
          `first question found ${atOnce} of ${latency.count}`,
        ),
      ),
    ];
  });
}

function perSecond({ spans, wallMs }: Sent): string {
  return `${Math.round(spans / wallMs)}k spans/s`;
}
