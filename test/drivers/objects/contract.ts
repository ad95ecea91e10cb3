import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ObjectStore } from "../../../src/drivers/objects/object-store.ts";
import { seededRandom } from "../../support/random.ts";

export type StoreUnderTest = { readonly store: ObjectStore; close(): Promise<void> };

export type ContractOptions = {
  /** Larger bodies are uploaded in parts. */
  readonly partBytes: number;
  /** The store has none of its own. */
  readonly withoutConditions?: boolean;
  /** An emulator's gap: prefixes do not count on a page, and come on several. */
  readonly repeatsPrefixes?: boolean;
};

const signal = new AbortController().signal;

export function someBytes(length: number, seed = 1): Uint8Array {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 7) bytes[i] = random() * 256;
  return bytes;
}

/** What every `ObjectStore` must do. Works below a folder of its own, which is left empty. */
export function objectStoreContract(
  name: string,
  open: () => Promise<StoreUnderTest>,
  { partBytes, withoutConditions = false, repeatsPrefixes = false }: ContractOptions,
): void {
  describe(name, () => {
    let opened: StoreUnderTest;
    let store: ObjectStore;
    const folder = `contract-${randomUUID()}`;
    const put = (key: string, bytes: Uint8Array) =>
      store.put(`${folder}/${key}`, bytes, { ifAbsent: true, signal });

    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      let page: string | undefined;
      do {
        const found = await store.list({ prefix: `${folder}/`, page, signal });
        for (const { key } of found.objects) await store.delete(key, { signal });
        page = found.nextPage;
      } while (page !== undefined);
      await opened.close();
    });

    test("what was put is read back whole, by range and by head", async () => {
      const bytes = someBytes(10_000);
      const { outcome, info } = await put("whole", bytes);
      expect(outcome).toBe("stored");
      expect(info).toMatchObject({ key: `${folder}/whole`, sizeBytes: 10_000 });
      const read = await store.get(info.key, { maxBytes: 10_000, signal });
      expect(Buffer.compare(read.bytes, bytes)).toBe(0);
      expect(read.info).toEqual(info);
      expect(await store.head(info.key, { signal })).toEqual(info);
      const ranges = [
        { start: 9_990, end: 10_000 },
        { start: 0, end: 1 },
        { start: 5, end: 5_000 },
      ];
      const options = { version: info.version, sizeBytes: 10_000, mustExist: true, signal };
      const { parts, info: ofRanges } = await store.getRanges(info.key, ranges, options);
      expect(ofRanges).toEqual(info);
      ranges.forEach(({ start, end }, i) => {
        expect(Buffer.compare(parts[i]!, bytes.subarray(start, end))).toBe(0);
      });
    });

    test("an empty object is an object", async () => {
      const { info } = await put("empty", new Uint8Array());
      expect(info.sizeBytes).toBe(0);
      const { bytes } = await store.get(info.key, { maxBytes: 0, signal });
      expect(bytes).toHaveLength(0);
    });

    test("many ranges of one object come at once, in their order", async () => {
      const bytes = someBytes(100_000, 3);
      const { info } = await put("many", bytes);
      const ranges = Array.from({ length: 100 }, (_, i) => ({
        start: i * 900,
        end: i * 900 + 800,
      }));
      const { parts } = await store.getRanges(info.key, ranges, { signal });
      expect(Buffer.concat(parts)).toEqual(
        Buffer.concat(ranges.map(({ start, end }) => bytes.subarray(start, end))),
      );
    });

    test("a body of several parts is stored whole, from memory and from a file", async () => {
      const bytes = someBytes(2 * partBytes + 1234, 2);
      const reads: number[] = [];
      const source = {
        sizeBytes: bytes.length,
        async read(target: Uint8Array, position: number) {
          reads.push(target.length);
          const part = bytes.subarray(position, position + target.length);
          target.set(part);
          return part.length;
        },
      };
      for (const [key, body] of [
        ["parts-memory", bytes],
        ["parts-file", source],
      ] as const) {
        const { info } = await store.put(`${folder}/${key}`, body, { ifAbsent: true, signal });
        const read = await store.get(info.key, { maxBytes: bytes.length, ...info, signal });
        expect(Buffer.compare(read.bytes, bytes)).toBe(0);
        const again = await store.put(`${folder}/${key}`, body, { ifAbsent: true, signal });
        expect(again).toEqual({ outcome: "exists", info });
      }
      // Never the whole at once.
      expect(Math.max(...reads)).toBeLessThan(bytes.length);
    });

    test("a body that is shorter than announced is an error and leaves nothing", async () => {
      for (const sizeBytes of [partBytes - 1, 3 * partBytes]) {
        const source = { sizeBytes, read: async (target: Uint8Array) => target.length - 1 };
        const key = `${folder}/short-${sizeBytes}`;
        await expect(store.put(key, source, { ifAbsent: true, signal })).rejects.toThrow("ends");
        expect(await store.head(key, { signal })).toBeUndefined();
      }
    });

    test("an object that is there stays when a second writer asks for it to be absent", async () => {
      const first = await put("once", someBytes(100, 4));
      expect(await put("once", someBytes(200, 5))).toEqual({ outcome: "exists", info: first.info });
      const { bytes } = await store.get(first.info.key, { maxBytes: 1000, signal });
      expect(Buffer.compare(bytes, someBytes(100, 4))).toBe(0);
    });

    test("without that condition the object is replaced, and its version differs", async () => {
      const first = await put("twice", someBytes(100, 4));
      const second = await store.put(first.info.key, someBytes(100, 6), {
        ifAbsent: false,
        signal,
      });
      expect(second.outcome).toBe("stored");
      expect(second.info.version).not.toBe(first.info.version);
      const stale = { maxBytes: 1000, version: first.info.version, signal };
      await expect(store.get(first.info.key, stale)).rejects.toMatchObject({ kind: "corrupt" });
      const { info } = await store.get(first.info.key, { maxBytes: 1000, signal });
      expect(info).toEqual(second.info);
    });

    test("a missing object is not found; deleting it is no error", async () => {
      const key = `${folder}/missing`;
      const range = [{ start: 0, end: 1 }];
      const missing = { kind: "not_found" };
      await expect(store.get(key, { maxBytes: 10, signal })).rejects.toMatchObject(missing);
      await expect(store.getRanges(key, range, { signal })).rejects.toMatchObject(missing);
      expect(await store.head(key, { signal })).toBeUndefined();
      await store.delete(key, { signal });
    });

    test("a deleted object is gone", async () => {
      const { info } = await put("deleted", someBytes(10));
      await store.delete(info.key, { signal });
      expect(await store.head(info.key, { signal })).toBeUndefined();
      expect((await put("deleted", someBytes(11))).outcome).toBe("stored");
    });

    test("reads beyond what is expected or allowed are refused", async () => {
      const { info } = await put("bounds", someBytes(1000));
      const corrupt = { kind: "corrupt" };
      await expect(store.get(info.key, { maxBytes: 999, signal })).rejects.toMatchObject({
        kind: "too_large",
      });
      await expect(
        store.get(info.key, { maxBytes: 2000, sizeBytes: 999, signal }),
      ).rejects.toMatchObject(corrupt);
      for (const range of [
        { start: 0, end: 1001 },
        { start: 2000, end: 2001 },
      ]) {
        await expect(store.getRanges(info.key, [range], { signal })).rejects.toMatchObject(corrupt);
      }
      for (const ranges of [[], [{ start: 1, end: 1 }], [{ start: -1, end: 1 }]]) {
        await expect(store.getRanges(info.key, ranges, { signal })).rejects.toMatchObject({
          kind: "invalid",
        });
      }
    });

    test("keys that could leave the folder or need encoding are refused", async () => {
      for (const key of [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        ".a",
        "a b",
        "ü",
        "a\\b",
        "a\0",
      ]) {
        const bad = { kind: "invalid" };
        await expect(
          store.put(key, new Uint8Array(), { ifAbsent: true, signal }),
        ).rejects.toMatchObject(bad);
        await expect(store.get(key, { maxBytes: 1, signal })).rejects.toMatchObject(bad);
        await expect(store.delete(key, { signal })).rejects.toMatchObject(bad);
      }
      const key = `${folder}/A-Z_0=9.parquet`;
      await store.put(key, new Uint8Array(1), { ifAbsent: true, signal });
      expect((await store.head(key, { signal }))?.key).toBe(key);
    });

    test("lists by prefix, in pages, ascending", async () => {
      // A dot sorts before the slash, a digit behind it.
      const keys = ["list/a.b", "list/a/1", "list/a/2", "list/a0", "list/b/c/d", "list/b/e"];
      for (const key of keys) await put(key, someBytes(key.length));
      const listed = async (prefix: string, maxKeys: number, delimiter?: "/") => {
        const found: string[] = [];
        const prefixes: string[] = [];
        let page: string | undefined;
        for (let pages = 0; pages < 20; pages++) {
          const part = await store.list({
            prefix: `${folder}/${prefix}`,
            maxKeys,
            delimiter,
            page,
            signal,
          });
          const counted = repeatsPrefixes ? 0 : part.prefixes.length;
          expect(part.objects.length + counted).toBeLessThanOrEqual(maxKeys);
          for (const object of part.objects) {
            expect(await store.head(object.key, { signal })).toEqual({
              key: object.key,
              sizeBytes: object.sizeBytes,
              version: object.version,
            });
            expect(Math.abs(object.modifiedUnixMs - Date.now())).toBeLessThan(3_600_000);
            found.push(object.key.slice(folder.length + 1));
          }
          prefixes.push(...part.prefixes.map((text) => text.slice(folder.length + 1)));
          page = part.nextPage;
          if (page === undefined) {
            return { found, prefixes: repeatsPrefixes ? [...new Set(prefixes)] : prefixes };
          }
        }
        throw new Error("too many pages");
      };
      for (const maxKeys of [1, 2, 1000]) {
        expect(await listed("list/", maxKeys)).toEqual({ found: keys, prefixes: [] });
        expect(await listed("list/a", maxKeys)).toEqual({ found: keys.slice(0, 4), prefixes: [] });
        expect(await listed("list/", maxKeys, "/")).toEqual({
          found: ["list/a.b", "list/a0"],
          prefixes: ["list/a/", "list/b/"],
        });
        expect(await listed("list/none", maxKeys)).toEqual({ found: [], prefixes: [] });
      }
    });

    test.runIf(!withoutConditions)("replacing takes the version that was read", async () => {
      const key = `${folder}/manifest`;
      const text = (value: string) => new TextEncoder().encode(value);
      const first = await store.replace(key, text("one"), { ifVersion: undefined, signal });
      if (first.outcome === "conflict") throw new Error("nothing was there");
      const conflict = { outcome: "conflict" };
      expect(await store.replace(key, text("two"), { ifVersion: undefined, signal })).toEqual(
        conflict,
      );
      const second = await store.replace(key, text("two"), {
        ifVersion: first.info.version,
        signal,
      });
      if (second.outcome === "conflict") throw new Error("the version was right");
      const stale = { ifVersion: first.info.version, signal };
      expect(await store.replace(key, text("new"), stale)).toEqual(conflict);
      const { bytes, info } = await store.get(key, { maxBytes: 10, signal });
      expect(new TextDecoder().decode(bytes)).toBe("two");
      expect(info).toEqual(second.info);
      await store.delete(key, { signal });
      const gone = { ifVersion: second.info.version, signal };
      expect(await store.replace(key, text("new"), gone)).toEqual(conflict);
    });

    test.runIf(!withoutConditions)("of writers at the same moment one wins", async () => {
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, i) => put("race", someBytes(100 + i, i + 1))),
      );
      const stored = results.filter((result) => result.outcome === "stored");
      expect(stored).toHaveLength(1);
      for (const result of results) expect(result.info).toEqual(stored[0]!.info);
    });

    test.runIf(withoutConditions)(
      "replacing is unsupported without conditional writes",
      async () => {
        await put("before", new Uint8Array(1));
        const replaced = store.replace(`${folder}/manifest`, new Uint8Array(1), {
          ifVersion: undefined,
          signal,
        });
        await expect(replaced).rejects.toMatchObject({ kind: "unsupported" });
        expect(await store.head(`${folder}/manifest`, { signal })).toBeUndefined();
      },
    );

    test("an aborted signal ends each call as canceled", async () => {
      const aborted = AbortSignal.abort();
      const key = `${folder}/canceled`;
      const canceled = { kind: "canceled" };
      await expect(
        store.put(key, new Uint8Array(1), { ifAbsent: true, signal: aborted }),
      ).rejects.toMatchObject(canceled);
      await expect(store.get(key, { maxBytes: 1, signal: aborted })).rejects.toMatchObject(
        canceled,
      );
      await expect(store.head(key, { signal: aborted })).rejects.toMatchObject(canceled);
      await expect(store.list({ prefix: "", signal: aborted })).rejects.toMatchObject(canceled);
      expect(await store.head(key, { signal })).toBeUndefined();
    });
  });
}
