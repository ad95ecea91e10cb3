import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { temporaryFolder } from "../storage/wal/wal-support.ts";
import { faultyFiles } from "../support/faulty-files.ts";
import { runScript } from "../support/run-script.ts";

const files = nodeFiles();

test("writes many parts at a position and reads them back", async () => {
  const file = path.join(temporaryFolder(), "a");
  const parts = Array.from({ length: 3000 }, (_, i) => new Uint8Array(i % 7).fill(i));
  const expected = Buffer.concat([new Uint8Array(5), ...parts]);
  const append = await files.openAppend(file);
  await append.write(parts, 5);
  await append.sync();
  await append.close();
  const read = await files.openRead(file);
  const bytes = new Uint8Array(expected.length + 10);
  expect(read.sizeBytes).toBe(expected.length);
  expect(await read.read(bytes, 0)).toBe(expected.length);
  expect(Buffer.compare(bytes.subarray(0, expected.length), expected)).toBe(0);
  expect(await read.read(bytes, expected.length)).toBe(0);
  await read.close();
  const sync = files.openReadSync(file);
  expect(sync.readSync(bytes.subarray(0, 4), 6)).toBe(4);
  sync.closeSync();
});

test("a missing file or folder is told apart from an error", async () => {
  const dir = temporaryFolder();
  const missing = path.join(dir, "no", "file");
  expect(await files.stat(missing)).toBeUndefined();
  expect(await files.list(missing)).toEqual([]);
  expect(files.listSync(missing)).toEqual([]);
  await files.unlink(missing);
  await expect(files.openRead(missing)).rejects.toMatchObject({ kind: "not_found" });
  await expect(files.readFile(missing, 1)).rejects.toMatchObject({ kind: "not_found" });
  expect(() => files.openReadSync(missing)).toThrowError(
    expect.objectContaining({ kind: "not_found" }),
  );
});

test("an atomic write replaces the whole file and leaves nothing else", async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, "a");
  await files.writeFileAtomic(file, new TextEncoder().encode("a longer text"));
  await files.writeFileAtomic(file, new TextEncoder().encode("short"));
  expect(fs.readFileSync(file, "utf8")).toBe("short");
  expect(await files.list(dir)).toEqual(["a"]);
  await expect(files.writeFileAtomic(path.join(dir, "no", "b"), new Uint8Array(1))).rejects.toThrow(
    "no such file",
  );
});

test("a whole read is bounded", async () => {
  const file = path.join(temporaryFolder(), "a");
  fs.writeFileSync(file, "12345");
  expect(await files.readFile(file, 5)).toHaveLength(5);
  await expect(files.readFile(file, 4)).rejects.toMatchObject({ kind: "too_large" });
});

test("a full disk is unavailable, with a retry hint", async () => {
  const faulty = faultyFiles();
  faulty.faults.freeBytes = 3;
  const file = path.join(temporaryFolder(), "a");
  const append = await faulty.openAppend(file);
  await expect(append.write([new Uint8Array(5)], 0)).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: expect.any(Number),
  });
  await append.close();
  expect(fs.statSync(file).size).toBe(3);
});

// Linux has a device that is always full.
test.runIf(fs.existsSync("/dev/full"))("the system's own ENOSPC is recognised", async () => {
  const append = await files.openAppend("/dev/full");
  await expect(append.write([new Uint8Array(5)], 0)).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining("no space left"),
  });
  await append.close();
});

test("free space is a number of bytes", async () => {
  expect(await files.freeBytes(temporaryFolder())).toBeGreaterThan(0);
});

test("a folder is locked once at a time, and the refusal names the process", async () => {
  const file = path.join(temporaryFolder(), "lock");
  const lock = await files.lock(file);
  await expect(files.lock(file)).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining(`process ${process.pid}`),
  });
  await lock.release();
  await (await files.lock(file)).release();
  expect(fs.existsSync(file)).toBe(false);
});

test("a lock of another living process holds, and is taken over when that is killed", async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, "lock");
  const script = fileURLToPath(new URL("./lock-child.ts", import.meta.url));
  const child = runScript(script, [file]);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await expect(files.lock(file)).rejects.toThrow(`process ${child.pid}`);
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
  const lock = await files.lock(file);
  await lock.release();
  expect(await files.list(dir)).toEqual([]);
});

test.each([
  ["a process that is gone", (holder: Holder) => ({ ...holder, pid: 2 ** 30 })],
  ["a process whose pid was given again", (holder: Holder) => ({ ...holder, started: "1" })],
  ["an earlier boot", (holder: Holder) => ({ ...holder, boot: "earlier" })],
  ["another container", (holder: Holder) => ({ ...holder, pidNamespace: "pid:[1]" })],
])("a lock of %s is taken over", async (_, change) => {
  const file = path.join(temporaryFolder(), "lock");
  await files.lock(file);
  const holder = JSON.parse(fs.readFileSync(file, "utf8")) as Holder;
  fs.writeFileSync(file, JSON.stringify({ ...change(holder), token: "other" }));
  await (await files.lock(file)).release();
});

test("a lock file that a crash left half written is taken over", async () => {
  const file = path.join(temporaryFolder(), "lock");
  fs.writeFileSync(file, '{"pid":1');
  await (await files.lock(file)).release();
}, 10_000);

test("of many that race for a stale lock one wins", async () => {
  const file = path.join(temporaryFolder(), "lock");
  fs.writeFileSync(file, JSON.stringify({ pid: 2 ** 30, token: "gone" }));
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => files.lock(file)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

type Holder = { pid: number; started: string; boot: string; pidNamespace: string; token: string };
