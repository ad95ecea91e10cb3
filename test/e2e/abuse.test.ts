import { connect, type Socket } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { create, toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SpanSchema } from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { concatBytes } from "../../src/util/concat-bytes.ts";
import {
  attributeOf,
  eventually,
  foundIds,
  metric,
  normalJson,
  peakMemoryBytes,
  spansOf,
} from "../support/e2e-answers.ts";
import { grpcClient } from "../support/e2e-grpc.ts";
import { hostileSpans } from "../support/e2e-hostile.ts";
import {
  aRequest,
  aSpan,
  attribute,
  attributes,
  encodeRequest,
  hex,
  type SpanInit,
} from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";

const MIB = 1024 * 1024;
const PROTOBUF = "application/x-protobuf";
const seed = testSeed();
const random = seededRandom(seed);
console.log(`seed ${seed}`);

let serial = 0;
let pintail: PintailProcess;
/** A trace from before all of it, which must be there after all of it. */
const witness = "ab".repeat(16);

beforeAll(async () => {
  pintail = await PintailProcess.start({
    server: "http_server_read_timeout: 5s\nhttp_server_read_header_timeout: 2s",
    extraYaml: "query_frontend: { max_outstanding_per_tenant: 30 }\n",
  });
  expect(await pushSpan({ traceId: hex(witness), name: "witness" })).toBe(200);
});

afterAll(async () => {
  try {
    expect(pintail.alive, pintail.output).toBe(true);
    expect((await pintail.get("/ready")).status).toBe(200);
    expect((await spansOf(pintail, witness)).map((span) => span.name)).toEqual(["witness"]);
    expect(await foundIds(pintail, '{ name = "witness" }')).toEqual([witness]);
    expect(await metric(pintail, "tempodb_compaction_errors_total")).toBe(0);
    expect(pintail.output).not.toMatch(/cannot go on|unhandled|uncaught/i);
    expect(await pintail.stop(), pintail.output).toBe(0);
    pintail = await PintailProcess.start({ dir: pintail.dir });
    expect((await spansOf(pintail, witness)).length).toBe(1);
  } finally {
    await pintail?.remove();
  }
});

function newTraceId(): string {
  return (++serial).toString(16).padStart(32, "5");
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

function bodyOf(init: SpanInit): Uint8Array<ArrayBuffer> {
  const start = now();
  return encodeRequest(
    aRequest([aSpan({ startTimeUnixNano: start, endTimeUnixNano: start + 1000n, ...init })]),
  );
}

async function pushSpan(init: SpanInit): Promise<number> {
  const response = await pintail.push(bodyOf(init));
  await response.arrayBuffer();
  return response.status;
}

/** A length-delimited field of a protobuf message. */
function field(tag: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = [tag];
  let length = content.length;
  for (; length >= 128; length = Math.floor(length / 128)) head.push((length & 127) | 128);
  head.push(length);
  const whole = new Uint8Array(head.length + content.length);
  whole.set(head);
  whole.set(content, head.length);
  return whole;
}

describe("bodies that grow", () => {
  it("bounds the memory that compression bombs take", { timeout: 120_000 }, async () => {
    const zeros = new Uint8Array(256 * MIB);
    // Large enough after decompression to be seen, small enough on the wire to get in.
    const bombs: [string, Uint8Array][] = [
      ["gzip", gzipSync(zeros)],
      ["zstd", zstdCompressSync(zeros)],
      // Claims 4 GiB and then holds nothing.
      ["snappy", Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0)],
    ];
    for (const [encoding, bomb] of bombs) {
      const statuses = await Promise.all(
        Array.from({ length: 12 }, async () => {
          const response = await pintail.push(bomb as Uint8Array<ArrayBuffer>, {
            "content-type": PROTOBUF,
            "content-encoding": encoding,
          });
          await response.arrayBuffer();
          return response.status;
        }),
      );
      // One may find the queue full.
      for (const status of statuses) expect([400, 413, 503], encoding).toContain(status);
    }
    const client = grpcClient(pintail.ports.otlpGrpc, { gzip: true });
    const answers = await Promise.all([
      client.export(zeros.subarray(0, 64 * MIB)),
      client.export(zeros.subarray(0, 64 * MIB)),
    ]);
    client.close();
    expect(answers.map((answer) => answer.code)).toEqual([8, 8]);
    // Any of them whole and a few of its copies would take more.
    expect(await peakMemoryBytes(pintail)).toBeLessThan(900 * MIB);
  });

  it.each([2, 63, 64, 65, 1000, 100_000])(
    "takes or refuses values nested %d deep, and never in part",
    async (depth) => {
      // By hand: a builder would recurse.
      let value = field(0x0a, new TextEncoder().encode("innermost"));
      if (depth <= 1000) {
        for (let i = 1; i < depth; i++) value = field(0x2a, field(0x0a, value));
      } else {
        // Cheaper to make, and as deep for a reader that trusts the lengths.
        value = new Uint8Array(2 * depth).fill(0x2a);
      }
      const traceId = newTraceId();
      const span = concatBytes([
        field(0x0a, hex(traceId)),
        field(0x12, hex("00000000000000a1")),
        field(0x4a, concatBytes([field(0x0a, Uint8Array.of(0x6b)), field(0x12, value)])),
      ]);
      const request = field(0x0a, field(0x12, field(0x12, span)));
      const response = await pintail.push(request);
      expect([200, 400]).toContain(response.status);
      const stored = await spansOf(pintail, traceId);
      if (response.status === 400) {
        expect(depth).toBeGreaterThan(63);
        expect(stored).toEqual([]);
        return;
      }
      let read = attributeOf(stored[0]!, "k") as Record<string, unknown>;
      for (let i = 1; i < depth; i++) {
        read = (read.arrayValue as { values: Record<string, unknown>[] }).values[0]!;
      }
      expect(read).toEqual({ stringValue: "innermost" });
    },
  );

  it("refuses JSON nested a hundred thousand deep", async () => {
    const type = { "content-type": "application/json" };
    for (const open of ["[", '{"a":', '{"resourceSpans":[']) {
      const response = await pintail.push(open.repeat(100_000), type);
      expect(response.status).toBe(400);
    }
  });

  it("takes 65 000 attributes on a span, and refuses more than it can hold", {
    timeout: 120_000,
  }, async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => attribute(`key ${i}`, BigInt(i)));
    const traceId = newTraceId();
    expect(await pushSpan({ traceId: hex(traceId), attributes: many(65_000) })).toBe(200);
    const [span] = await spansOf(pintail, traceId);
    expect(span!.attributes!.length).toBe(65_000);
    expect(attributeOf(span!, "key 64999")).toEqual({ intValue: "64999" });
    expect(await foundIds(pintail, '{ span."key 64999" = 64999 }')).toEqual([traceId]);
    const refused = newTraceId();
    expect(await pushSpan({ traceId: hex(refused), attributes: many(100_000) })).toBe(400);
    expect(await spansOf(pintail, refused)).toEqual([]);
  });

  it("cuts a value of 10 MB by default", { timeout: 120_000 }, async () => {
    const traceId = newTraceId();
    const value = "z".repeat(10 * MIB);
    expect(
      await pushSpan({ traceId: hex(traceId), attributes: attributes({ large: value }) }),
    ).toBe(200);
    const [span] = await spansOf(pintail, traceId);
    expect(attributeOf(span!, "large")).toEqual({ stringValue: "z".repeat(2048) });
  });

  it("keeps a value of 10 MB whole when told to", { timeout: 120_000 }, async () => {
    const other = await PintailProcess.start({
      distributor: "max_attribute_bytes: 0",
      extraYaml: "ingester: { max_block_duration: 1s }\n",
    });
    try {
      const traceId = newTraceId();
      const value = "z".repeat(5 * MIB) + "ü".repeat(2.5 * MIB);
      const body = bodyOf({ traceId: hex(traceId), attributes: attributes({ large: value }) });
      expect((await other.push(body)).status).toBe(200);
      expect(await foundIds(other, "{ span.large != nil }")).toEqual([traceId]);
      expect((await other.get("/api/v2/search/tag/span.large/values")).status).toBe(200);
      // More than a trace may have: refused by the first version, cut by the second.
      expect((await other.get(`/api/traces/${traceId}`)).status).toBe(422);
      const partial = await other.json<{ status: string }>(`/api/v2/traces/${traceId}`);
      expect(partial.status).toBe("PARTIAL");
      await eventually(
        "L1 built",
        () => metric(other, "pintail_segments", 'level="1"'),
        (count) => count > 0,
      );
      expect(await other.stop()).toBe(0);
      const lifted = await PintailProcess.start({
        dir: other.dir,
        extraYaml: "overrides: { defaults: { global: { max_bytes_per_trace: 0 } } }\n",
      });
      try {
        const [span] = await spansOf(lifted, traceId);
        const read = attributeOf(span!, "large")?.stringValue;
        expect(read === value).toBe(true);
      } finally {
        await lifted.kill();
      }
    } finally {
      await other.remove();
    }
  });
});

describe("values at the edges", () => {
  it("gives times of the whole range back", async () => {
    const edges = [0n, 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, now()];
    for (const start of edges) {
      for (const end of edges) {
        const traceId = newTraceId();
        const span = {
          traceId: hex(traceId),
          startTimeUnixNano: start,
          endTimeUnixNano: end,
          events: [{ timeUnixNano: end, name: "e" }],
        };
        const status = await pushSpan(span);
        expect(status, `${start} to ${end}`).toBe(200);
        const [read] = await spansOf(pintail, traceId);
        expect([read?.startTimeUnixNano ?? "0", read?.endTimeUnixNano ?? "0"]).toEqual([
          String(start),
          String(end),
        ]);
        expect(read?.events?.[0]?.timeUnixNano ?? "0").toBe(String(end));
      }
    }
    expect(
      (await pintail.get(`/api/search?q=${encodeURIComponent("{ duration > 1h }")}`)).status,
    ).toBe(200);
    expect((await pintail.get("/metrics")).status).toBe(200);
  });

  it("gives hostile spans back as they were", async () => {
    for (let i = 0; i < 10; i++) {
      const traceId = newTraceId();
      const spans = hostileSpans(random, traceId, now());
      expect((await pintail.push(encodeRequest(aRequest(spans)))).status).toBe(200);
      const expected = spans.map((span) => {
        const json = toJson(SpanSchema, create(SpanSchema, span)) as Record<string, unknown>;
        return normalJson({ status: {}, ...json });
      });
      const read = (await spansOf(pintail, traceId)).map(normalJson);
      expect(read.sort()).toEqual(expected.sort());
    }
  });

  it("stores text that is not UTF-8 readably, or refuses it", async () => {
    const traceId = newTraceId();
    const body = bodyOf({
      traceId: hex(traceId),
      name: "bad@@@@name",
      attributes: attributes({ k: "@@@@" }),
    });
    for (const bytes of [
      [0xff, 0xfe, 0xc0, 0x80],
      [0xed, 0xa0, 0x80, 0xf5],
    ]) {
      // The whole text: one such byte may stand in an id.
      body.set(bytes, Buffer.from(body).indexOf("@@@@"));
    }
    const response = await pintail.push(body);
    expect([200, 400]).toContain(response.status);
    const spans = await spansOf(pintail, traceId);
    expect(spans.length).toBe(response.status === 200 ? 1 : 0);
    if (response.status === 200) {
      expect(spans[0]!.name).toMatch(/^bad\ufffd+name$/);
      expect(attributeOf(spans[0]!, "k")?.stringValue).toMatch(/^\ufffd+$/);
    }
    expect((await pintail.get("/api/v2/search/tag/name/values")).status).toBe(200);
  });
});

describe("noise", () => {
  it("answers mutated protobuf with 200 or 400", { timeout: 120_000 }, async () => {
    const seen = new Set<number>();
    for (let round = 0; round < 40; round++) {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const traceId = (0xf000000 + ++serial).toString(16).padStart(32, "6");
          const body = mutated(encodeRequest(aRequest(hostileSpans(random, traceId, now()))));
          const response = await pintail.push(body);
          await response.arrayBuffer();
          seen.add(response.status);
          expect([200, 400], `seed ${seed}`).toContain(response.status);
        }),
      );
    }
    expect([...seen].sort()).toEqual([200, 400]);
    // Whatever was taken can be read.
    expect((await pintail.get("/api/search?limit=1000")).status).toBe(200);
    const all = encodeURIComponent("{ true } | select(span.key.1, name, status)");
    expect([200, 400]).toContain((await pintail.get(`/api/search?limit=1000&q=${all}`)).status);
    expect((await pintail.get("/api/v2/search/tags")).status).toBe(200);
  });

  it("answers mutated JSON and random bytes in every encoding with 200 or 400", async () => {
    const json = new TextEncoder().encode(
      JSON.stringify({
        resourceSpans: [
          {
            resource: { attributes: [{ key: "a", value: { intValue: "1" } }] },
            scopeSpans: [
              {
                spans: [
                  {
                    traceId: "77".repeat(16),
                    spanId: "77".repeat(8),
                    name: "n",
                    startTimeUnixNano: String(now()),
                    attributes: [
                      { key: "b", value: { arrayValue: { values: [{ doubleValue: 1 }] } } },
                    ],
                  },
                ],
              },
            ],
          },
        ],
      }),
    );
    for (let i = 0; i < 150; i++) {
      const response = await pintail.push(mutated(json), { "content-type": "application/json" });
      await response.arrayBuffer();
      expect([200, 400], `seed ${seed}`).toContain(response.status);
    }
    for (const encoding of ["gzip", "zstd", "deflate", "zlib", "snappy", "lz4"]) {
      for (let i = 0; i < 15; i++) {
        const whole = gzipSync(json);
        const bytes =
          encoding === "gzip"
            ? mutated(whole as Uint8Array<ArrayBuffer>)
            : Uint8Array.from({ length: 1 + Math.floor(random() * 200) }, () => random() * 256);
        const headers = { "content-type": PROTOBUF, "content-encoding": encoding };
        const response = await pintail.push(bytes, headers);
        await response.arrayBuffer();
        expect([200, 400, 413], `${encoding}, seed ${seed}`).toContain(response.status);
      }
    }
  });

  /** Cut off, with flipped bits, with a piece taken out or put in, or several of these. */
  function mutated(original: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    let bytes = original.slice();
    for (let n = Math.floor(random() * 4); n >= 0; n--) {
      const at = Math.floor(random() * (bytes.length + 1));
      switch (Math.floor(random() * 6)) {
        case 0:
          bytes = bytes.slice(0, at);
          break;
        case 1:
        case 2:
          if (at < bytes.length) bytes[at]! ^= 1 << Math.floor(random() * 8);
          break;
        case 3:
          if (at < bytes.length) bytes[at] = random() * 256;
          break;
        case 4: {
          const to = at + Math.floor(random() * 20);
          bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(to)]);
          break;
        }
        default: {
          const piece = Array.from({ length: random() * 10 }, () => random() * 256);
          bytes = Uint8Array.from([...bytes.subarray(0, at), ...piece, ...bytes.subarray(at)]);
        }
      }
    }
    return bytes;
  }
});

describe("queries", () => {
  const query = (text: string) => `/api/search?q=${encodeURIComponent(text)}`;
  const statusOf = async (path: string): Promise<number> => {
    const response = await pintail.get(path);
    await response.arrayBuffer();
    return response.status;
  };

  it.each([
    `/api/search?limit=${2 ** 31}`,
    "/api/search?limit=-1",
    "/api/search?limit=1e9",
    "/api/search?limit=99999999999999999999",
    `/api/search?spss=${2 ** 31}`,
    "/api/search?start=1&end=99999999999",
    "/api/search?start=2&end=1",
    "/api/traces/%00",
    "/api/traces/zz",
    `/api/traces/${"1".repeat(33)}`,
    "/api/traces/%zz",
    query("{"),
    query("{ span.a = }"),
    query("\u0000"),
    query("{ .a =~ `(` }"),
  ])("refuses %s", async (path) => {
    expect(await statusOf(path)).toBe(400);
  });

  it("takes a query of 128 KiB and refuses one byte more", async () => {
    const frame = '{ span.a = "" }';
    const long = (length: number) => `{ span.a = "${"x".repeat(length - frame.length)}" }`;
    expect(await statusOf(query(long(131_072)))).toBe(200);
    expect(await statusOf(query(long(131_073)))).toBe(400);
  });

  it.each([
    ["parentheses", `{ ${"(".repeat(1000)}true${")".repeat(1000)} }`],
    ["negations", `{ ${"!".repeat(1000)}true }`],
    ["minus signs", `{ span.a = ${"-".repeat(1000)}1 }`],
    [
      "conjunctions",
      `{ ${Array.from({ length: 1000 }, (_, i) => `span.a${i} = ${i}`).join(" && ")} }`,
    ],
    ["disjunctions", `{ ${Array.from({ length: 1000 }, (_, i) => `.a = ${i}`).join(" || ")} }`],
    ["pipelines", `{ true } ${"| { true } ".repeat(1000)}`],
    ["spansets", `${"({ true } && ".repeat(1000)}{ true }${")".repeat(1000)}`],
    ["sums", `{ 1 ${"+ 1 ".repeat(1000)}= span.a }`],
    ["a regular expression", `{ name =~ \`${"(a?".repeat(500)}${")".repeat(500)}\` }`],
    ["repetitions", "{ name =~ `((a{1,100}){1,100}){1,100}` }"],
  ])("answers a thousand %s", { timeout: 60_000 }, async (_, text) => {
    expect([200, 400]).toContain(await statusOf(query(text)));
    expect(await statusOf("/ready")).toBe(200);
  });

  const NAMES = [
    `"; DROP TABLE spans; --`,
    `x" OR "1"="1`,
    `') UNION SELECT * FROM duckdb_settings() --`,
    `a.b."c"`,
    "\\",
    "日本 🦆",
    "$x {{y}}",
    "%",
    " ",
    "a\nb",
    "null",
    "__proto__",
    "constructor",
  ];

  it.each(NAMES)("treats the attribute name %j as a name", async (name) => {
    const traceId = newTraceId();
    expect(
      await pushSpan({
        traceId: hex(traceId),
        attributes: [attribute(name, "value"), attribute(`${name}.n`, 5n)],
      }),
    ).toBe(200);
    // A quoted name knows two escapes, a string more.
    const quoted = `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
    expect(await foundIds(pintail, `{ span.${quoted} = "value" }`)).toEqual([traceId]);
    expect(await foundIds(pintail, `{ .${quoted} = "nothing" }`)).toEqual([]);
    const tag = encodeURIComponent(`span.${quoted}`);
    const { tagValues } = await pintail.json<{ tagValues: { value: string }[] }>(
      `/api/v2/search/tag/${tag}/values`,
    );
    expect(tagValues.map((each) => each.value)).toEqual(["value"]);
    const { scopes } = await pintail.json<{ scopes: { name: string; tags: string[] }[] }>(
      "/api/v2/search/tags?scope=span",
    );
    expect(scopes[0]!.tags).toContain(name);
    expect(await statusOf(`/api/search/tag/${encodeURIComponent(name)}/values`)).toBeLessThan(500);
  });

  it.each(NAMES)("treats the value %j as a value", async (value) => {
    const traceId = newTraceId();
    expect(
      await pushSpan({ traceId: hex(traceId), attributes: attributes({ hostile: value }) }),
    ).toBe(200);
    const quoted = `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
    expect(await foundIds(pintail, `{ span.hostile = ${quoted} }`)).toEqual([traceId]);
  });

  it("answers tags and values of names nobody has", async () => {
    for (const name of [...NAMES, "x".repeat(5000)]) {
      const encoded = encodeURIComponent(name);
      for (const path of [
        `/api/search/tag/${encoded}/values`,
        `/api/v2/search/tag/${encoded}/values`,
        `/api/v2/search/tag/span.${encoded}/values`,
        `/api/v2/search/tags?q=${encoded}&scope=span`,
        `/api/v2/search/tags?scope=${encoded}`,
        `/api/search?tags=${encoded}`,
        query(`{ .${name} = 1 }`),
      ]) {
        expect(await statusOf(path), path).toBeLessThan(500);
      }
    }
  });

  it("answers two hundred at once, or says that it is too many", { timeout: 120_000 }, async () => {
    const paths = [
      query('{ name =~ ".*w.*n.*" }'),
      query("{ duration > 0 }"),
      `/api/v2/traces/${witness}`,
      "/api/v2/search/tags",
      "/api/v2/search/tag/name/values",
    ];
    const statuses = await Promise.all(
      Array.from({ length: 200 }, (_, i) => statusOf(paths[i % paths.length]!)),
    );
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
    expect(await foundIds(pintail, '{ name = "witness" }')).toEqual([witness]);
  });

  it("drops the queries of clients that go away", { timeout: 120_000 }, async () => {
    const served = (status: string) =>
      metric(pintail, "tempo_request_duration_seconds_count", `status_code="${status}"`);
    const canceledBefore = await served("499");
    const controllers = Array.from({ length: 25 }, () => new AbortController());
    const outcomes = controllers.map(({ signal }) =>
      fetch(pintail.url + query('{ name =~ ".*(a|w).*(i|x).*" && .key.1 != nil }'), {
        signal,
      }).then(
        () => "answered",
        () => "aborted",
      ),
    );
    await eventually(
      "queries under way",
      () => metric(pintail, "tempo_inflight_requests"),
      (count) => count > 5,
    );
    for (const controller of controllers) controller.abort();
    const aborted = (await Promise.all(outcomes)).filter((outcome) => outcome === "aborted").length;
    expect(aborted).toBeGreaterThan(0);
    await eventually(
      "no query left",
      () => metric(pintail, "tempo_inflight_requests"),
      // The one that asks for the metrics.
      (count) => count <= 1,
    );
    expect(await served("499")).toBeGreaterThan(canceledBefore);
    expect(await foundIds(pintail, '{ name = "witness" }')).toEqual([witness]);
  });
});

describe("slow clients", () => {
  function dial(port: number): Promise<Socket> {
    return new Promise((done, fail) => {
      const socket = connect(port, "127.0.0.1", () => done(socket));
      socket.once("error", fail);
    });
  }

  it("cuts off who dribbles a head or a body, and serves others meanwhile", {
    timeout: 120_000,
  }, async () => {
    const slow = await Promise.all(Array.from({ length: 60 }, () => dial(pintail.ports.http)));
    const closed = slow.map((socket) => new Promise<void>((done) => socket.once("close", done)));
    let open = true;
    for (const [i, socket] of slow.entries()) {
      socket.on("error", () => {});
      socket.resume();
      socket.write(
        i % 2 === 0
          ? "GET /ready HTTP/1.1\r\nHost: x\r\nX-Slow: "
          : "POST /api/search HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
      );
    }
    const dribble = setInterval(() => {
      for (const socket of slow) if (!socket.destroyed) socket.write("x");
    }, 200);
    try {
      while (open) {
        expect(await foundIds(pintail, '{ name = "witness" }')).toEqual([witness]);
        expect(await pushSpan({ traceId: hex(newTraceId()) })).toBe(200);
        open =
          (await Promise.race([Promise.all(closed).then(() => "closed"), tick()])) !== "closed";
      }
    } finally {
      clearInterval(dribble);
      for (const socket of slow) socket.destroy();
    }
  });

  it("takes pushes while other senders never finish theirs", async () => {
    const head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n";
    const slow = await Promise.all(Array.from({ length: 100 }, () => dial(pintail.ports.otlpHttp)));
    for (const socket of slow) {
      socket.on("error", () => {});
      socket.write(`${head}Content-Length: 15000000\r\n\r\nabc`);
    }
    const preface = await Promise.all(
      Array.from({ length: 20 }, () => dial(pintail.ports.otlpGrpc)),
    );
    for (const socket of preface) {
      socket.on("error", () => {});
      socket.write("PRI * HTTP/2.0\r\n\r\nSM");
    }
    const traceId = newTraceId();
    expect(await pushSpan({ traceId: hex(traceId) })).toBe(200);
    const client = grpcClient(pintail.ports.otlpGrpc);
    expect((await client.export(bodyOf({ traceId: hex(newTraceId()) }))).code).toBe(0);
    client.close();
    expect((await spansOf(pintail, traceId)).length).toBe(1);
    for (const socket of [...slow, ...preface]) socket.destroy();
  });

  it("answers garbage on every port with a closed connection", async () => {
    const { http, grpc, otlpGrpc, otlpHttp } = pintail.ports;
    for (const port of [http, grpc, otlpGrpc, otlpHttp]) {
      for (let i = 0; i < 5; i++) {
        const socket = await dial(port);
        socket.on("error", () => {});
        socket.write(Buffer.from(Array.from({ length: 300 }, () => random() * 256)));
        socket.end();
        socket.resume();
        await new Promise<void>((done) => socket.once("close", done));
      }
    }
    expect((await pintail.get("/ready")).status).toBe(200);
  });

  function tick(): Promise<string> {
    return new Promise((done) => setTimeout(() => done("open"), 100));
  }
});
