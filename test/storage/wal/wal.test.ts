import fs from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { readWalRange } from "../../../src/storage/wal/read-range.ts";
import type { WalRecord } from "../../../src/storage/wal/wal-format.ts";
import { faultyFiles } from "../../support/faulty-files.ts";
import {
  anEntry,
  openWal,
  replayed,
  replayedTexts,
  temporaryFolder,
  textOf,
  walFiles,
  writeAll,
} from "./wal-support.ts";

test("a record comes back as it was given, with its position", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir);
  const entry = anEntry("body", { tenant: "größe-東京", format: 255, encoding: 6 });
  const first = wal.append(entry);
  const second = wal.append(anEntry("", { maxDecodedBytes: 2 ** 32 - 1 }));
  await Promise.all([first.durable, second.durable]);
  await wal.close();
  const again = await openWal(dir);
  const [a, b] = await replayed(again);
  expect(a).toEqual({ ...entry, lsn: 0, endLsn: first.endLsn });
  expect(b).toEqual({
    ...anEntry(""),
    maxDecodedBytes: 2 ** 32 - 1,
    lsn: first.endLsn,
    endLsn: second.endLsn,
  });
  expect(again.nextLsn).toBe(second.endLsn);
  expect(again.recovery).toMatchObject({ records: 2, tornBytes: 0, damaged: [] });
  await again.close();
});

test("appends of one moment share a write and an fsync", async () => {
  const files = faultyFiles();
  const wal = await openWal(temporaryFolder(), { files });
  const appended = Array.from({ length: 500 }, (_, i) => wal.append(anEntry(`record ${i}`)));
  await Promise.all(appended.map(({ durable }) => durable));
  expect(files.syncs()).toBe(1);
  expect(wal.counts()).toMatchObject({ groups: 1, appendedRecords: 500, queuedBytes: 0 });
  await wal.close();
});

test("records that come during an fsync are written with the next one, in order", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir, { groupDelayMs: 0, maxGroupBytes: 1 });
  const order: number[] = [];
  const all = Array.from({ length: 200 }, (_, i) =>
    wal.append(anEntry(`${i}`)).durable.then(() => order.push(i)),
  );
  await Promise.all(all);
  await wal.close();
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(await replayedTexts(dir)).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`));
});

test("files are named by their first position and rotated", async () => {
  const dir = temporaryFolder();
  const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(100));
  const { lsns } = await writeAll(dir, texts, { maxFileBytes: 500 });
  const names = walFiles(dir);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(lsns).toContain(Number.parseInt(name, 16));
  expect(await replayedTexts(dir)).toEqual(texts);
});

test("replay and reads begin and end at the given positions", async () => {
  const dir = temporaryFolder();
  const texts = ["a", "b", "c", "d", "e"];
  const { lsns, endLsn } = await writeAll(dir, texts, { maxFileBytes: 100 });
  const wal = await openWal(dir);
  expect((await replayed(wal, lsns[2] ?? 0)).map(textOf)).toEqual(["c", "d", "e"]);
  const seen: string[] = [];
  for await (const record of wal.read({ from: lsns[1] ?? 0, to: lsns[3] ?? 0 })) {
    seen.push(textOf(record));
  }
  expect(seen).toEqual(["b", "c"]);
  const inWorker: WalRecord[] = [];
  readWalRange(nodeFiles(), dir, { from: lsns[3] ?? 0, to: endLsn }, (r) => inWorker.push(r));
  expect(inWorker.map(textOf)).toEqual(["d", "e"]);
  await wal.close();
});

test("bodies beyond the read window come back whole, with a buffer of their own", async () => {
  const dir = temporaryFolder();
  const large = new Uint8Array(3 * 1024 * 1024).map((_, i) => (i * 31) % 251);
  const wal = await openWal(dir);
  wal.append(anEntry("before"));
  wal.append(anEntry("", { body: large }));
  await wal.append(anEntry("after")).durable;
  await wal.close();
  const bodies: Uint8Array[] = [];
  readWalRange(nodeFiles(), dir, { from: 0, to: wal.nextLsn }, ({ body }) => bodies.push(body));
  expect(bodies.map((body) => body.length)).toEqual([6, large.length, 5]);
  expect(Buffer.compare(bodies[1] ?? new Uint8Array(), large)).toBe(0);
  for (const body of bodies) expect(body.buffer.byteLength).toBe(body.length);
});

test("voided records are left out of replay, reads and worker reads", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir);
  const [a, b, c] = ["a", "b", "c"].map((text) => wal.append(anEntry(text)));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three records");
  await wal.appendVoid([b.lsn, a.lsn]).durable;
  const range = { from: 0, to: c.endLsn };
  const live: string[] = [];
  for await (const record of wal.read(range)) live.push(textOf(record));
  expect(live).toEqual(["c"]);
  const inWorker: string[] = [];
  readWalRange(nodeFiles(), dir, range, (r) => inWorker.push(textOf(r)), {
    voided: wal.voided(range),
  });
  expect(inWorker).toEqual(["c"]);
  await wal.close();
  const again = await openWal(dir);
  expect((await replayed(again)).map(textOf)).toEqual(["c"]);
  expect(again.recovery).toMatchObject({ records: 1, voidedRecords: 2 });
  await again.close();
});

test("release removes the files wholly before the position and nothing else", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir, { maxFileBytes: 1 });
  const appended: { lsn: number }[] = [];
  for (const text of ["a", "b", "c", "d"]) {
    const record = wal.append(anEntry(text));
    await record.durable;
    appended.push(record);
  }
  const at = (i: number) => appended[i]?.lsn ?? Number.NaN;
  expect(walFiles(dir)).toHaveLength(4);
  await wal.release(at(1) + 1);
  expect(walFiles(dir)).toHaveLength(3);
  await wal.release(wal.nextLsn);
  expect(walFiles(dir)).toHaveLength(1);
  expect(wal.counts().fileCount).toBe(1);
  await wal.close();
  expect(await replayedTexts(dir, { recoverFrom: at(3) })).toEqual(["d"]);
});

test("positions never go back, even when the folder is lost", async () => {
  const wal = await openWal(temporaryFolder(), { recoverFrom: 500, startAtLeast: 1000 });
  expect(wal.append(anEntry("a")).lsn).toBe(1000);
  await wal.close();
});

test("positions continue after several restarts without appends", async () => {
  const dir = temporaryFolder();
  const { endLsn } = await writeAll(dir, ["a"]);
  for (let i = 0; i < 3; i++) await (await openWal(dir)).close();
  const wal = await openWal(dir);
  expect(wal.append(anEntry("b")).lsn).toBe(endLsn);
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["a", "b"]);
});

test("a full queue refuses with a retry hint, and a record larger than it still passes alone", async () => {
  const wal = await openWal(temporaryFolder(), { maxQueueBytes: 1000 });
  const large = wal.append(anEntry("x".repeat(5000)));
  expect(() => wal.append(anEntry("y"))).toThrowError(
    expect.objectContaining({ kind: "unavailable", retryAfterMs: expect.any(Number) }),
  );
  await large.durable;
  await wal.append(anEntry("y")).durable;
  await wal.close();
});

test("close writes what is queued, and appends throw afterwards", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir);
  const { durable } = wal.append(anEntry("last"));
  await wal.close();
  await durable;
  expect(() => wal.append(anEntry("x"))).toThrowError(
    expect.objectContaining({ kind: "unavailable" }),
  );
  expect(await replayedTexts(dir)).toEqual(["last"]);
});

test("a quarantined record rests in its folder with the reason", async () => {
  const dir = temporaryFolder();
  await writeAll(dir, ["undecodable"]);
  const wal = await openWal(dir);
  const [record] = await replayed(wal);
  if (record === undefined) throw new Error("one record");
  await wal.quarantine(record, "field 3: invalid wire type");
  await wal.quarantine(record, "again");
  const saved = fs.readdirSync(path.join(dir, "quarantine")).sort();
  expect(saved).toEqual(["0000000000000000.bin", "0000000000000000.txt"]);
  expect(wal.counts().quarantined).toMatchObject({ saved: 1, kept: 1 });
  const bytes = fs.readFileSync(path.join(dir, "quarantine", "0000000000000000.bin"));
  expect(bytes.equals(fs.readFileSync(path.join(dir, "0000000000000000.wal")))).toBe(true);
  await wal.close();
  const again = await openWal(dir);
  expect(again.counts().quarantined).toMatchObject({ saved: 0, kept: 1 });
  await again.close();
});

test("the quarantine stays within its bound", async () => {
  const dir = temporaryFolder();
  await writeAll(dir, ["one", "two"]);
  const wal = await openWal(dir, { maxQuarantineBytes: 60 });
  for (const record of await replayed(wal)) await wal.quarantine(record, "reason");
  expect(wal.counts().quarantined).toMatchObject({ saved: 1, failed: 1 });
  await wal.close();
});

test("a log that rolls on can release all of its earlier files, also an idle one", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir);
  const { endLsn, durable } = wal.append(anEntry("first"));
  await durable;
  await wal.release(endLsn);
  expect(wal.oldestLsn).toBe(0);
  wal.roll();
  wal.roll();
  await vi.waitFor(() => expect(wal.durableTo).toBeGreaterThan(endLsn));
  await wal.release(endLsn);
  expect(wal.oldestLsn).toBe(endLsn);
  expect(walFiles(dir).length).toBe(1);
  await wal.append(anEntry("second")).durable;
  const next = wal.nextLsn;
  await wal.close();
  wal.roll();
  const again = await openWal(dir, { recoverFrom: endLsn });
  expect((await replayed(again, endLsn)).map(textOf)).toEqual(["second"]);
  expect([again.nextLsn, again.oldestLsn]).toEqual([next, endLsn]);
  expect(again.recovery).toMatchObject({ tornBytes: 0, damaged: [] });
  // The first write after a start begins a file in any case.
  again.roll();
  await again.append(anEntry("third")).durable;
  await again.close();
  const [second, third] = await replayedTexts(dir, { recoverFrom: endLsn });
  expect([second, third]).toEqual(["second", "third"]);
});
