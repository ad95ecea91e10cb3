// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions are what is tested.
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { loadSettings } from "../../src/config/load.ts";
import { renderConfig } from "../../src/config/render.ts";

const FILE = `server: { http_listen_port: 3200, log_level: info }
distributor:
  receivers: &r
    otlp: { protocols: { grpc: { endpoint: "0.0.0.0:4317" }, http: } }
    jaeger: { protocols: { thrift_http: } }
compactor: { compaction: { block_retention: 72h } }
storage: { trace: { backend: local, wal: { path: /w }, local: { path: /b } } }
overrides:
  ingestion_rate_limit_bytes: 5_000_000
  per_tenant_override_config: /o
memberlist: { join_members: [a], <<: { x: 1 } }
`;
const TENANTS = `overrides:
  a: { ingestion: { rate_limit_bytes: 1 }, compaction: { block_retention: 1d } }
  "*": { max_bytes_per_trace: 5 }
`;

/** A text with a few pieces cut out and put in. */
function mutated(text: string): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    "",
    " ",
    "\n",
    "\n  ",
    ":",
    "{",
    "}",
    "[",
    "]",
    "-",
    "&r ",
    "*r",
    "<<: ",
    "'",
    '"',
    "#",
    "~",
    "\t",
    "0x",
    "!!",
    "---\n",
    "__proto__",
    "${A",
    "${A:-b}",
    "\u0000",
    "é",
    "|\n",
    "? ",
  );
  const edit = fc.record({ at: fc.nat(text.length), cut: fc.nat(12), put: piece });
  return fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map((edits) =>
      edits.reduce((t, { at, cut, put }) => t.slice(0, at) + put + t.slice(at + cut), text),
    );
}

test("any text loads or is refused with a ConfigError, and what loads can be shown", () => {
  fc.assert(
    fc.property(mutated(FILE), mutated(TENANTS), fc.boolean(), (file, tenants, expand) => {
      try {
        const result = loadSettings({
          args: ["-config.file=/f", `-config.expand-env=${expand}`],
          env: {},
          readFile: (path) => (path === "/f" ? file : tenants),
        });
        if (result.action !== "run") throw new Error("no run");
        expect(renderConfig(result, undefined)).toContain("http_listen_port");
        expect(result.overrides.limitsFor("a").ingest.rateLimitBytes).toBeGreaterThanOrEqual(0);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(error.message.length).toBeLessThan(5000);
      }
    }),
    { numRuns: 200 },
  );
});

test("any arguments load or are refused with a ConfigError", () => {
  const arg = fc.oneof(
    fc.constantFrom(
      "-version=",
      "--",
      "-",
      "-h=1",
      "-target",
      "all",
      "-log.level=info",
      "-memberlist.x",
      "-config.verify",
      "-health.url",
      "-=x",
      "-storage.trace.local.path",
    ),
    fc.string({ maxLength: 12 }).map((text) => `-${text}`),
  );
  fc.assert(
    fc.property(fc.array(arg, { maxLength: 5 }), (args) => {
      try {
        const result = loadSettings({ args, env: {}, readFile: () => "" });
        expect(["run", "verify", "help", "version", "health"]).toContain(result.action);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect([1, 2]).toContain(error.exitCode);
      }
    }),
    { numRuns: 200 },
  );
});
