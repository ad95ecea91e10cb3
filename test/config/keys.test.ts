import { expect, test } from "vitest";
import { decodeText } from "../../src/config/decode.ts";
import { FLAGS } from "../../src/config/flag-table.ts";
import { keyTree } from "../../src/config/key-spec.ts";
import { allKeys } from "../../src/config/keys/all.ts";
import {
  jaegerReceiverKeys,
  otlpReceiverKeys,
  zipkinReceiverKeys,
} from "../../src/config/keys/distributor.ts";
import { scopedOverrideKeys } from "../../src/config/keys/overrides.ts";
import { remoteWriteKeys } from "../../src/config/keys/remote-write.ts";
import { maskSecrets } from "../../src/config/mask.ts";
import { nearest } from "../../src/config/nearest.ts";
import { settingsReference } from "../../src/config/reference.ts";

const tables = {
  allKeys,
  otlpReceiverKeys,
  jaegerReceiverKeys,
  zipkinReceiverKeys,
  scopedOverrideKeys,
  remoteWriteKeys,
};

test.each(Object.entries(tables))(
  "the table %s has no contradictions and valid defaults",
  (_, specs) => {
    expect(() => keyTree(specs)).not.toThrow();
    for (const spec of specs) {
      if (spec.default === undefined || ["any", "list", "floats"].includes(spec.type)) continue;
      expect(decodeText(String(spec.default), spec), spec.path).toEqual({ value: spec.default });
    }
  },
);

test("a key twice in a table is found", () => {
  const spec = allKeys[0]!;
  expect(() => keyTree([spec, spec])).toThrow("is defined twice");
  expect(() => keyTree([spec, { ...spec, path: `${spec.path}.x` }])).toThrow("lies under a leaf");
});

test("each key with an effect has a doc line, and each flag's key is in a table", () => {
  for (const specs of Object.values(tables)) {
    for (const spec of specs) {
      if (
        spec.treatment === "honoured" ||
        spec.treatment === "mapped" ||
        spec.treatment === "refused"
      ) {
        expect(spec.doc, spec.path).toMatch(/\S/);
      }
    }
  }
  const paths = new Set(allKeys.map((spec) => spec.path));
  for (const [name, { path }] of FLAGS) if (path !== undefined) expect(paths, name).toContain(path);
});

test("the reference names keys, defaults and environment, and escapes what would end a cell", () => {
  const text = settingsReference();
  expect(text).toContain("| `server.http_listen_port` | `3200` | HTTP port of the query API");
  expect(text).toContain("| `distributor.receivers.otlp.protocols.grpc.endpoint` |  | `host:port`");
  expect(text).toContain("| `metrics_generator.storage.remote_write[].queue_config.capacity` |");
  expect(text).toContain("| `PINTAIL_DATA_DIR` |");
  expect(text).toContain("`storage.trace.block.version`");
  expect(text).toContain("`a\\|b`");
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  const cells = rows.map((row) => row.replaceAll("\\|", "").split("|").length);
  expect(new Set(cells)).toEqual(new Set([4, 5]));
});

test("the nearest key is suggested only when it is near", () => {
  const keys = ["http_listen_port", "grpc_listen_port", "log_level"];
  expect(nearest("http_listen_prot", keys)).toBe("http_listen_port");
  expect(nearest("loglevel", keys)).toBe("log_level");
  expect(nearest("receivers", keys)).toBeUndefined();
  expect(nearest("x".repeat(100_000), keys)).toBeUndefined();
});

test("credentials are masked wherever they are, and empty ones are shown", () => {
  expect(
    maskSecrets({
      s3: { access_key: "a", secret_key: "b", session_token: "", bucket: "c" },
      remote_write: [
        {
          url: "http://u:p@h/x",
          headers: { A: "t" },
          basic_auth: { username: "u", password: "p" },
        },
        { bearer_token: "t", authorization: { type: "Bearer", credentials: "t" } },
      ],
      http_headers: { X: { values: ["v"], secrets: ["s"] } },
      sasl_password: 5,
      span_multiplier_key: "m",
      kms_key_id: "k",
      attributes: [{ key: "span.x", value: "v" }],
      tls_config: { key: "p" },
      at: "http://u:p@q@h/x",
    }),
  ).toEqual({
    s3: { access_key: "<secret>", secret_key: "<secret>", session_token: "", bucket: "c" },
    remote_write: [
      {
        url: "http://<secret>@h/x",
        headers: { A: "<secret>" },
        basic_auth: { username: "u", password: "<secret>" },
      },
      { bearer_token: "<secret>", authorization: { type: "Bearer", credentials: "<secret>" } },
    ],
    http_headers: { X: { values: ["<secret>"], secrets: ["<secret>"] } },
    sasl_password: "<secret>",
    span_multiplier_key: "m",
    kms_key_id: "k",
    attributes: [{ key: "span.x", value: "v" }],
    tls_config: { key: "<secret>" },
    at: "http://<secret>@h/x",
  });
});
