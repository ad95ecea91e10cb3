import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { datasourceYaml } from "../../../src/cli/demo/banner.ts";
import { demoSettings } from "../../../src/cli/demo/settings.ts";

const SCRIPT = fileURLToPath(new URL("../../../src/cli/demo.ts", import.meta.url));

async function demo(
  env: Record<string, string>,
  args: string[] = [],
): Promise<{ code: number | null; stderr: string; stdout: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { env: { ...process.env, ...env } });
  let stderr = "";
  let stdout = "";
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
  });
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stderr, stdout };
}

async function busyPort(): Promise<{ port: number; server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, server };
}

test("a busy shop port ends the demo with the port and the variable that moves it", async () => {
  const { port, server } = await busyPort();
  const { code, stderr } = await demo({ PINTAIL_DEMO_SHOP_PORT: String(port) });
  server.close();
  expect(code).toBe(1);
  expect(stderr).toContain(
    `port ${port} for the shop's frontend is in use; set PINTAIL_DEMO_SHOP_PORT to another one`,
  );
});

test("settings come from the environment, with the usual ports without it", () => {
  expect(demoSettings({})).toMatchObject({
    httpPort: 3200,
    otlpGrpcPort: 4317,
    otlpHttpPort: 4318,
    shopPort: 8080,
  });
  expect(demoSettings({ PINTAIL_DEMO_RATE: "0.5" }).rate).toBe(0.5);
});

test.each([
  ["PINTAIL_DEMO_HTTP_PORT", "0"],
  ["PINTAIL_DEMO_HTTP_PORT", "65536"],
  ["PINTAIL_DEMO_SHOP_PORT", "80.5"],
  ["PINTAIL_DEMO_SHOP_PORT", "3200"],
  ["PINTAIL_DEMO_RATE", "fast"],
  ["PINTAIL_DEMO_RATE", "-1"],
])("%s=%s is refused", (name, value) => {
  expect(() => demoSettings({ [name]: value })).toThrow(value);
});

test("an unknown argument is named and help is shown", async () => {
  const { code, stderr } = await demo({}, ["--fast"]);
  expect(code).toBe(2);
  expect(stderr).toContain("unknown argument '--fast'");
  expect(stderr).toContain("PINTAIL_DEMO_HTTP_PORT");
});

test("the data source is a Grafana provisioning file of type tempo", () => {
  const { datasources } = parse(datasourceYaml("http://localhost:3200"));
  expect(datasources).toHaveLength(1);
  expect(datasources[0]).toMatchObject({
    type: "tempo",
    url: "http://localhost:3200",
    jsonData: { streamingEnabled: { search: true } },
  });
  expect(datasources[0].jsonData).not.toHaveProperty("serviceMap");
});
