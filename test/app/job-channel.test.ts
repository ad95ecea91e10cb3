import { expect, test } from "vitest";
import { JobChannel } from "../../src/app/job-channel.ts";
import type { WorkerHandle } from "../../src/runtime/worker.ts";
import type {
  FromCompactionWorker,
  ToCompactionWorker,
} from "../../src/storage/compaction/messages.ts";

class FakeThread implements WorkerHandle<FromCompactionWorker, ToCompactionWorker> {
  readonly posted: ToCompactionWorker[] = [];
  reply: (message: FromCompactionWorker) => void = () => {};
  die: (error: Error) => void = () => {};
  terminated = false;
  post(message: ToCompactionWorker): void {
    this.posted.push(message);
  }
  onMessage(handler: (message: FromCompactionWorker) => void): void {
    this.reply = handler;
  }
  onExit(handler: (error: Error) => void): void {
    this.die = handler;
  }
  async terminate(): Promise<void> {
    this.terminated = true;
  }
}

function setUp() {
  const threads: FakeThread[] = [];
  const channel = new JobChannel(() => {
    const thread = new FakeThread();
    threads.push(thread);
    return thread;
  });
  return { channel, threads };
}

const JOB = { type: "merge", tenant: "t", inputs: [], usedKeys: [] } as const;

const REST = { leftOut: 0, unchanged: false, cpuMs: 0 };

test("a job gets the reply with its id", async () => {
  const { channel, threads } = setUp();
  const first = channel.run(JOB);
  const second = channel.run(JOB);
  const [a, b] = threads[0]!.posted;
  threads[0]!.reply({ type: "done", id: b!.id, metas: [], undecodable: 2, ...REST });
  threads[0]!.reply({ type: "done", id: a!.id, metas: [], undecodable: 1, ...REST });
  expect(await first).toMatchObject({ undecodable: 1 });
  expect(await second).toMatchObject({ undecodable: 2 });
});

test("a thread that dies fails its job, and the next job gets a new thread", async () => {
  const { channel, threads } = setUp();
  const lost = channel.run(JOB);
  threads[0]!.die(new Error("out of memory"));
  await expect(lost).rejects.toMatchObject({
    kind: "unavailable",
    cause: expect.objectContaining({ message: "out of memory" }),
  });
  const next = channel.run(JOB);
  expect(threads).toHaveLength(2);
  threads[1]!.reply({
    type: "done",
    id: threads[1]!.posted[0]!.id,
    metas: [],
    undecodable: 0,
    leftOut: 0,
    unchanged: false,
    cpuMs: 0,
  });
  expect(await next).toMatchObject({ type: "done" });
});

test("close ends the thread and fails what is under way and later", async () => {
  const { channel, threads } = setUp();
  const running = channel.run(JOB);
  const failed = expect(running).rejects.toMatchObject({ kind: "unavailable" });
  await channel.close();
  await failed;
  expect(threads[0]!.terminated).toBe(true);
  await expect(channel.run(JOB)).rejects.toMatchObject({ kind: "unavailable" });
  expect(threads).toHaveLength(1);
});
