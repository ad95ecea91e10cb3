import { expect, test } from "vitest";
import { faultyFiles } from "../../support/faulty-files.ts";
import { anEntry, openWal, replayedTexts, temporaryFolder, walFiles } from "./wal-support.ts";

const refused = expect.objectContaining({
  kind: "unavailable",
  retryAfterMs: expect.any(Number),
});

test("a full disk refuses exactly the group under way, and the WAL recovers by itself", async () => {
  const dir = temporaryFolder();
  const files = faultyFiles();
  const wal = await openWal(dir, { files });
  await wal.append(anEntry("before")).durable;
  files.faults.freeBytes = 70;
  const group = ["a", "b", "c"].map((text) => wal.append(anEntry(text)));
  for (const { durable } of group) await expect(durable).rejects.toEqual(refused);
  await expect(wal.append(anEntry("still full")).durable).rejects.toEqual(refused);
  files.faults.freeBytes = Number.POSITIVE_INFINITY;
  await wal.append(anEntry("after")).durable;
  expect(wal.counts()).toMatchObject({ failedGroups: 2, queuedBytes: 0 });
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["before", "after"]);
});

test("a refused group leaves no bytes behind, so a crash right after it replays none of it", async () => {
  const dir = temporaryFolder();
  const files = faultyFiles();
  const wal = await openWal(dir, { files });
  await wal.append(anEntry("before")).durable;
  files.faults.failSync = true;
  // Only the fsync of the group fails: truncation is synced after the fault is gone.
  const { durable } = wal.append(anEntry("refused"));
  await expect(durable).rejects.toEqual(refused);
  files.faults.failSync = false;
  files.crash(
    () => 1,
    () => false,
  );
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["before"]);
});

test.each([
  { what: "the truncation", fault: "failTruncate" as const },
  { what: "the fsync after the truncation", fault: undefined },
])(
  "when $what fails too, the refused records are voided with the next write",
  async ({ fault }) => {
    const dir = temporaryFolder();
    const files = faultyFiles();
    const wal = await openWal(dir, { files });
    await wal.append(anEntry("before")).durable;
    files.faults.failSync = true;
    if (fault !== undefined) files.faults[fault] = true;
    await expect(wal.append(anEntry("refused")).durable).rejects.toEqual(refused);
    files.faults.failSync = false;
    await wal.append(anEntry("after")).durable;
    files.crash(
      () => 1,
      () => false,
    );
    await wal.close();
    expect(walFiles(dir)).toHaveLength(2);
    expect(await replayedTexts(dir)).toEqual(["before", "after"]);
  },
);

test("when the first file cannot even be removed, its records are voided", async () => {
  const dir = temporaryFolder();
  const files = faultyFiles();
  const wal = await openWal(dir, { files });
  Object.assign(files.faults, { tearNextWriteAt: 200, failUnlink: true });
  const group = ["a", "b"].map((text) => wal.append(anEntry(text)));
  for (const { durable } of group) await expect(durable).rejects.toEqual(refused);
  files.faults.failUnlink = false;
  await wal.append(anEntry("c")).durable;
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["c"]);
});

test("a file that cannot be created refuses, and the next append tries again", async () => {
  const dir = temporaryFolder();
  const files = faultyFiles();
  const wal = await openWal(dir, { files });
  files.faults.failCreate = true;
  await expect(wal.append(anEntry("a")).durable).rejects.toEqual(refused);
  files.faults.failCreate = false;
  await wal.append(anEntry("b")).durable;
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["b"]);
});

test("a void that could not be written is written again with the next group", async () => {
  const dir = temporaryFolder();
  const files = faultyFiles();
  const wal = await openWal(dir, { files });
  const record = wal.append(anEntry("limited"));
  await record.durable;
  files.faults.freeBytes = 0;
  await expect(wal.appendVoid([record.lsn]).durable).rejects.toEqual(refused);
  files.faults.freeBytes = Number.POSITIVE_INFINITY;
  await wal.append(anEntry("next")).durable;
  files.crash(
    () => 0,
    () => false,
  );
  await wal.close();
  expect(await replayedTexts(dir)).toEqual(["next"]);
});

test("a torn write is taken off again and the group refused", async () => {
  const dir = temporaryFolder();
  for (const bytes of [0, 1, 47, 48, 53, 54, 107, 108]) {
    const files = faultyFiles();
    const wal = await openWal(dir, { files, startAtLeast: 0 });
    files.faults.tearNextWriteAt = bytes;
    const group = ["a", "b"].map((text) => wal.append(anEntry(text)));
    for (const { durable } of group) await expect(durable).rejects.toEqual(refused);
    await wal.append(anEntry(`${bytes}`)).durable;
    await wal.close();
  }
  expect(await replayedTexts(dir)).toEqual(["0", "1", "47", "48", "53", "54", "107", "108"]);
});

test("recovery that may not truncate goes on in a new file", async () => {
  const dir = temporaryFolder();
  const files = faultyFiles();
  const wal = await openWal(dir, { files });
  await wal.append(anEntry("a")).durable;
  files.faults.tearNextWriteAt = 30;
  files.faults.failTruncate = true;
  await expect(wal.append(anEntry("torn")).durable).rejects.toEqual(refused);
  files.faults.crashed = true;
  await wal.close();
  const readOnly = faultyFiles();
  readOnly.faults.failTruncate = true;
  const again = await openWal(dir, { files: readOnly });
  await again.append(anEntry("b")).durable;
  await again.close();
  expect(await replayedTexts(dir)).toEqual(["a", "b"]);
});
