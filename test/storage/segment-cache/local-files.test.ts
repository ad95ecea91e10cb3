import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { LocalFiles } from "../../../src/storage/segment-cache/local-files.ts";

function localFiles(capBytes: number): LocalFiles {
  return new LocalFiles({ unlink: () => setImmediate() }, capBytes);
}

test("room reserved at the same time is made for all, out of what nobody uses", async () => {
  const local = localFiles(100);
  for (let i = 0; i < 5; i++) local.add(`unused-${i}`, 10, () => {});
  // The first fits beside the files, and does not when the second has come.
  await Promise.all([local.reserve(45), local.reserve(45)]);
  expect(local.bytes).toBeLessThanOrEqual(10);
});

test("a reservation beyond what can go is refused and takes nothing from others", async () => {
  const local = localFiles(100);
  local.pin(local.add("used", 30, () => {}));
  const [first, second] = await Promise.allSettled([local.reserve(60), local.reserve(20)]);
  expect(first.status).toBe("fulfilled");
  expect(second).toMatchObject({ reason: { kind: "limited" } });
  await local.reserve(10);
});

test("a file that cannot be deleted takes its room until that works", async () => {
  const disk = { fails: true, deleted: [] as string[] };
  const unlink = async (path: string): Promise<void> => {
    if (disk.fails) throw new Error("input/output error");
    disk.deleted.push(path);
  };
  const local = new LocalFiles({ unlink }, 100);
  const [a, b] = [local.add("a", 60, () => {}), local.add("b", 30, () => {})];
  await expect(local.drop(a)).rejects.toThrow("input/output error");
  await expect(local.drop(b)).rejects.toThrow("input/output error");
  expect(local.bytes).toBe(90);
  await expect(local.reserve(20)).rejects.toMatchObject({ kind: "limited" });
  // Its name is used again: the new file has taken the old one's place.
  local.add("b", 10, () => {});
  expect(local.bytes).toBe(70);
  disk.fails = false;
  await local.reserve(30);
  expect(disk.deleted).toEqual(["a"]);
  expect(local.bytes).toBe(10);
});
