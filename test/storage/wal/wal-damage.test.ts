import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { encodeEntryHead, encodeTenant } from "../../../src/storage/wal/wal-format.ts";
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

const FILE = "0000000000000000.wal";

/** Two records around `x`, in one file; the offsets of `x`. */
async function threeRecords(dir: string) {
  const { lsns, endLsn } = await writeAll(dir, ["first", "x", "last"]);
  const bytes = fs.readFileSync(path.join(dir, FILE));
  return { bytes, from: lsns[1] ?? 0, to: lsns[2] ?? 0, endLsn };
}

function restore(dir: string, bytes: Uint8Array): void {
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, FILE), bytes);
}

test("a file cut at any byte of its last record loses that record only, and takes appends", async () => {
  const dir = temporaryFolder();
  const { bytes, to } = await threeRecords(dir);
  for (let length = to; length < bytes.length; length++) {
    restore(dir, bytes.subarray(0, length));
    const wal = await openWal(dir);
    expect((await replayed(wal)).map(textOf)).toEqual(["first", "x"]);
    expect(wal.recovery).toMatchObject({ tornBytes: length - to, damaged: [], endLsn: to });
    expect(fs.statSync(path.join(dir, FILE)).size).toBe(to);
    await wal.append(anEntry("next")).durable;
    await wal.close();
    expect(await replayedTexts(dir)).toEqual(["first", "x", "next"]);
  }
}, 60_000);

test("a bit flipped anywhere in a middle record loses that record only and keeps its bytes", async () => {
  const dir = temporaryFolder();
  const { bytes, from, to } = await threeRecords(dir);
  for (let bit = from * 8; bit < to * 8; bit++) {
    const damaged = new Uint8Array(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    restore(dir, damaged);
    const wal = await openWal(dir);
    expect((await replayed(wal)).map(textOf), `bit ${bit}`).toEqual(["first", "last"]);
    expect(wal.recovery.damaged).toEqual([{ from, to }]);
    const name = `${from.toString(16).padStart(16, "0")}.bin`;
    const kept = fs.readFileSync(path.join(dir, "quarantine", name));
    expect(kept.equals(damaged.subarray(from, to))).toBe(true);
    await wal.close();
  }
}, 60_000);

test("a bit flipped anywhere in the last record loses that record only", async () => {
  const dir = temporaryFolder();
  const { bytes, to } = await threeRecords(dir);
  for (let bit = to * 8; bit < bytes.length * 8; bit++) {
    const damaged = new Uint8Array(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    restore(dir, damaged);
    expect(await replayedTexts(dir), `bit ${bit}`).toEqual(["first", "x"]);
  }
}, 60_000);

test("an end of zeros, as a power loss leaves it, is cut off without quarantine", async () => {
  const dir = temporaryFolder();
  const { bytes } = await threeRecords(dir);
  restore(dir, Buffer.concat([bytes, new Uint8Array(100_000)]));
  const wal = await openWal(dir);
  expect((await replayed(wal)).map(textOf)).toEqual(["first", "x", "last"]);
  expect(wal.recovery).toMatchObject({ tornBytes: 100_000, damaged: [], endLsn: bytes.length });
  expect(fs.existsSync(path.join(dir, "quarantine"))).toBe(false);
  await wal.close();
});

test("garbage longer than the search window is skipped up to the next record", async () => {
  const dir = temporaryFolder();
  const wal = await openWal(dir);
  await wal.append(anEntry("first")).durable;
  const second = wal.append(anEntry("", { body: new Uint8Array(700_000).fill(0x50) }));
  await wal.append(anEntry("last")).durable;
  await wal.close();
  const file = fs.openSync(path.join(dir, FILE), "r+");
  fs.writeSync(file, new Uint8Array(20), 0, 20, second.lsn);
  fs.closeSync(file);
  const again = await openWal(dir);
  expect((await replayed(again)).map(textOf)).toEqual(["first", "last"]);
  expect(again.recovery.damaged).toEqual([{ from: second.lsn, to: second.endLsn }]);
  await again.close();
});

test("a record inside a body is not taken for one when the header before it is damaged", async () => {
  const dir = temporaryFolder();
  const forged = anEntry("forged", { tenant: "victim" });
  const tenant = encodeTenant(forged.tenant);
  const body = Buffer.concat([encodeEntryHead(forged, tenant, 12_345), forged.body]);
  const wal = await openWal(dir);
  const carrier = wal.append(anEntry("", { body }));
  await wal.append(anEntry("last")).durable;
  await wal.close();
  const file = fs.openSync(path.join(dir, FILE), "r+");
  fs.writeSync(file, new Uint8Array(4), 0, 4, carrier.lsn);
  fs.closeSync(file);
  expect(await replayedTexts(dir)).toEqual(["last"]);
});

test("files that are missing, empty or foreign do not keep it from starting", async () => {
  const dir = temporaryFolder();
  const texts = ["a", "b", "c", "d"];
  const { endLsn } = await writeAll(dir, texts, { maxFileBytes: 1 });
  fs.rmSync(path.join(dir, walFiles(dir)[1] ?? ""));
  fs.writeFileSync(path.join(dir, walFiles(dir)[1] ?? ""), "");
  fs.writeFileSync(path.join(dir, `${endLsn.toString(16).padStart(16, "0")}.wal`), "");
  fs.writeFileSync(path.join(dir, "notes.txt"), "not a WAL file");
  fs.writeFileSync(path.join(dir, "ffffffffffffffff.wal"), "beyond exact numbers");
  const wal = await openWal(dir);
  expect((await replayed(wal)).map(textOf)).toEqual(["a", "d"]);
  expect(wal.append(anEntry("e")).lsn).toBe(endLsn);
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["a", "d", "e"]);
});

test("bytes of a file beyond the beginning of the next one do not count", async () => {
  const dir = temporaryFolder();
  const { lsns } = await writeAll(dir, ["a", "b"], { maxFileBytes: 1 });
  const first = path.join(dir, FILE);
  fs.writeFileSync(first, Buffer.concat([fs.readFileSync(first), Buffer.from("refused bytes")]));
  const wal = await openWal(dir);
  expect((await replayed(wal)).map(textOf)).toEqual(["a", "b"]);
  expect(wal.recovery.damaged).toEqual([]);
  expect(lsns).toHaveLength(2);
  await wal.close();
});
