import { execFile } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { eventually, metric } from "../support/e2e-answers.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";

const LAUNCHER = resolve(import.meta.dirname, "../../bin/pintail.mjs");
const run = promisify(execFile);

it("says what is kept how long, by its API, its command and its metrics", async () => {
  const pintail = await PintailProcess.start({
    extraYaml: `ingester: { max_block_duration: 1s }
overrides: { defaults: { compaction: { block_retention: 30h } } }
`,
  });
  try {
    const start = BigInt(Date.now()) * 1_000_000n;
    const span = { traceId: hex("1".padStart(32, "a")), startTimeUnixNano: start };
    const body = encodeRequest(aRequest([aSpan({ ...span, endTimeUnixNano: start + 1000n })]));
    expect((await pintail.push(body)).status).toBe(200);
    const url = `http://127.0.0.1:${pintail.ports.http}`;
    const read = async () => {
      const { tenants } = (await (await fetch(`${url}/api/retention`)).json()) as {
        tenants: { held: { spans: number; nextExpiryUnixMs: number }[]; due: unknown[] }[];
      };
      return tenants[0];
    };
    const answer = (await eventually("a report", read, (tenant) => tenant !== undefined))!;
    expect(answer.held[0]!.spans).toBe(1);
    expect(answer.due).toEqual([]);
    const keptMs = 30 * 3_600_000;
    expect(answer.held[0]!.nextExpiryUnixMs).toBe(Number(start / 1_000_000n) + keptMs);
    const command = [LAUNCHER, "retention", "--dry-run", "--url", url];
    const { stdout } = await run(process.execPath, command);
    expect(stdout).toContain("all traces: 1 segments, 1 spans");
    expect(stdout).toContain("kept 30 h");
    expect(stdout).toContain("nothing is due");
    const labels = 'tenant="single-tenant"';
    expect(await metric(pintail, "pintail_retention_policy_seconds", labels)).toBe(108_000);
  } finally {
    await pintail.stop();
  }
}, 60_000);
