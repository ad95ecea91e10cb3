import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { attributes, encodeRequest, hex, aRequest as request } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";

const ROUNDS = Number(process.env.PINTAIL_CRASH_ROUNDS) || 6;
const SENDERS = 4;
/** L1 segments are built while the rounds go on, and replaced L0 files deleted. */
const FAST_BACKGROUND = `ingester: { max_block_duration: 1s }
compactor: { compaction: { compacted_block_retention: 1s } }
`;

type LedgerEntry = { readonly traceId: string; readonly digest: string };
type ReadSpan = {
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: unknown[];
};

/** One trace as a request, and what must come back for it. */
function aTrace(random: () => number, serial: number): { body: Uint8Array; entry: LedgerEntry } {
  const bytes = (count: number): string =>
    Array.from({ length: count }, () =>
      Math.floor(random() * 256)
        .toString(16)
        .padStart(2, "0"),
    ).join("");
  const traceId = bytes(16);
  const spanCount = 1 + Math.floor(random() * 8);
  const ids = Array.from(
    { length: spanCount },
    (_, i) => `${(i + 1).toString(16).padStart(2, "0")}${bytes(7)}`,
  );
  const start = BigInt(Date.now()) * 1_000_000n;
  const lines: string[] = [];
  const spans = ids.map((spanId, i) => {
    const startTimeUnixNano = start + BigInt(i) * 1000n;
    const endTimeUnixNano = startTimeUnixNano + BigInt(Math.floor(random() * 1e9));
    const name = `op-${serial}-${i}`;
    const parent = i === 0 ? "" : ids[Math.floor(random() * i)]!;
    lines.push([spanId, parent, name, startTimeUnixNano, endTimeUnixNano, serial].join(" "));
    return {
      traceId: hex(traceId),
      spanId: hex(spanId),
      parentSpanId: hex(parent),
      name,
      startTimeUnixNano,
      endTimeUnixNano,
      attributes: attributes({ serial: BigInt(serial), note: `n${serial}` }),
    };
  });
  return { body: encodeRequest(request(spans)), entry: { traceId, digest: digestOf(lines) } };
}

function digestOf(lines: readonly string[]): string {
  return createHash("sha256")
    .update([...lines].sort().join("\n"))
    .digest("hex");
}

function digestOfAnswer(spans: readonly ReadSpan[]): string {
  const id = (base64: string | undefined): string =>
    Buffer.from(base64 ?? "", "base64").toString("hex");
  return digestOf(
    spans.map((span) => {
      const list = (span.attributes ?? []) as { key: string; value: { intValue?: string } }[];
      const serial = list.find((a) => a.key === "serial")?.value.intValue;
      return [
        id(span.spanId),
        id(span.parentSpanId),
        span.name,
        span.startTimeUnixNano,
        span.endTimeUnixNano,
        serial,
      ].join(" ");
    }),
  );
}

async function spansOf(pintail: PintailProcess, traceId: string): Promise<ReadSpan[]> {
  const answer = await pintail.json<{
    trace: { resourceSpans?: { scopeSpans: { spans: ReadSpan[] }[] }[] };
  }>(`/api/v2/traces/${traceId}`);
  return (answer.trace.resourceSpans ?? []).flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
}

test(`kill -9 under load, ${ROUNDS} rounds: every acknowledged span is there once and unaltered`, {
  timeout: 60_000 + ROUNDS * 30_000,
}, async () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const ledger: LedgerEntry[] = [];
  let serial = 0;
  let pintail = await PintailProcess.start({ extraYaml: FAST_BACKGROUND });
  try {
    for (let round = 0; round < ROUNDS; round++) {
      let running = true;
      const current = pintail;
      const senders = Array.from({ length: SENDERS }, async () => {
        while (running) {
          const { body, entry } = aTrace(random, serial++);
          try {
            const response = await current.push(body);
            if (response.status === 200) ledger.push(entry);
          } catch {
            // The process is gone; what was not acknowledged may or may not be there.
          }
        }
      });
      await new Promise((done) => setTimeout(done, 300 + random() * 2500));
      await pintail.kill();
      running = false;
      await Promise.all(senders);
      pintail = await PintailProcess.start({ dir: pintail.dir, extraYaml: FAST_BACKGROUND });
    }
    expect(ledger.length).toBeGreaterThan(ROUNDS * 10);
    const wrong: string[] = [];
    for (const { traceId, digest } of ledger) {
      const spans = await spansOf(pintail, traceId);
      if (digestOfAnswer(spans) !== digest) wrong.push(`${traceId}: ${spans.length} spans`);
    }
    console.log(`${ledger.length} acknowledged traces`);
    expect(wrong).toEqual([]);
    const search = await pintail.json<{ traces: { traceID: string }[] }>(
      `/api/search?limit=100000&q=${encodeURIComponent("{ span.serial >= 0 }")}`,
    );
    const found = new Set(search.traces.map((t) => t.traceID.padStart(32, "0")));
    expect(found.size).toBe(search.traces.length);
    expect(ledger.filter((entry) => !found.has(entry.traceId))).toEqual([]);
    expect(await pintail.stop()).toBe(0);
  } finally {
    await pintail.remove();
  }
});
