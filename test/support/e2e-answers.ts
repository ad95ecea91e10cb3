import type { PintailProcess } from "./pintail-process.ts";

export type ReadAttribute = { readonly key: string; readonly value: Record<string, unknown> };

export type ReadSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly kind?: string;
  readonly traceState?: string;
  readonly startTimeUnixNano?: string;
  readonly endTimeUnixNano?: string;
  readonly attributes?: ReadAttribute[];
  readonly events?: { timeUnixNano?: string; name?: string; attributes?: ReadAttribute[] }[];
  readonly links?: { traceId: string; spanId: string; attributes?: ReadAttribute[] }[];
  readonly status?: { code?: string; message?: string };
};

export type ReadResourceSpans = {
  readonly resource: { readonly attributes?: ReadAttribute[] };
  readonly scopeSpans: {
    readonly scope: { readonly name?: string; readonly version?: string };
    readonly spans: ReadSpan[];
  }[];
};

type TraceAnswer = { trace: { resourceSpans?: ReadResourceSpans[] }; status?: string };
type Headers = Record<string, string>;

/** A trace as `/api/v2/traces` gives it; without spans when it is unknown. */
export async function resourceSpansOf(
  pintail: PintailProcess,
  traceIdHex: string,
  headers: Headers = {},
): Promise<ReadResourceSpans[]> {
  const answer = await pintail.json<TraceAnswer>(`/api/v2/traces/${traceIdHex}`, headers);
  return answer.trace.resourceSpans ?? [];
}

export async function spansOf(
  pintail: PintailProcess,
  traceIdHex: string,
  headers: Headers = {},
): Promise<ReadSpan[]> {
  const groups = await resourceSpansOf(pintail, traceIdHex, headers);
  return groups.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
}

/** An attribute's value object (`{ intValue: "7" }`), or undefined. */
export function attributeOf(
  owner: { readonly attributes?: ReadAttribute[] },
  key: string,
): Record<string, unknown> | undefined {
  return owner.attributes?.find((attribute) => attribute.key === key)?.value;
}

export function hexOfBase64(text: string | undefined): string {
  return Buffer.from(text ?? "", "base64").toString("hex");
}

export type ReadSearch = {
  traces: {
    traceID: string;
    rootServiceName?: string;
    rootTraceName?: string;
    startTimeUnixNano?: string;
    spanSets?: { matched?: number; spans: { spanID: string; attributes?: ReadAttribute[] }[] }[];
  }[];
};

export function search(
  pintail: PintailProcess,
  query: string,
  options: { params?: string; headers?: Headers } = {},
): Promise<ReadSearch> {
  const { params = "", headers = {} } = options;
  return pintail.json(`/api/search?q=${encodeURIComponent(query)}${params}`, headers);
}

/** Ids of the traces found, padded to 32 digits, sorted. */
export async function foundIds(
  pintail: PintailProcess,
  query: string,
  options: { params?: string; headers?: Headers } = {},
): Promise<string[]> {
  const { traces } = await search(pintail, query, options);
  return traces.map((trace) => trace.traceID.padStart(32, "0")).sort();
}

/** Sum of a metric's samples whose labels contain `labels` as text; 0 when there is none. */
export async function metric(pintail: PintailProcess, name: string, labels = ""): Promise<number> {
  const text = await (await pintail.get("/metrics")).text();
  let total = 0;
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z_:][A-Za-z0-9_:]*)(\{.*\})? (\S+)$/.exec(line);
    if (match?.[1] === name && (match[2] ?? "").includes(labels)) total += Number(match[3]);
  }
  return total;
}

/** Waits until `check` holds; throws with what it last saw after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  read: () => Promise<T>,
  check: (value: T) => boolean,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (check(value)) return value;
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${timeoutMs} ms, last seen ${JSON.stringify(value)}`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Largest resident memory that the process ever had, in bytes. Linux only. */
export async function peakMemoryBytes(pintail: PintailProcess): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  const status = await readFile(`/proc/${pintail.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/**
 * A trace's JSON answer without what may differ between two equal traces: the order of spans, of
 * attributes and of the groups. Everything else stays, each span with its resource and scope.
 */
export function normalTrace(groups: readonly ReadResourceSpans[]): string[] {
  return groups
    .flatMap(({ resource, scopeSpans, ...group }) =>
      scopeSpans.flatMap(({ scope, spans, ...inner }) =>
        spans.map((span) => normalJson({ resource, group, scope, inner, span })),
      ),
    )
    .sort();
}

/** The text of a JSON value, the same for all orders of keys and of attributes. */
export function normalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

/** Keys of objects in order, and so the lists of key and value; other lists stay as they are. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(sorted);
    return items.every((item) => typeof item === "object" && item !== null && "key" in item)
      ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
