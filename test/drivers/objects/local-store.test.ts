import fs from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { Files } from "../../../src/drivers/files/files.ts";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { LocalStore } from "../../../src/drivers/objects/local/local-store.ts";
import { temporaryFolder } from "../../storage/wal/wal-support.ts";
import { faultyFiles } from "../../support/faulty-files.ts";
import { runScript } from "../../support/run-script.ts";
import { someBytes } from "./contract.ts";
import { observedParts } from "./open-stores.ts";

const signal = new AbortController().signal;

function open(dir: string, files: Files = nodeFiles()): Promise<LocalStore> {
  return LocalStore.open(files, observedParts().parts, { path: dir });
}

test("an object is a file of its key's name, and nothing else is left", async () => {
  const dir = temporaryFolder();
  const store = await open(dir);
  await store.put("t/1/data.parquet", someBytes(10), { ifAbsent: true, signal });
  expect(fs.readFileSync(path.join(dir, "t/1/data.parquet"))).toHaveLength(10);
  expect(fs.readdirSync(path.join(dir, ".incoming"))).toEqual([]);
  await store.delete("t/1/data.parquet", { signal });
  // The folder stays, but it is no object.
  expect(await store.head("t/1", { signal })).toBeUndefined();
  expect(await store.list({ prefix: "", delimiter: "/", signal })).toEqual({
    objects: [],
    prefixes: [],
    nextPage: undefined,
  });
});

test("a full disk is unavailable with a hint, leaves nothing, and passes", async () => {
  const dir = temporaryFolder();
  const faulty = faultyFiles();
  const store = await open(dir, faulty);
  for (const fault of [{ freeBytes: 50 }, { failSync: true }, { failCreate: true }]) {
    Object.assign(faulty.faults, fault);
    const put = store.put("a", someBytes(100), { ifAbsent: true, signal });
    await expect(put).rejects.toMatchObject({
      kind: "unavailable",
      retryAfterMs: expect.any(Number),
    });
    expect(fs.readdirSync(path.join(dir, ".incoming"))).toEqual([]);
    Object.assign(faulty.faults, { freeBytes: 1e9, failSync: false, failCreate: false });
    expect(await store.head("a", { signal })).toBeUndefined();
  }
  expect((await store.put("a", someBytes(100), { ifAbsent: true, signal })).outcome).toBe("stored");
});

test("what a crash left half written is gone when the store is opened again", async () => {
  const dir = temporaryFolder();
  const faulty = faultyFiles();
  const store = await open(dir, faulty);
  await store.put("kept", someBytes(100), { ifAbsent: true, signal });
  const source = {
    sizeBytes: 3_000_000,
    async read(target: Uint8Array, position: number) {
      if (position > 0)
        faulty.crash(
          () => 0.5,
          () => true,
        );
      return target.length;
    },
  };
  await expect(store.put("half", source, { ifAbsent: true, signal })).rejects.toThrow();
  const incoming = path.join(dir, ".incoming");
  fs.writeFileSync(path.join(incoming, "another"), "x");
  const again = await open(dir);
  expect(fs.readdirSync(incoming)).toEqual([]);
  const { objects } = await again.list({ prefix: "", signal });
  expect(objects.map(({ key }) => key)).toEqual(["kept"]);
});

test("contents that follow each other at once have different versions", async () => {
  const store = await open(temporaryFolder());
  const versions = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { info } = await store.put("a", new Uint8Array([i]), { ifAbsent: false, signal });
    versions.add(info.version);
  }
  expect(versions.size).toBe(20);
});

test("a file that shrinks behind the store's back is corrupt", async () => {
  const dir = temporaryFolder();
  const store = await open(dir);
  const { info } = await store.put("a", someBytes(100), { ifAbsent: true, signal });
  fs.truncateSync(path.join(dir, "a"), 50);
  const read = store.getRanges("a", [{ start: 0, end: 60 }], { ...info, signal });
  await expect(read).rejects.toMatchObject({ kind: "corrupt" });
});

// Bun and Deno have no hook that sees what is loaded.
test.runIf(!("Deno" in globalThis) && !("Bun" in globalThis))(
  "a local store loads no client of a bucket",
  async () => {
    const child = runScript(path.join(import.meta.dirname, "load-local.ts"), [temporaryFolder()]);
    expect(JSON.parse(await text(child.stdout))).toEqual([]);
  },
);
