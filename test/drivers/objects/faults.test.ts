import { expect, test } from "vitest";
import type { ObjectStore } from "../../../src/drivers/objects/object-store.ts";
import type { ObservedRequest } from "../../../src/drivers/objects/store-parts.ts";
import type { ObjectFaults } from "../../support/object-faults.ts";
import { someBytes } from "./contract.ts";
import { openGcsFakeStore, openS3FakeStore, TEST_PART_BYTES, TEST_RETRY } from "./open-stores.ts";

const signal = new AbortController().signal;

/**
 * Deno sends a request again by itself when a connection that was used before ends without an
 * answer, whatever the method is. The same bytes may be stored twice there.
 */
const RUNTIME_REPEATS = "Deno" in globalThis;

type Fake = {
  readonly fake: {
    readonly faults: ObjectFaults;
    readonly stored: Map<string, number>;
    readonly requests: readonly string[];
  };
  readonly store: ObjectStore;
  readonly requests: ObservedRequest[];
  close(): Promise<void>;
};

const STORES: readonly {
  readonly name: string;
  /** The method that uploads a small object. */
  readonly upload: string;
  readonly open: (retry?: Partial<typeof TEST_RETRY>) => Promise<Fake>;
}[] = [
  {
    name: "S3",
    upload: "PUT",
    open: (retry) => openS3FakeStore({}, { retry: { ...TEST_RETRY, ...retry } }),
  },
  {
    name: "GCS",
    upload: "POST",
    open: (retry) => openGcsFakeStore({}, { retry: { ...TEST_RETRY, ...retry } }),
  },
];

const outcomes = (requests: readonly ObservedRequest[]) =>
  requests.map(({ operation, outcome }) => `${operation} ${outcome}`);

for (const { name, upload, open } of STORES) {
  const withStore = (what: string, run: (opened: Fake) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      const opened = await open();
      try {
        await run(opened);
      } finally {
        await opened.close();
      }
    });

  for (const fault of ["lost_response", "done_500"] as const) {
    withStore(`an upload whose answer was lost (${fault}) is not stored twice`, async (opened) => {
      const { fake, store, requests } = opened;
      // The first request loads code.
      await store.head("warm", { signal });
      for (const ifAbsent of [true, false]) {
        requests.length = 0;
        fake.faults.plan(upload, fault);
        const bytes = someBytes(1000);
        const result = await store.put(`lost-${ifAbsent}`, bytes, { ifAbsent, signal });
        expect(result.outcome).toBe("stored");
        expect((await store.head(`lost-${ifAbsent}`, { signal }))?.version).toBe(
          result.info.version,
        );
        if (RUNTIME_REPEATS) continue;
        const failed = fault === "done_500" ? "server_error" : "connection";
        expect(outcomes(requests)).toEqual([`put ${failed}`, "head ok", "head ok"]);
        expect(fake.stored.get(`a/prefix/lost-${ifAbsent}`)).toBe(1);
        const read = await store.get(result.info.key, { maxBytes: 1000, signal });
        expect(read.info).toEqual(result.info);
      }
    });
  }

  withStore("the last answer of an upload in parts may be lost, too", async (opened) => {
    const { fake, store } = opened;
    const bytes = someBytes(3 * TEST_PART_BYTES - 1);
    let reads = 0;
    const source = {
      sizeBytes: bytes.length,
      async read(target: Uint8Array, position: number) {
        // S3 completes by a POST; at GCS the last part does it.
        if (++reads === 3) fake.faults.plan(name === "S3" ? "POST" : "PUT", "lost_response");
        target.set(bytes.subarray(position, position + target.length));
        return target.length;
      },
    };
    const result = await store.put("parts", source, { ifAbsent: true, signal });
    expect(result.outcome).toBe("stored");
    expect(fake.stored.get("a/prefix/parts")).toBe(1);
    const read = await store.get("parts", { maxBytes: bytes.length, ...result.info, signal });
    expect(Buffer.compare(read.bytes, bytes)).toBe(0);
    expect([...fake.faults.counts]).toEqual([["lost_response", 1]]);
  });

  withStore("parts are sent again after each kind of fault", async ({ fake, store }) => {
    const bytes = someBytes(6 * TEST_PART_BYTES);
    fake.faults.plan("PUT", "status_500", "lost_response", "reset", "slow_down", "delay");
    const { info } = await store.put("parts", bytes, { ifAbsent: true, signal });
    const read = await store.get("parts", { maxBytes: bytes.length, ...info, signal });
    expect(Buffer.compare(read.bytes, bytes)).toBe(0);
    expect(fake.stored.get("a/prefix/parts")).toBe(1);
  });

  withStore("cut, shortened and wrong answers to a read are asked again", async (opened) => {
    const { fake, store, requests } = opened;
    const bytes = someBytes(10_000);
    const { info } = await store.put("a", bytes, { ifAbsent: true, signal });
    requests.length = 0;
    fake.faults.plan("GET", "cut_body", "short_range", "wrong_version", "late_404", "delay");
    const options = { version: info.version, sizeBytes: 10_000, mustExist: true, signal };
    const { parts } = await store.getRanges("a", [{ start: 10, end: 9000 }], options);
    expect(Buffer.compare(parts[0]!, bytes.subarray(10, 9000))).toBe(0);
    expect(outcomes(requests)).toEqual([
      "get connection",
      "get broken",
      "get changed",
      "get missing",
      "get timeout",
      "get ok",
    ]);
    expect(requests.at(-1)).toMatchObject({ receivedBytes: 8990, sentBytes: 0 });
  });

  withStore("what keeps failing is unavailable, with a hint when to try again", async (opened) => {
    const { fake, store, requests } = opened;
    fake.faults.share = 1;
    for (const kinds of [["status_503"], ["slow_down"], ["reset"], ["status_500"]] as const) {
      fake.faults.kinds = kinds;
      requests.length = 0;
      const put = store.put("a", someBytes(10), { ifAbsent: true, signal });
      await expect(put).rejects.toMatchObject({
        kind: "unavailable",
        retryAfterMs: expect.any(Number),
        message: expect.stringContaining("a/prefix/a"),
      });
      expect(requests.length).toBeGreaterThanOrEqual(TEST_RETRY.maxAttempts);
      expect(requests.length).toBeLessThanOrEqual(2 * TEST_RETRY.maxAttempts);
      await expect(store.head("a", { signal })).rejects.toMatchObject({ kind: "unavailable" });
    }
  });

  test(`${name}: the deadline ends the tries`, async () => {
    const { fake, store, requests, close } = await open({ deadlineMs: 150, backoffMaxMs: 60 });
    fake.faults.share = 1;
    fake.faults.kinds = ["status_500"];
    await expect(store.head("a", { signal })).rejects.toMatchObject({ kind: "unavailable" });
    expect(requests.length).toBeLessThan(TEST_RETRY.maxAttempts);
    await close();
  });

  withStore("a signal ends a request that is under way, and a wait between two", async (opened) => {
    const { fake, store } = opened;
    fake.faults.share = 1;
    for (const kind of ["delay", "status_500"] as const) {
      fake.faults.kinds = [kind];
      const controller = new AbortController();
      const put = store.put("a", someBytes(10), { ifAbsent: true, signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await expect(put).rejects.toMatchObject({ kind: "canceled" });
    }
  });

  withStore("closing gives up what is under way", async ({ fake, store }) => {
    fake.faults.share = 1;
    fake.faults.kinds = ["delay"];
    const get = store.get("a", { maxBytes: 10, signal });
    setTimeout(() => void store.close(), 20);
    await expect(get).rejects.toMatchObject({ kind: "canceled" });
  });

  withStore("an upload in parts has few of them in memory", async ({ fake, store }) => {
    const partCount = 30;
    const bytes = new Uint8Array(TEST_PART_BYTES);
    let held = 0;
    let most = 0;
    const source = {
      sizeBytes: partCount * TEST_PART_BYTES,
      async read(target: Uint8Array) {
        held++;
        most = Math.max(most, held - parts());
        target.set(bytes);
        return target.length;
      },
    };
    const parts = () => fake.requests.filter((request) => request.startsWith("PUT")).length;
    const puts = ["a", "b", "c", "d"].map((key) =>
      store.put(key, source, { ifAbsent: true, signal }),
    );
    await Promise.all(puts);
    expect(held).toBe(4 * partCount);
    expect(most).toBeLessThanOrEqual(8);
  });
}

test("S3: credentials that are refused are not tried again, and say so", async () => {
  const { store, requests, close } = await openS3FakeStore({}, { secretKey: "wrong" });
  await expect(store.head("a", { signal })).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: expect.any(Number),
  });
  expect(outcomes(requests)).toEqual(["head denied"]);
  await close();
});

test("S3: that a store has no conditional writes is learned once", async () => {
  const { fake, store, requests, close } = await openS3FakeStore({ conditions: "refused" });
  for (const key of ["a", "b", "c"]) {
    expect(await store.put(key, someBytes(10), { ifAbsent: true, signal })).toMatchObject({
      outcome: "stored",
    });
    expect(await store.put(key, someBytes(11), { ifAbsent: true, signal })).toMatchObject({
      outcome: "exists",
      info: { sizeBytes: 10 },
    });
  }
  const refused = outcomes(requests).filter((outcome) => outcome === "put unsupported");
  expect(refused).toHaveLength(1);
  expect([...fake.stored.values()]).toEqual([1, 1, 1]);
  await close();
});

test("S3: a wrong ETag in the answer to an upload does not become the version", async () => {
  const { fake, store, close } = await openS3FakeStore();
  fake.faults.plan("PUT", "wrong_version");
  const { info } = await store.put("a", someBytes(10), { ifAbsent: true, signal });
  expect(`"${info.version}"`).toBe(fake.objects.get("a/prefix/a")?.etag);
  expect(fake.stored.get("a/prefix/a")).toBe(1);
  await close();
});

test("S3: an object that is not found after it was put is put again", async () => {
  const { fake, store, close } = await openS3FakeStore({ opaqueETags: true });
  // ETags prove nothing here, so each upload is looked at.
  fake.faults.plan("HEAD", "late_404");
  const { info } = await store.put("a", someBytes(10), { ifAbsent: true, signal });
  expect((await store.head("a", { signal }))?.version).toBe(info.version);
  expect(fake.stored.get("a/prefix/a")).toBe(1);
  await close();
});

test("S3: an upload that fails for good is aborted at the store", async () => {
  const { fake, store, close } = await openS3FakeStore();
  const source = { sizeBytes: 3 * TEST_PART_BYTES, read: () => Promise.reject(new Error("disk")) };
  await expect(store.put("a", source, { ifAbsent: true, signal })).rejects.toThrow("disk");
  expect(fake.uploads.size).toBe(0);
  const controller = new AbortController();
  fake.faults.plan("PUT", "delay", "delay", "delay");
  const put = store.put("b", someBytes(3 * TEST_PART_BYTES), {
    ifAbsent: true,
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(), 100);
  await expect(put).rejects.toMatchObject({ kind: "canceled" });
  expect(fake.uploads.size).toBe(0);
  await close();
});
