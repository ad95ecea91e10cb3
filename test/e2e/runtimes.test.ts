import { describe, expect, it } from "vitest";
import { eventually, foundIds, metric, spansOf } from "../support/e2e-answers.ts";
import { grpcClient } from "../support/e2e-grpc.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { RUNTIMES } from "../support/runtimes.ts";

for (const [name, command] of Object.entries(RUNTIMES)) {
  if (command === undefined) {
    console.log(`skipped ${name}: neither installed from npm nor PINTAIL_${name.toUpperCase()}`);
  }
}

function body(traceIdHex: string): Uint8Array<ArrayBuffer> {
  const start = BigInt(Date.now()) * 1_000_000n;
  const ids = ["00000000000000a1", "00000000000000a2"];
  return encodeRequest(
    aRequest(
      ids.map((id, i) =>
        aSpan({
          traceId: hex(traceIdHex),
          spanId: hex(id),
          parentSpanId: hex(i === 0 ? "" : ids[0]!),
          name: `op ${i}`,
          startTimeUnixNano: start,
          endTimeUnixNano: start + 5_000_000n,
          attributes: attributes({ big: 2n ** 62n + 1n, text: "grüße", ratio: 0.5, yes: true }),
        }),
      ),
    ),
  );
}

describe.each(Object.entries(RUNTIMES))("on %s", (_, command) => {
  it.skipIf(command === undefined)(
    "takes, finds and keeps spans, and stops when told",
    {
      timeout: 120_000,
    },
    async () => {
      const options = { runtime: command!, extraYaml: "ingester: { max_block_duration: 1s }\n" };
      let pintail = await PintailProcess.start(options);
      try {
        const ids = ["a", "b", "c"].map((digit) => digit.repeat(32));
        const client = grpcClient(pintail.ports.otlpGrpc, { gzip: true });
        const answer = await client.export(body(ids[0]!));
        expect([answer.code, answer.message]).toEqual([0, ""]);
        expect((await client.export(Uint8Array.of(0x0a, 0x05, 0x01))).code).toBe(13);
        const large = await client.export(new Uint8Array(4 * 1024 * 1024 + 1));
        expect([large.code, large.details]).toEqual([8, undefined]);
        client.close();
        expect((await pintail.push(body(ids[1]!))).status).toBe(200);
        const json = JSON.stringify({
          resourceSpans: [
            {
              resource: {
                attributes: [{ key: "service.name", value: { stringValue: "by json" } }],
              },
              scopeSpans: [
                {
                  spans: [
                    {
                      traceId: ids[2],
                      spanId: "00000000000000a1",
                      name: "op 0",
                      startTimeUnixNano: `${Date.now()}000001`,
                      endTimeUnixNano: `${Date.now()}000002`,
                      attributes: [{ key: "text", value: { stringValue: "grüße" } }],
                    },
                  ],
                },
              ],
            },
          ],
        });
        const type = { "content-type": "application/json" };
        expect((await pintail.push(json, type)).status).toBe(200);
        expect((await pintail.push("{", type)).status).toBe(400);

        const check = async (): Promise<void> => {
          expect((await spansOf(pintail, ids[0]!)).map((span) => span.name).sort()).toEqual([
            "op 0",
            "op 1",
          ]);
          expect((await spansOf(pintail, ids[1]!)).length).toBe(2);
          expect((await spansOf(pintail, ids[2]!)).length).toBe(1);
          expect(await foundIds(pintail, '{ span.text = "grüße" }')).toEqual(ids);
          expect(await foundIds(pintail, `{ span.big = ${2n ** 62n + 1n} }`)).toEqual(
            ids.slice(0, 2),
          );
          expect(await foundIds(pintail, '{ resource.service.name = "by json" }')).toEqual([
            ids[2],
          ]);
          const { scopes } = await pintail.json<{ scopes: { name: string; tags: string[] }[] }>(
            "/api/v2/search/tags",
          );
          const tags = scopes.find((scope) => scope.name === "span")?.tags;
          expect([...(tags ?? [])].sort()).toEqual(["big", "ratio", "text", "yes"]);
          const values = await pintail.json<{ tagValues: { value: string }[] }>(
            "/api/v2/search/tag/resource.service.name/values",
          );
          expect(values.tagValues.map((each) => each.value).sort()).toEqual(["by json", "shop"]);
        };
        await check();
        const protobuf = await pintail.get(`/api/traces/${ids[0]}`, {
          accept: "application/protobuf",
        });
        expect(protobuf.headers.get("content-type")).toBe("application/protobuf");
        expect((await protobuf.arrayBuffer()).byteLength).toBeGreaterThan(100);
        await eventually(
          "L1 built",
          () => metric(pintail, "pintail_segments", 'level="1"'),
          (count) => count > 0,
        );
        await check();
        expect(await pintail.stop(), pintail.output).toBe(0);
        pintail = await PintailProcess.start({ ...options, dir: pintail.dir });
        await check();
        await pintail.kill();
        pintail = await PintailProcess.start({ ...options, dir: pintail.dir });
        await check();
        await expect(PintailProcess.start({ ...options, dir: pintail.dir })).rejects.toThrow(
          /exit code 1/,
        );
        await check();
      } finally {
        await pintail.remove();
      }
    },
  );
});
