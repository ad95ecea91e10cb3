import { describe, expect, test } from "vitest";
import { PintailError } from "../../../../src/errors.ts";
import type { SegmentSummary } from "../../../../src/schema/segment-meta.ts";
import type { ValueNeed } from "../../../../src/schema/value-need.ts";
import { mayMeet } from "../../../../src/storage/segments/filters/known-values.ts";
import { SegmentFilters } from "../../../../src/storage/segments/filters/segment-filters.ts";
import { loadFooter } from "../../../../src/storage/segments/read/read-footer.ts";
import { aSpan, batchOf, spanIdOf, traceIdOf } from "../../../support/batch-builder.ts";
import { readAtOf } from "../read/reader-store.ts";
import { fileOf, writtenFile } from "./written-file.ts";

const NEVER = new AbortController().signal;
const USER = "span.user";
const user = (text: string): ValueNeed => ({
  type: "value",
  column: USER,
  bytes: new TextEncoder().encode(text),
});

/** All spans last 1 ms. */
const lasting = (min: number, max: number): ValueNeed => ({
  type: "range",
  column: "duration_ns",
  min,
  max,
});

/** 300 users, in three row groups. */
function usersFile(prefix: string) {
  const spans = Array.from({ length: 300 }, (_, i) =>
    aSpan({
      traceId: traceIdOf(i + 1),
      spanId: spanIdOf(i + 1),
      attributes: [{ key: "user", value: `${prefix} ${i}` }],
    }),
  );
  return writtenFile(batchOf(spans), 100);
}

/** Segments whose files are opened and read through the filters, and a log of that. */
function filtersOver(files: readonly ReturnType<typeof usersFile>[], maxBytes = 1 << 20) {
  const log: string[] = [];
  const byId = new Map(files.map(({ meta, bytes }) => [meta.id, bytes]));
  const openFile = async ({ id }: SegmentSummary) => {
    log.push(`open ${files.findIndex(({ meta }) => meta.id === id)}`);
    return fileOf(byId.get(id)!, () => log.push("read"));
  };
  return { filters: new SegmentFilters({ openFile }, { maxBytes }), log };
}

const MISSING = Array.from({ length: 400 }, (_, i) => user(`nobody ${i}`));
/** Those that only what is no longer trusted rules out. */
const IMPOSSIBLE = [...MISSING, lasting(0, 1)];

describe("what is in memory", () => {
  test("a segment is opened once for all that is asked of a column", async () => {
    const file = usersFile("user");
    const { filters, log } = filtersOver([file]);
    const scan = filters.scan();
    expect(scan.known(file.meta, [USER])).toBeUndefined();
    expect(filters.memoryBytes).toBe(0);
    const read = await scan.read(file.meta, [USER], NEVER);
    // Of a small file the read of its end has the filters too.
    expect(log).toEqual(["open 0", "read"]);
    const known = filters.scan().known(file.meta, [USER]);
    expect(known?.filters[0]).toBe(read.filters[0]);
    expect(mayMeet(user("user 17"), known!)).toBe(true);
    expect(MISSING.filter((need) => mayMeet(need, known!)).length).toBeLessThan(50);
    expect(log).toHaveLength(2);
    // Another column is not there yet; one without filters needs none.
    expect(scan.known(file.meta, ["trace_id"])).toBeUndefined();
    expect(scan.known(file.meta, ["status_message"])).toBeDefined();
  });

  test("bounds of numbers are there once anything was asked, and need no more reads", async () => {
    const file = usersFile("user");
    const { filters, log } = filtersOver([file]);
    expect(filters.scan().known(file.meta, ["duration_ns"])).toBeUndefined();
    await filters.scan().read(file.meta, ["duration_ns"], NEVER);
    expect(log).toEqual(["open 0", "read"]);
    const known = filters.scan().known(file.meta, ["duration_ns"])!;
    expect(mayMeet(lasting(999_999, 1_000_001), known)).toBe(true);
    expect(mayMeet(lasting(1_000_001, Infinity), known)).toBe(false);
    expect(mayMeet(lasting(-Infinity, 999_999), known)).toBe(false);
    expect(log).toHaveLength(2);
  });

  test("takes far less memory than the filters' bits and the footer would", async () => {
    const file = usersFile("user");
    const { filters } = filtersOver([file]);
    await filters.scan().read(file.meta, [USER], NEVER);
    expect(filters.memoryBytes).toBeGreaterThan(300);
    expect(filters.memoryBytes).toBeLessThan(2500);
  });

  test("more than there is room for is read again, but not all of it each time", async () => {
    const files = Array.from({ length: 40 }, (_, i) => usersFile(`user ${i}`));
    const one = filtersOver([files[0]!]);
    await one.filters.scan().read(files[0]!.meta, [USER], NEVER);
    const maxBytes = 20 * one.filters.memoryBytes;
    const { filters, log } = filtersOver(files, maxBytes);
    const pass = async () => {
      log.length = 0;
      const scan = filters.scan();
      for (const [i, { meta }] of files.entries()) {
        const known = scan.known(meta, [USER]) ?? (await scan.read(meta, [USER], NEVER));
        expect(mayMeet(user(`user ${i} 42`), known)).toBe(true);
        expect(filters.memoryBytes).toBeLessThanOrEqual(maxBytes);
      }
      return log.filter((line) => line.startsWith("open")).length;
    };
    expect(await pass()).toBe(40);
    const again = await pass();
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThanOrEqual(35);
    // Other columns make room for themselves.
    log.length = 0;
    const scan = filters.scan();
    for (const { meta } of files) await scan.read(meta, ["trace_id"], NEVER);
    expect(filters.scan().known(files[0]!.meta, ["trace_id"])).toBeDefined();
  });
});

describe("what cannot be trusted rules nothing out", () => {
  const passes = async (bytes: Uint8Array, meta: SegmentSummary, needs: readonly ValueNeed[]) => {
    const filters = new SegmentFilters({ openFile: async () => fileOf(bytes) });
    const known = await filters.scan().read(meta, [USER], NEVER);
    // It stays so.
    const again = filters.scan().known(meta, [USER]);
    expect(again?.filters[0]).toBe(known.filters[0]);
    return needs.filter((need) => mayMeet(need, known)).length;
  };

  test("a filter with one changed bit", async () => {
    const { bytes, meta } = usersFile("user");
    const { columns, groups } = await loadFooter(readAtOf(bytes), bytes.length);
    const node = columns.find(({ name }) => name === USER)?.node;
    const leaf = node?.kind === "leaf" ? node.leaf.index : -1;
    expect(await passes(bytes, meta, MISSING)).toBeLessThan(MISSING.length);
    for (const { chunks } of groups) {
      const { bloomOffset, bloomBytes } = chunks[leaf]!;
      expect(bloomBytes).toBeGreaterThan(40);
      for (const at of [0, 1, 7, 20, bloomBytes - 1]) {
        const damaged = bytes.slice();
        damaged[bloomOffset + at]! ^= 4;
        expect(await passes(damaged, meta, MISSING)).toBe(MISSING.length);
      }
    }
  });

  test("a footer with a changed bit, a file that is cut, one that is no segment", async () => {
    const { bytes, meta } = usersFile("user");
    const view = new DataView(bytes.buffer);
    const footerBytes = view.getUint32(bytes.length - 8, true);
    const start = bytes.length - 8 - footerBytes;
    for (let at = start; at < bytes.length; at += 97) {
      const damaged = bytes.slice();
      damaged[at]! ^= 16;
      expect(await passes(damaged, meta, IMPOSSIBLE)).toBe(IMPOSSIBLE.length);
    }
    for (const length of [0, 3, 11, 12, 4000, bytes.length - 1]) {
      expect(await passes(bytes.subarray(0, length), meta, IMPOSSIBLE)).toBe(IMPOSSIBLE.length);
    }
    expect(await passes(new Uint8Array(5000).fill(0x50), meta, IMPOSSIBLE)).toBe(IMPOSSIBLE.length);
  });

  test("bytes that are not at hand, which may be another time", async () => {
    const { bytes, meta } = usersFile("user");
    let isThere = false;
    const filters = new SegmentFilters({
      openFile: async () => (isThere ? fileOf(bytes) : undefined),
    });
    const first = await filters.scan().read(meta, [USER], NEVER);
    expect(MISSING.every((need) => mayMeet(need, first))).toBe(true);
    expect(filters.scan().known(meta, [USER])).toBeUndefined();
    isThere = true;
    const second = await filters.scan().read(meta, [USER], NEVER);
    expect(MISSING.every((need) => mayMeet(need, second))).toBe(false);
  });
});

test("errors of the system are told and not remembered, and the file is closed", async () => {
  const { bytes, meta } = usersFile("user");
  let isBroken = true;
  let open = 0;
  const filters = new SegmentFilters({
    openFile: async () => {
      open++;
      const file = fileOf(bytes, () => {
        if (isBroken) throw new PintailError("unavailable", "no handles left");
      });
      return {
        ...file,
        close: async () => {
          open--;
        },
      };
    },
  });
  await expect(filters.scan().read(meta, [USER], NEVER)).rejects.toThrow("no handles left");
  isBroken = false;
  const known = await filters.scan().read(meta, [USER], NEVER);
  expect(mayMeet(user("user 1"), known)).toBe(true);
  expect(MISSING.every((need) => mayMeet(need, known))).toBe(false);
  expect(open).toBe(0);
});
