import { expect, onTestFinished, test } from "vitest";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { PintailError } from "../../src/errors.ts";
import type { Cutter } from "../../src/ingest/cutter.ts";
import { BodyEncoding, BodyFormat, type PushRequest } from "../../src/ingest/ingest.ts";
import { IngestChannel } from "../../src/ingest/ingest-channel.ts";
import { IngestService } from "../../src/ingest/ingest-service.ts";
import type { FromIngestWorker, ToIngestWorker } from "../../src/ingest/messages.ts";
import { Wal } from "../../src/storage/wal/wal.ts";
import { temporaryFolder } from "../storage/wal/wal-support.ts";
import { type FaultyFiles, faultyFiles } from "../support/faulty-files.ts";

type RecordMessage = Extract<ToIngestWorker, { type: "record" }>;
type Reply = Omit<Extract<FromIngestWorker, { type: "decoded" | "refused" }>, "id">;

const DECODED = {
  type: "decoded",
  spanCount: 2,
  protobufBytes: 10,
  truncated: undefined,
  heldBytes: 0,
} as const;
const LIMITED = {
  type: "refused",
  kind: "limited",
  message: "too fast",
  reason: "rate_limited",
  spanCount: 2,
  protobufBytes: 10,
  heldBytes: 0,
} as const;

/** The service over a real WAL and a worker that the test answers for. */
async function setUp(files: FaultyFiles = faultyFiles()) {
  const dir = temporaryFolder();
  const positions = { recoverFrom: 0, startAtLeast: 0 };
  const open = () =>
    Wal.open({ files: nodeFiles(), dir, ...positions, nowMs: () => performance.now() });
  const wal = await Wal.open({ files, dir, ...positions, nowMs: () => performance.now() });
  onTestFinished(() => wal.close());
  const worker = {
    answer: (_: RecordMessage): Reply => DECODED,
    automatic: true,
    records: [] as RecordMessage[],
    reply: (_: FromIngestWorker): void => {},
    die: (_: unknown): void => {},
  };
  const channel = new IngestChannel({
    post: (message) => {
      if (message.type !== "record") return;
      worker.records.push(message);
      if (worker.automatic) {
        const reply = { ...worker.answer(message), id: message.id } as FromIngestWorker;
        queueMicrotask(() => worker.reply(reply));
      }
    },
    onMessage: (listener) => {
      worker.reply = listener;
    },
    onExit: (listener) => {
      worker.die = listener;
    },
  });
  const handed: number[] = [];
  const counted: string[] = [];
  const service = new IngestService(
    {
      wal,
      channel,
      cutter: { handed: (lsn: number) => handed.push(lsn) } as unknown as Cutter,
      limitsFor: () => ({
        rateLimitBytes: 1,
        burstSizeBytes: 1,
        maxAttributeBytes: 0,
        retryInfoEnabled: true,
      }),
      metrics: {
        pushed: () => {},
        accepted: (_, spans) => counted.push(`accepted ${spans}`),
        refused: (_, reason, spans) => counted.push(`${reason} ${spans}`),
      },
      nowMs: () => 1,
      monotonicMs: () => 1,
    },
    { retryAfterMs: 500, maxPendingBytes: 100, maxHeldBytes: 1000 },
  );
  /** Bodies that a start would replay. */
  const replayed = async (): Promise<number[][]> => {
    await wal.close();
    const again = await open();
    const bodies: number[][] = [];
    for await (const record of again.replay(0)) bodies.push([...record.body]);
    await again.close();
    return bodies;
  };
  return { service, wal, worker, handed, counted, replayed, files };
}

function request(body: number[]): PushRequest {
  return {
    tenant: "t",
    format: BodyFormat.otlpProtobuf,
    encoding: BodyEncoding.identity,
    body: new Uint8Array(body),
    maxDecodedBytes: 100,
  };
}

test("what is accepted is durable, in the order of the WAL, and counted", async () => {
  const { service, worker, handed, counted, replayed } = await setUp();
  const results = await Promise.all([1, 2, 3].map((n) => service.push(request([n]))));
  expect(results).toEqual([1, 2, 3].map(() => ({ spanCount: 2, decodedBytes: 10 })));
  expect(worker.records.map(({ body }) => [...new Uint8Array(body)])).toEqual([[1], [2], [3]]);
  expect(handed).toEqual([...handed].sort((a, b) => a - b));
  expect(counted).toEqual(["accepted 2", "accepted 2", "accepted 2"]);
  expect(await replayed()).toEqual([[1], [2], [3]]);
});

test("what the worker refuses is not replayed, and its reason is counted", async () => {
  const { service, worker, counted, replayed } = await setUp();
  worker.answer = ({ body }) => (new Uint8Array(body)[0] === 2 ? LIMITED : DECODED);
  const [first, second, third] = await Promise.allSettled(
    [1, 2, 3].map((n) => service.push(request([n]))),
  );
  expect([first?.status, third?.status]).toEqual(["fulfilled", "fulfilled"]);
  expect(second).toMatchObject({ reason: { kind: "limited", retryAfterMs: 500 } });
  expect(counted.sort()).toEqual(["accepted 2", "accepted 2", "rate_limited 2"]);
  expect(await replayed()).toEqual([[1], [3]]);
});

test("what marks a refused record is handed over in its turn, so that the log can go to its end", async () => {
  const { service, wal, worker, handed } = await setUp();
  worker.answer = ({ body }) => (new Uint8Array(body)[0] === 2 ? LIMITED : DECODED);
  await Promise.allSettled([1, 2, 3].map((n) => service.push(request([n]))));
  await expect(service.push(request([2]))).rejects.toMatchObject({ kind: "limited" });
  await new Promise((done) => setTimeout(done));
  expect(handed).toEqual([...handed].sort((a, b) => a - b));
  expect(handed).toHaveLength(6);
  expect(handed.at(-1)).toBe(wal.nextLsn);
});

test("a record whose write fails never reaches the worker; a hint says when to try again", async () => {
  const { service, worker, handed, replayed, files } = await setUp();
  await service.push(request([1]));
  files.faults.freeBytes = 20;
  await expect(service.push(request([2]))).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: expect.any(Number),
  });
  files.faults.freeBytes = Number.POSITIVE_INFINITY;
  await service.push(request([3]));
  expect(worker.records).toHaveLength(2);
  expect(handed).toHaveLength(2);
  expect(await replayed()).toEqual([[1], [3]]);
});

test("bodies not yet answered are bounded; one alone always passes", async () => {
  const { service, worker } = await setUp();
  worker.automatic = false;
  const large = service.push(request(new Array(150).fill(1)));
  await expect(service.push(request([2]))).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: 1000,
  });
  await expect.poll(() => worker.records.length).toBe(1);
  worker.reply({ ...DECODED, id: worker.records[0]!.id });
  await large;
  worker.automatic = true;
  await service.push(request([2]));
});

test("spans that cannot be stored as fast as they come are refused, before the WAL", async () => {
  const { service, worker, wal } = await setUp();
  worker.answer = () => ({ ...DECODED, heldBytes: 1001 });
  await service.push(request([1]));
  const lsn = wal.nextLsn;
  await expect(service.push(request([2]))).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: 1000,
  });
  expect(wal.nextLsn).toBe(lsn);
  worker.reply({ type: "cut", id: 99, metas: [], heldBytes: 0 });
  await service.push(request([3]));
});

test("close answers what is under way and refuses the rest with a hint", async () => {
  const { service, worker } = await setUp();
  worker.automatic = false;
  const running = service.push(request([1]));
  const closed = service.close();
  await expect(service.push(request([2]))).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: 1000,
  });
  await expect.poll(() => worker.records.length).toBe(1);
  worker.reply({ ...DECODED, id: worker.records[0]!.id });
  await closed;
  expect(await running).toMatchObject({ spanCount: 2 });
});

test("a worker that dies fails what it was given, and everything after", async () => {
  const { service, worker } = await setUp();
  worker.automatic = false;
  const running = service.push(request([1]));
  await expect.poll(() => worker.records.length).toBe(1);
  worker.die(new Error("out of memory"));
  await expect(running).rejects.toBeInstanceOf(PintailError);
  await expect(service.push(request([2]))).rejects.toMatchObject({ kind: "unavailable" });
  await service.close();
});

test("a refusal says whether the request could ever fit the tenant's burst, which is 1 here", async () => {
  const { service, worker } = await setUp();
  worker.answer = ({ body }) => ({ ...LIMITED, protobufBytes: new Uint8Array(body)[0]! });
  const [fits, never] = await Promise.allSettled([1, 2].map((n) => service.push(request([n]))));
  expect(fits).toMatchObject({ reason: { neverFits: false } });
  expect(never).toMatchObject({ reason: { neverFits: true } });
});
