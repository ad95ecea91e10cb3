import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { LsnRanges } from "../../../src/storage/wal/lsn-ranges.ts";
import type { Wal } from "../../../src/storage/wal/wal.ts";
import { type FaultyFiles, faultyFiles } from "../../support/faulty-files.ts";
import { anEntry, openWal, replayed, temporaryFolder, textOf } from "./wal-support.ts";

type StepKind =
  | "append"
  | "settle"
  | "void"
  | "full"
  | "tear"
  | "failSync"
  | "failTruncate"
  | "heal"
  | "crash"
  | "restart";
type Step = { readonly kind: StepKind; readonly size: number };

const WEIGHTS: Record<StepKind, number> = {
  append: 8,
  settle: 3,
  void: 1,
  full: 1,
  tear: 1,
  failSync: 1,
  failTruncate: 1,
  heal: 2,
  crash: 1,
  restart: 1,
};
const step: fc.Arbitrary<Step> = fc.oneof(
  ...Object.entries(WEIGHTS).map(([kind, weight]) => ({
    weight,
    arbitrary: fc.record({ kind: fc.constant(kind as StepKind), size: fc.nat(400) }),
  })),
);

/** What is known of a record; `open` means that both outcomes are right. */
type Verdict = "durable" | "refused" | "open";

/** A WAL under test beside what it promised. */
class Run {
  readonly #dir: string;
  readonly #verdicts: Verdict[] = [];
  readonly #lsns: number[] = [];
  /** Refused while the clean-up failed: certain only after the next write that succeeds. */
  readonly #doubtful = new Set<number>();
  #files: FaultyFiles = faultyFiles();
  #wal: Wal | undefined;
  #waiting: Promise<void>[] = [];

  constructor(dir: string) {
    this.#dir = dir;
  }

  async open(): Promise<void> {
    this.#files = faultyFiles();
    const options = { files: this.#files, maxFileBytes: 800, groupDelayMs: 0 };
    this.#wal = await openWal(this.#dir, options);
    const found = (await replayed(this.#wal)).map((r) => Number.parseInt(textOf(r), 10));
    expect(found).toEqual([...found].sort((a, b) => a - b));
    const present = new Set(found);
    this.#verdicts.forEach((verdict, id) => {
      if (verdict === "open") this.#verdicts[id] = present.has(id) ? "durable" : "refused";
      else expect(present.has(id), `record ${id} was ${verdict}`).toBe(verdict === "durable");
    });
  }

  async run({ kind, size }: Step): Promise<void> {
    const { faults } = this.#files;
    if (kind === "append") this.#append(size);
    else if (kind === "settle") await this.#settle();
    else if (kind === "void") await this.#void(size);
    else if (kind === "full") faults.freeBytes = size;
    else if (kind === "tear") faults.tearNextWriteAt = size;
    else if (kind === "failSync")
      Object.assign(faults, { failSync: true, failTruncate: size > 200 });
    else if (kind === "failTruncate") faults.failTruncate = true;
    else if (kind === "heal") await this.#heal();
    else if (kind === "crash") await this.#crash(size);
    else await this.restart();
  }

  async restart(): Promise<void> {
    await this.#heal();
    await this.#wal?.close();
    this.#doubtful.clear();
    await this.open();
  }

  async close(): Promise<void> {
    await this.#wal?.close();
  }

  #append(size: number): void {
    const id = this.#verdicts.push("open") - 1;
    const appended = this.#wal?.append(anEntry(`${id}:`.padEnd(size, ".")));
    if (appended === undefined) return;
    this.#lsns.push(appended.lsn);
    this.#expectOf(id, appended.durable, "durable");
  }

  /** The record's verdict becomes `verdict` when `durable` resolves. */
  #expectOf(id: number, durable: Promise<void>, verdict: Verdict): void {
    const { faults } = this.#files;
    this.#waiting.push(
      durable.then(
        () => {
          this.#doubtful.clear();
          this.#verdicts[id] = verdict;
        },
        () => {
          if (faults.crashed) return;
          this.#verdicts[id] = verdict === "durable" ? "refused" : "open";
          if (faults.failSync || faults.failTruncate) this.#doubtful.add(id);
        },
      ),
    );
  }

  async #void(size: number): Promise<void> {
    await this.#settle();
    const durable = [...this.#verdicts.keys()].filter((id) => this.#verdicts[id] === "durable");
    const id = durable[size % Math.max(1, durable.length)];
    if (id === undefined || this.#wal === undefined) return;
    const voided = this.#wal.appendVoid([this.#lsns[id] ?? Number.NaN]);
    this.#verdicts[id] = "open";
    this.#expectOf(id, voided.durable, "refused");
    await this.#settle();
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#waiting);
    this.#waiting = [];
  }

  async #heal(): Promise<void> {
    await this.#settle();
    Object.assign(this.#files.faults, {
      freeBytes: Number.POSITIVE_INFINITY,
      failSync: false,
      failTruncate: false,
      tearNextWriteAt: undefined,
    });
  }

  async #crash(seed: number): Promise<void> {
    let state = seed;
    const random = () => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state / 2147483648;
    };
    this.#files.crash(random, () => random() < 0.3);
    await this.#settle();
    for (const id of this.#doubtful) this.#verdicts[id] = "open";
    this.#doubtful.clear();
    await this.#wal?.close().catch(() => {});
    await this.open();
  }
}

test("after any faults a replay gives all that was acknowledged, in order, and nothing refused", async () => {
  const root = temporaryFolder();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const run = new Run(fs.mkdtempSync(path.join(root, "run-")));
      await run.open();
      for (const one of steps) await run.run(one);
      await run.restart();
      await run.close();
    }),
    { numRuns: 200 },
  );
}, 60_000);

test("a set of ranges answers like a set of numbers", () => {
  const range = fc
    .tuple(fc.nat(60), fc.nat(8))
    .map(([from, length]) => ({ from, to: from + length }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), fc.nat(60), (ranges, cut) => {
      const set = new LsnRanges();
      const model = new Set<number>();
      for (const { from, to } of ranges) {
        set.add({ from, to });
        for (let lsn = from; lsn < to; lsn++) model.add(lsn);
      }
      for (let lsn = 0; lsn < 80; lsn++) expect(set.has(lsn)).toBe(model.has(lsn));
      const all = set.all;
      for (let i = 1; i < all.length; i++) {
        expect(all[i]?.from).toBeGreaterThan(all[i - 1]?.to ?? 0);
      }
      set.dropBefore(cut);
      for (let lsn = cut; lsn < 80; lsn++) expect(set.has(lsn)).toBe(model.has(lsn));
    }),
  );
});
