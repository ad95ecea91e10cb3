import { type BenchResult, expectTrue, type Figure, numberText } from "../support/figures.ts";
import { HttpClient, type HttpRequestOptions } from "../support/http-get.ts";
import type { BenchOptions } from "../support/options.ts";
import { progress } from "../support/progress.ts";
import type { Sent } from "./client-messages.ts";
import {
  allInL1,
  IN_FLIGHT,
  inFolder,
  latencyFigure,
  RATE_PER_SECOND,
  type Session,
  until,
  withServer,
} from "./session.ts";

type Size = {
  /** Stored before: what the queries work on. */
  readonly spans: number;
  readonly rateRequests: number;
  readonly distinctSpans: number;
  readonly tails: number;
};

const FULL: Size = { spans: 2_000_000, rateRequests: 600, distinctSpans: 100_000, tails: 10 };
const SMOKE: Size = { spans: 4000, rateRequests: 20, distinctSpans: 2000, tails: 3 };

/** Askers at the same time; each asks for the next hostile thing as soon as it is answered. */
const ASKERS = 4;
/** A little over the time limit of a query. */
const SLOWEST_MS = 45_000;

type Hostile = { readonly name: string; readonly path: string } & HttpRequestOptions;

/** How long acknowledgements take beside live tails, and beside queries that want all there is. */
export async function benchAbuse(options: BenchOptions): Promise<BenchResult> {
  const base = options.smoke ? SMOKE : FULL;
  const size = { ...base, spans: options.spans ?? base.spans };
  const { runtime, protocols } = options;
  const protocol = protocols[0] ?? "http";
  const { distinctSpans } = size;
  return inFolder((dir) =>
    withServer({ dir, protocol, runtime, distinctSpans, l1After: "2s" }, async (session) => ({
      name: "abuse",
      parameters: {
        runtime: await session.server.runtime(),
        spans: size.spans,
        ratePerSecond: RATE_PER_SECOND,
        askers: ASKERS,
        tails: size.tails,
      },
      figures: await measure(session, size),
      skipped: [],
    })),
  );
}

async function measure({ server, client, sent }: Session, size: Size): Promise<Figure[]> {
  progress(`abuse: ${size.spans} spans`);
  sent.add(await client.run({ type: "load", spans: size.spans, inFlight: IN_FLIGHT }));
  await until(server, "an L1 segment of all spans", () => allInL1(server, sent.spans));
  const rate = async (): Promise<Sent> => {
    const requests = size.rateRequests;
    const result = await client.run({ type: "rate", perSecond: RATE_PER_SECOND, requests });
    sent.add(result);
    return result;
  };
  progress("abuse: nothing else");
  const alone = await rate();
  progress(`abuse: ${size.tails} tails`);
  const tails = await Tails.open(server.url, size.tails);
  const tailed = await rate();
  const tailBytes = await tails.close();
  expectTrue(tailBytes > 0, "the tails saw nothing");
  progress("abuse: hostile queries");
  const askers = new Askers(server.url);
  const abused = await rate();
  const { answers, slowest, statuses } = await askers.stop();
  await until(server, "an L1 segment of all spans", () => allInL1(server, sent.spans));
  return [
    latencyFigure("abuse.alone", "ack, nothing else", alone.ack),
    latencyFigure("abuse.tails", `ack, ${size.tails} tails of { }`, tailed.ack),
    latencyFigure("abuse.queries", "ack, hostile queries", abused.ack, `${answers} answered`),
    {
      id: "abuse.slowest",
      label: `slowest answer to a hostile query (${slowest.name})`,
      unit: "ms",
      value: slowest.ms,
      note: [...statuses].map(([status, count]) => `${count} × ${status}`).join(", "),
    },
  ];
}

function hostileQueries(nowSeconds: number): readonly Hostile[] {
  const search = (q: string, more = ""): string =>
    `/api/search?q=${encodeURIComponent(q)}&start=${nowSeconds - 86_400}&end=${nowSeconds + 60}${more}`;
  const metrics = (q: string, start: number, step: string): string =>
    `/api/metrics/query_range?q=${encodeURIComponent(q)}&start=${start}&end=${nowSeconds}&step=${step}`;
  const hourAgo = nowSeconds - 3600;
  const sql = (query: string): HttpRequestOptions => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return [
    { name: "10,000 nodes", path: search(`{${Array(2500).fill(".a=1").join("||")}}`) },
    { name: "everything, structural", path: search("{} >> {} >> {}", "&limit=1000&spss=100") },
    { name: "limit 2^31", path: search("{}", `&limit=${2 ** 31}`) },
    { name: "limit 100,000", path: search("{}", "&limit=100000&spss=100") },
    { name: "regex over all names", path: search('{ name =~ ".*(a|b|c)*.*x.*" }') },
    {
      name: "by span",
      path: metrics("{} | quantile_over_time(duration, .9) by (span:id)", hourAgo, "10s"),
    },
    { name: "step of 1 ns", path: metrics("{} | rate()", hourAgo, "1ns") },
    { name: "100 years", path: metrics("{} | rate()", nowSeconds - 100 * 31_536_000, "1h") },
    { name: "compare", path: metrics("{} | compare({ status = error })", hourAgo, "60s") },
    { name: "structural rate", path: metrics("{} >> {} | rate()", hourAgo, "10s") },
    {
      name: "SQL, all pairs",
      path: "/api/sql",
      ...sql("SELECT count(*) FROM spans a, spans b WHERE a.name < b.name"),
    },
  ];
}

/** Ask without a pause until they are stopped. No answer may be an error of the server's own. */
class Askers {
  readonly #url: string;
  readonly #http = new HttpClient(ASKERS);
  readonly #statuses = new Map<number, number>();
  readonly #running: Promise<unknown>;
  #next = 0;
  #answers = 0;
  #slowest = { name: "", ms: 0 };
  #stopped = false;

  constructor(url: string) {
    this.#url = url;
    this.#running = Promise.all(Array.from({ length: ASKERS }, () => this.#ask()));
    this.#running.catch(() => {});
  }

  async stop(): Promise<{
    readonly answers: number;
    readonly slowest: { readonly name: string; readonly ms: number };
    readonly statuses: ReadonlyMap<number, number>;
  }> {
    this.#stopped = true;
    await this.#running;
    this.#http.close();
    return { answers: this.#answers, slowest: this.#slowest, statuses: this.#statuses };
  }

  async #ask(): Promise<void> {
    while (!this.#stopped) {
      const queries = hostileQueries(Math.floor(Date.now() / 1000));
      const { name, path, ...request } = queries[this.#next++ % queries.length]!;
      const startMs = performance.now();
      const { status, body } = await this.#http.send(this.#url + path, request);
      const ms = performance.now() - startMs;
      if (ms > this.#slowest.ms) this.#slowest = { name, ms };
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
      this.#answers++;
      expectTrue(status !== 500, `${name}: ${body.toString().slice(0, 500)}`);
      expectTrue(ms < SLOWEST_MS, `${name} took ${numberText(ms)} ms`);
    }
  }
}

/** Read all that comes. */
class Tails {
  readonly #abort: AbortController;
  readonly #readers: readonly Promise<void>[];
  #bytes = 0;

  private constructor(abort: AbortController, responses: readonly Response[]) {
    this.#abort = abort;
    this.#readers = responses.map(async ({ body }) => {
      try {
        for await (const chunk of body ?? []) this.#bytes += chunk.length;
      } catch {
        // Ended by `close`.
      }
    });
  }

  static async open(url: string, count: number): Promise<Tails> {
    const abort = new AbortController();
    const responses = await Promise.all(
      Array.from({ length: count }, () =>
        fetch(`${url}/api/tail?q=${encodeURIComponent("{ }")}`, { signal: abort.signal }),
      ),
    );
    for (const { status } of responses) expectTrue(status === 200, `a tail was answered ${status}`);
    return new Tails(abort, responses);
  }

  /** Bytes that came. */
  async close(): Promise<number> {
    this.#abort.abort();
    await Promise.all(this.#readers);
    return this.#bytes;
  }
}
