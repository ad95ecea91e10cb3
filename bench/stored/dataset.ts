import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { OtlpDecoder } from "../../src/receivers/otlp/decode.ts";
import { SegmentWriter } from "../../src/storage/segments/segment-writer.ts";
import { ulidSource } from "../../src/util/ulid.ts";
import { RequestStamper } from "../request-stamper.ts";
import { probeRequest } from "../server/probe.ts";
import { openCatalogOf, segmentDirOf, TENANT } from "../support/data-folder.ts";
import type { BenchOptions } from "../support/options.ts";
import { progress } from "../support/progress.ts";
import { makeRequests, mulberry32 } from "../workload.ts";

const DATA_DIR = resolve(import.meta.dirname, "../data");
const SRC = resolve(import.meta.dirname, "../../src");
const BENCH = resolve(import.meta.dirname, "..");
/** What decides the stored bytes: other spans are made when one of these has changed. */
const SOURCES = [
  join(SRC, "storage", "segments"),
  join(SRC, "schema"),
  join(BENCH, "workload.ts"),
  join(BENCH, "request-stamper.ts"),
  import.meta.filename,
];

const FULL = { spans: 10_000_000, segmentSpans: 500_000 };
const SMOKE = { spans: 20_000, segmentSpans: 5000 };
/** All traces begin within this, spread evenly. */
const SPREAD_NANOS = 6n * 3_600_000_000_000n;
/** 2025-06-01T00:00:00Z. */
export const START_UNIX_NANO = 1_748_736_000_000_000_000n;
export const SPREAD_SECONDS = Number(SPREAD_NANOS / 1_000_000_000n);
const SAMPLES_PER_SEGMENT = 10;

/** Lies between the values that the workload gives to this key, so only the bloom filter tells. */
export const NEEDLE = { key: "app.user.id", value: "u-31337-needle", absent: "u-31337-absent" };

export type Dataset = {
  readonly dir: string;
  readonly spans: number;
  readonly traces: number;
  readonly segments: number;
  readonly bytes: number;
  readonly sampleTraces: readonly { readonly traceId: string; readonly spanCount: number }[];
  /** Right answers found by other means, by the SQL text that asks for them. */
  readonly answers: Map<string, readonly string[]>;
  saveAnswers(): void;
};

type Manifest = Omit<Dataset, "dir" | "answers" | "saveAnswers"> & {
  readonly sources: string;
  readonly answers: Readonly<Record<string, readonly string[]>>;
};

/**
 * The folder of a server that holds the spans; it is kept and used again. Written through the
 * decoder and the segment writer, as L1 segments in the catalog.
 */
export async function prepareDataset(options: BenchOptions): Promise<Dataset> {
  const base = options.smoke ? SMOKE : FULL;
  const spans = options.spans ?? base.spans;
  const segments = options.segments ?? Math.ceil(spans / base.segmentSpans);
  const segmentSpans = Math.ceil(spans / segments);
  const dir = join(DATA_DIR, `${spans}-in-${segmentSpans}`);
  const manifestPath = join(dir, "dataset.json");
  const sources = sourcesHash();
  const known = options.rebuild ? undefined : readManifest(manifestPath);
  let manifest = known?.sources === sources ? known : undefined;
  if (manifest === undefined) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    manifest = { ...(await build(dir, spans, segmentSpans)), sources, answers: {} };
    writeFileSync(manifestPath, JSON.stringify(manifest));
  }
  const answers = new Map(Object.entries(manifest.answers));
  const saved = manifest;
  return {
    ...manifest,
    dir,
    answers,
    saveAnswers() {
      const content: Manifest = { ...saved, answers: Object.fromEntries(answers) };
      writeFileSync(manifestPath, JSON.stringify(content));
    },
  };
}

function readManifest(path: string): Manifest | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Manifest) : undefined;
}

function sourcesHash(): string {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((path) =>
    path.endsWith(".ts")
      ? [path]
      : readdirSync(path, { recursive: true, encoding: "utf8" })
          .filter((name) => name.endsWith(".ts"))
          .sort()
          .map((name) => join(path, name)),
  );
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest("hex");
}

async function build(
  dir: string,
  spans: number,
  segmentSpans: number,
): Promise<Omit<Manifest, "sources" | "answers">> {
  const segmentCount = Math.ceil(spans / segmentSpans);
  const segmentNanos = SPREAD_NANOS / BigInt(segmentCount);
  progress(`data: making ${segmentSpans} distinct spans`);
  const stampers = makeRequests({
    spans: segmentSpans,
    seed: 1,
    startUnixNano: START_UNIX_NANO,
    spreadNanos: segmentNanos,
  }).map((body) => new RequestStamper(body));
  const files = nodeFiles();
  const writer = new SegmentWriter({
    files,
    segmentDir: segmentDirOf(dir),
    newId: ulidSource(Date.now),
    nowMs: Date.now,
  });
  const random = mulberry32(2);
  const sampleTraces: { traceId: string; spanCount: number }[] = [];
  const total = { spans: 0, traces: 0, bytes: 0 };
  const catalog = await openCatalogOf(dir);
  try {
    for (let index = 0; index < segmentCount; index++) {
      const batch = new SpanBatch(index + 1);
      const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 2048 });
      const shiftNanos = BigInt(index) * segmentNanos;
      const sampleAfter = Math.max(1, Math.floor(stampers.length / SAMPLES_PER_SEGMENT));
      stampers.forEach((stamper, i) => {
        const body = stamper.stamp({ copy: index, shiftNanos });
        decoder.decode(body);
        if (i % sampleAfter !== 0) return;
        const traces = [...stamper.traces(body)];
        const [traceId, spanCount] = traces[Math.floor(random() * traces.length)]!;
        sampleTraces.push({ traceId, spanCount });
      });
      if (index === segmentCount >> 1)
        decoder.decode(needleRequest(shiftNanos + segmentNanos / 2n));
      const meta = await writer.write(batch, {
        tenant: TENANT,
        level: 1,
        walRange: undefined,
        replaces: [],
      });
      await catalog.commit({ add: [meta] });
      total.spans += meta.rowCount;
      total.traces += meta.traceCount;
      total.bytes += meta.byteSize;
      progress(`data: segment ${index + 1} of ${segmentCount}, ${total.spans} spans`);
    }
  } finally {
    await catalog[Symbol.asyncDispose]();
  }
  return { ...total, segments: segmentCount, sampleTraces };
}

function needleRequest(afterStartNanos: bigint): Uint8Array {
  return probeRequest({
    traceId: Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i),
    spanId: Uint8Array.from({ length: 8 }, (_, i) => 0xb0 + i),
    service: "accounts",
    name: "GET /api/users/{id}",
    key: NEEDLE.key,
    value: NEEDLE.value,
    startUnixNano: START_UNIX_NANO + afterStartNanos,
  });
}
