import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import { WHOLE_SEGMENTS } from "../../support/loaded-segments.ts";
import { untilAborted } from "../../support/until-aborted.ts";
import { codeOf, SqlStore, TENANT } from "./sql-store.ts";

let store: SqlStore;
beforeAll(async () => {
  store = await SqlStore.open();
});
afterAll(async () => {
  await store.close();
});

const REQUEST = { tenants: [TENANT], sql: "select 1 as a", format: "csv", limit: 0 } as const;
const never = (): AbortSignal => new AbortController().signal;

/** A query with one place whose parts hang as long as `disk` does. */
function onDisk(disk: { hangs: boolean }, part: "cutHead" | "loadKeys" | "run") {
  const wait = async (at: typeof part, signal: AbortSignal | undefined): Promise<void> => {
    if (disk.hangs && at === part) await untilAborted(signal!);
  };
  const isolated = store.isolated();
  return store.query({ maxConcurrent: 1 }, undefined, {
    cutHead: (signal) => wait("cutHead", signal),
    catalog: {
      segments: () => [],
      loadKeys: async (segments, signal) => {
        await wait("loadKeys", signal);
        return WHOLE_SEGMENTS.loadKeys(segments, signal);
      },
    },
    isolated: {
      run: async (query, options) => {
        await wait("run", options.signal);
        return isolated.run(query, options);
      },
    },
  });
}

test.each(["cutHead", "loadKeys", "run"] as const)(
  "a query that hangs in %s ends at its time-out, and its place is free again",
  async (part) => {
    const disk = { hangs: true };
    const query = onDisk(disk, part);
    const run = query.run({ ...REQUEST, timeoutMs: 100 }, never());
    expect(await codeOf(run)).toBe("timeout: query exceeded 100 ms");
    disk.hangs = false;
    expect(await store.text("select 1 as a", { query })).toBe("a\n1\n");
  },
);

test("a caller that goes away while its query hangs is canceled", async () => {
  const query = onDisk({ hangs: true }, "cutHead");
  const gone = new AbortController();
  const run = query.run(REQUEST, gone.signal);
  setTimeout(() => gone.abort(), 20);
  expect(await codeOf(run)).toBe("canceled: query was canceled");
});

test("a time-out that is longer than allowed is cut to what is", async () => {
  const query = store.query({ maxTimeoutMs: 80 }, undefined, { cutHead: untilAborted });
  expect(await codeOf(query.run({ ...REQUEST, timeoutMs: 60_000 }, never()))).toBe(
    "timeout: query exceeded 80 ms",
  );
});

test("all steps of a query share its time-out, those of the second attempt too", async () => {
  const steps: string[] = [];
  const takes = async (step: string, ms: number, signal?: AbortSignal): Promise<void> => {
    steps.push(step);
    await Promise.race([sleep(ms), untilAborted(signal!)]);
  };
  const query = store.query({}, undefined, {
    cutHead: (signal) => takes("cut", 250, signal),
    catalog: {
      segments: () => [],
      loadKeys: async (segments, signal) => {
        await takes("view", 250, signal);
        return WHOLE_SEGMENTS.loadKeys(segments, signal);
      },
    },
    isolated: {
      run: async (_, { signal }) => {
        await takes("run", 250, signal);
        throw new PintailError("not_found", "the file is gone");
      },
    },
  });
  const began = performance.now();
  const run = query.run({ ...REQUEST, timeoutMs: 900 }, never());
  // By themselves the steps take 1250 ms, and none of them as long as the time-out.
  expect(await codeOf(run)).toBe("timeout: query exceeded 900 ms");
  expect(performance.now() - began).toBeLessThan(1200);
  expect(steps).toEqual(["cut", "view", "run", "view"]);
});
