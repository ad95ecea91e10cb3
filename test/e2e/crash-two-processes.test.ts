import { afterAll, beforeAll, expect, it } from "vitest";
import { foundIds } from "../support/e2e-answers.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";

let first: PintailProcess;

beforeAll(async () => {
  first = await PintailProcess.start();
});
afterAll(() => first.remove());

/** The id of a trace of one span that the server acknowledged. */
async function pushOne(server: PintailProcess, traceId: string): Promise<string> {
  const startTimeUnixNano = BigInt(Date.now()) * 1_000_000n;
  const span = aSpan({
    traceId: hex(traceId),
    startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano + 1000n,
  });
  const response = await server.push(encodeRequest(aRequest([span])));
  expect(response.status).toBe(200);
  return traceId;
}

it("a second process on the same data refuses to start and leaves the first one alone", {
  timeout: 60_000,
}, async () => {
  const before = await pushOne(first, "a1".repeat(16));
  await expect(PintailProcess.start({ dir: first.dir })).rejects.toThrow(
    /exit code 1[\s\S]*error initialising Pintail: data folder is in use by process/,
  );
  const after = await pushOne(first, "b2".repeat(16));
  expect((await foundIds(first, "{}")).toSorted()).toEqual([before, after]);
});

it("a killed process leaves nothing that keeps the next one out", {
  timeout: 60_000,
}, async () => {
  const found = await foundIds(first, "{}");
  expect(found).toHaveLength(2);
  await first.kill();
  first = await PintailProcess.start({ dir: first.dir });
  expect((await foundIds(first, "{}")).toSorted()).toEqual(found.toSorted());
});
