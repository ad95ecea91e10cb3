import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { Files } from "../../../src/drivers/files/files.ts";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import type { WalSettings } from "../../../src/storage/wal/settings.ts";
import { Wal } from "../../../src/storage/wal/wal.ts";
import type { WalEntry, WalRecord } from "../../../src/storage/wal/wal-format.ts";

export function temporaryFolder(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "pintail-test-"));
  onTestFinished(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export type OpenOptions = Partial<WalSettings> & {
  files?: Files;
  recoverFrom?: number;
  startAtLeast?: number;
};

export function openWal(dir: string, options: OpenOptions = {}): Promise<Wal> {
  const { files = nodeFiles(), recoverFrom = 0, startAtLeast = 0, ...settings } = options;
  return Wal.open({ files, dir, recoverFrom, startAtLeast, nowMs: Date.now }, settings);
}

export function anEntry(text: string, changes: Partial<WalEntry> = {}): WalEntry {
  return {
    tenant: "acme",
    format: 1,
    encoding: 2,
    receivedUnixMs: 1_700_000_000_123,
    maxDecodedBytes: 1_000_000,
    body: new TextEncoder().encode(text),
    ...changes,
  };
}

export const textOf = (record: { body: Uint8Array }) => new TextDecoder().decode(record.body);

export async function replayed(wal: Wal, from = 0): Promise<WalRecord[]> {
  const records: WalRecord[] = [];
  for await (const record of wal.replay(from)) records.push(record);
  return records;
}

export async function replayedTexts(dir: string, options: OpenOptions = {}): Promise<string[]> {
  const wal = await openWal(dir, options);
  const texts = (await replayed(wal, options.recoverFrom ?? 0)).map(textOf);
  await wal.close();
  return texts;
}

/** Appends the texts one after the other, each durable before the next. */
export async function writeAll(dir: string, texts: readonly string[], options: OpenOptions = {}) {
  const wal = await openWal(dir, options);
  const lsns: number[] = [];
  for (const text of texts) {
    const { lsn, durable } = wal.append(anEntry(text));
    lsns.push(lsn);
    await durable;
  }
  await wal.close();
  return { lsns, endLsn: wal.nextLsn };
}

export function walFiles(dir: string): string[] {
  return fs
    .readdirSync(dir)
    .filter((name) => name.endsWith(".wal"))
    .sort();
}
