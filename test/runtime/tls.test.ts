import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { request } from "node:https";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { GrpcCode } from "../../src/runtime/grpc/status.ts";
import { loadTls, type TlsFiles } from "../../src/runtime/tls.ts";
import { Sockets } from "./support.ts";

const CERT = join(import.meta.dirname, "fixtures/server.crt");
const KEY = join(import.meta.dirname, "fixtures/server.key");
const ca = readFileSync(CERT);
const key = readFileSync(KEY);

const FILES: TlsFiles = {
  certFile: CERT,
  keyFile: KEY,
  clientCaFile: undefined,
  clientAuthType: undefined,
  minVersion: undefined,
  maxVersion: undefined,
};

const sockets = new Sockets();
afterEach(() => sockets.closeAll());

async function serve(files: Partial<TlsFiles> = {}) {
  const { port } = await sockets.listen({
    tls: await loadTls({ ...FILES, ...files }),
    fetch: (req) => new Response(new URL(req.url).protocol),
    grpc: {
      methods: [{ path: "/t.S/M", maxMessageBytes: 100_000, handle: async (message) => message }],
      toStatus: () => ({ code: GrpcCode.internal, message: "" }),
    },
  });
  return port;
}

function get(port: number, options: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = request(`https://127.0.0.1:${port}/`, { ca, agent: false, ...options }, (res) => {
      let body = "";
      res.on("data", (chunk) => {
        body += String(chunk);
      });
      res.on("end", () => resolve(`${res.statusCode} ${body}`));
    });
    req.on("error", reject);
    req.end();
  });
}

test("one TLS port serves HTTP/1.1, HTTP/2 and gRPC", async () => {
  const port = await serve();
  expect(await get(port)).toBe("200 https:");

  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca });
  const stream = session.request({ ":path": "/" });
  let body = "";
  for await (const chunk of stream) body += String(chunk);
  expect(body).toBe("https:");
  session.destroy();

  const client = new grpc.Client(`localhost:${port}`, grpc.credentials.createSsl(ca));
  const raw = (bytes: Buffer) => bytes;
  const response = await new Promise((resolve, reject) => {
    client.makeUnaryRequest("/t.S/M", raw, raw, Buffer.alloc(90_000, 1), (error, bytes) =>
      error ? reject(error) : resolve(bytes),
    );
  });
  expect(response).toEqual(Buffer.alloc(90_000, 1));
  client.close();
});

describe("client certificates", () => {
  const withCert = { cert: ca, key };

  test.each([
    [undefined, true, true],
    ["RequestClientCert", true, true],
    ["VerifyClientCertIfGiven", true, true],
    ["RequireAnyClientCert", false, true],
    ["RequireAndVerifyClientCert", false, true],
  ])("with %s: none %s, a good one %s", async (clientAuthType, without, withOne) => {
    const port = await serve({
      clientAuthType,
      clientCaFile: clientAuthType === undefined ? undefined : CERT,
    });
    const outcome = (options: object) =>
      get(port, options).then(
        () => true,
        () => false,
      );
    expect([await outcome({}), await outcome(withCert)]).toEqual([without, withOne]);
  });
});

describe("TLS settings", () => {
  test.each([
    [{ certFile: "/nowhere.crt" }, "cannot read TLS file /nowhere.crt"],
    [{ minVersion: "1.9" }, "unknown TLS version '1.9'"],
    [{ clientAuthType: "Maybe" }, "unknown client_auth_type 'Maybe'"],
    [{ clientAuthType: "RequireAndVerifyClientCert" }, "needs a client_ca_file"],
  ])("%j are refused", async (files, message) => {
    await expect(loadTls({ ...FILES, ...files })).rejects.toThrow(message);
  });
});
