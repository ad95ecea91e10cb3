import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { RemoteWriteTls } from "../../../src/drivers/remote-write/settings.ts";
import { eventually } from "../../runtime/support.ts";
import { aBatch, Writers } from "./support.ts";

const CERT = join(import.meta.dirname, "../../runtime/fixtures/server.crt");
const KEY = join(import.meta.dirname, "../../runtime/fixtures/server.key");
const cert = readFileSync(CERT);
const key = readFileSync(KEY);

const TLS: RemoteWriteTls = {
  caFile: "",
  certFile: "",
  keyFile: "",
  serverName: "",
  insecureSkipVerify: false,
};

const writers = new Writers();
afterEach(() => writers.closeAll());

/** Pushes one batch over TLS and tells whether it arrived, else why not. */
async function outcome(tls: RemoteWriteTls | undefined, clientCert = false): Promise<unknown> {
  const sink = await writers.sink(undefined, {
    tls: { cert, key, ca: cert, requestCert: clientCert, rejectUnauthorized: clientCert },
  });
  const writer = await writers.open(sink.url, { tls });
  writer.push(aBatch("a", 1));
  await eventually(() => writers.count("sent") + writers.count("retried") > 0);
  return writers.count("sent") > 0 ? "sent" : writers.logs[0]!.reason;
}

test("an endpoint is verified against the given authority", async () => {
  expect(await outcome({ ...TLS, caFile: CERT })).toBe("sent");
});

test.each([[undefined], [TLS]])("an unknown authority is not trusted (%j)", async (tls) => {
  expect(await outcome(tls)).toMatch(/self.signed/);
});

test("verification can be left out", async () => {
  expect(await outcome({ ...TLS, insecureSkipVerify: true })).toBe("sent");
});

test("the name that is verified can be given", async () => {
  expect(await outcome({ ...TLS, caFile: CERT, serverName: "localhost" })).toBe("sent");
});

test("another name than the certificate's fails", async () => {
  expect(await outcome({ ...TLS, caFile: CERT, serverName: "other.example" })).toMatch(/altnames/);
});

test("a client certificate is shown", async () => {
  const tls = { ...TLS, caFile: CERT, certFile: CERT, keyFile: KEY };
  expect(await outcome(tls, true)).toBe("sent");
});

test("an endpoint that wants a client certificate takes nothing without", async () => {
  expect(await outcome({ ...TLS, caFile: CERT }, true)).not.toBe("sent");
});

test("a file that is not there stops the start", async () => {
  const opened = writers.open("https://127.0.0.1:1/", { tls: { ...TLS, caFile: "/none.crt" } });
  await expect(opened).rejects.toMatchObject({
    kind: "invalid",
    message: "cannot read TLS file /none.crt",
  });
});
