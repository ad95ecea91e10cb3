import { afterEach, expect, test } from "vitest";
import { spawnWorker, type WorkerHandle, workerOnDemand } from "../../src/runtime/worker.ts";

type FromWorker = { greeting?: unknown; bytes?: ArrayBuffer };
type ToWorker = { kind: "double"; bytes: ArrayBuffer } | { kind: "throw" | "exit" };

const workers: WorkerHandle<FromWorker, ToWorker>[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

function start() {
  const worker = spawnWorker<FromWorker, ToWorker>(
    new URL("./fixtures/echo-worker.ts", import.meta.url),
    { name: "echo", data: { hello: 1 } },
  );
  workers.push(worker);
  const messages: FromWorker[] = [];
  let wake = () => {};
  worker.onMessage((message) => {
    messages.push(message);
    wake();
  });
  const received = async (count: number) => {
    while (messages.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return messages;
  };
  return { worker, received };
}

test("a worker gets its input, and buffers move in both directions", async () => {
  const { worker, received } = start();
  const bytes = new Uint8Array([1, 2, 3]).buffer;
  worker.post({ kind: "double", bytes }, [bytes]);
  expect(bytes.byteLength).toBe(0);
  const [greeting, answer] = await received(2);
  expect(greeting).toEqual({ greeting: { hello: 1 } });
  expect(new Uint8Array(answer?.bytes ?? new ArrayBuffer(0))).toEqual(new Uint8Array([2, 4, 6]));
});

test("a worker that throws is reported once, with its error", async () => {
  const { worker, received } = start();
  await received(1);
  const errors: Error[] = [];
  const ended = new Promise<void>((resolve) => {
    worker.onExit((error) => {
      errors.push(error);
      resolve();
    });
  });
  worker.post({ kind: "throw" });
  await ended;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(errors.map((error) => error.message)).toEqual(["the worker's own error"]);
});

test("a worker that exits is reported with its code", async () => {
  const { worker, received } = start();
  await received(1);
  const error = new Promise<Error>((resolve) => {
    worker.onExit(resolve);
  });
  worker.post({ kind: "exit" });
  expect((await error).message).toBe("worker echo exited with code 3");
});

test("a worker that is terminated on purpose is not reported", async () => {
  const { worker, received } = start();
  await received(1);
  let reported = false;
  worker.onExit(() => {
    reported = true;
  });
  await worker.terminate();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(reported).toBe(false);
});

test("a worker on demand starts with the first message and answers whoever listened before", async () => {
  let spawned = 0;
  const worker = workerOnDemand<FromWorker, ToWorker>(() => {
    spawned++;
    return spawnWorker(new URL("./fixtures/echo-worker.ts", import.meta.url), { name: "echo" });
  });
  const answer = new Promise<FromWorker>((resolve) => {
    worker.onMessage((message) => message.bytes && resolve(message));
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(spawned).toBe(0);
  const bytes = new Uint8Array([4]).buffer;
  worker.post({ kind: "double", bytes }, [bytes]);
  expect(new Uint8Array((await answer).bytes ?? new ArrayBuffer(0))).toEqual(new Uint8Array([8]));
  const exit = new Promise<Error>((resolve) => worker.onExit(resolve));
  worker.post({ kind: "exit" });
  expect((await exit).message).toBe("worker echo exited with code 3");
  expect(spawned).toBe(1);
  await worker.terminate();
  expect(() => worker.post({ kind: "throw" })).not.toThrow();
});

test("a worker on demand that was terminated before its start never starts", async () => {
  const worker = workerOnDemand<FromWorker, ToWorker>(() => {
    throw new Error("started");
  });
  await worker.terminate();
  expect(() => worker.post({ kind: "throw" })).toThrow("the worker was terminated");
});
