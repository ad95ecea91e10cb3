import type { Hono } from "hono";
import type { Readiness } from "../../server/readiness.ts";
import { METRICS_CONTENT_TYPE } from "../../telemetry/metrics.ts";
import { jsonText } from "../wire/json-text.ts";
import { answer, JSON_TYPE, TEXT } from "./respond.ts";

export type BuildInfo = {
  /** Of the emulated Tempo: Grafana decides by it what to offer. */
  readonly version: string;
  readonly revision: string;
  readonly branch: string;
  readonly buildUser: string;
  readonly buildDate: string;
  readonly goVersion: string;
};

/** What the operational pages show. */
export type StatusParts = {
  readonly readiness: Readiness;
  readonly buildInfo: BuildInfo;
  /** Pintail's own version, as `/status/version` shows it. */
  readonly versionText: string;
  /** Name and state (`Running`, …) of each part of the process. */
  services(): readonly { readonly name: string; readonly state: string }[];
  /** Running settings as YAML, secrets masked. */
  configYaml(mode: "" | "diff" | "defaults"): string;
  /** Per-tenant settings as YAML. */
  runtimeConfigYaml(mode: "" | "diff"): string;
  /** Prometheus text; `undefined` = the endpoint is off. */
  readonly metricsText: (() => string | Promise<string>) | undefined;
};

/** `/ready`, `/metrics`, `/status/…`: without prefix and without tenant. */
export function addStatusRoutes(app: Hono, parts: StatusParts): void {
  app.all("/ready", () => parts.readiness.response());
  const { metricsText } = parts;
  if (metricsText !== undefined) {
    app.get("/metrics", async (c) => answer(c.req.raw, METRICS_CONTENT_TYPE, await metricsText()));
  }
  const pages: Record<string, (mode: string) => string> = {
    version: () => `${parts.versionText}\n`,
    services: () => table(parts.services().map(({ name, state }) => [name, state])),
    endpoints: () => table(app.routes.map(({ method, path }) => [method, path])),
    runtime_config: (mode) => parts.runtimeConfigYaml(mode === "diff" ? "diff" : ""),
    config: (mode) => `---\n${parts.configYaml(configMode(mode) ?? "")}`,
  };
  app.get("/status", () => {
    const sections = Object.entries(pages).map(([name, page]) => section(name, page("")));
    return text(sections.join("\n"));
  });
  for (const [name, page] of Object.entries(pages)) {
    app.get(`/status/${name}`, (c) => {
      const mode = c.req.query("mode") ?? "";
      if (name === "config" && configMode(mode) === undefined) {
        return text(`unknown value for mode query parameter: ${mode.slice(0, 200)}`, 500);
      }
      return text(section(name, page(mode)));
    });
  }
}

/** What stands under the API prefix, without tenant. */
export function addApiStatusRoutes(app: Hono, prefix: string, parts: StatusParts): void {
  app.get(`${prefix}/status/usage-stats`, () => text("usage-stats is not enabled\n"));
  app.all(`${prefix}/api/echo`, () => text("echo\n"));
  app.all(`${prefix}/api/status/buildinfo`, (c) => {
    if (c.req.method !== "GET" && c.req.method !== "HEAD")
      return new Response(null, { status: 405 });
    return new Response(`${jsonText(parts.buildInfo)}\n`, {
      headers: { "content-type": JSON_TYPE },
    });
  });
}

function configMode(mode: string): "" | "diff" | "defaults" | undefined {
  return mode === "" || mode === "diff" || mode === "defaults" ? mode : undefined;
}

function section(name: string, body: string): string {
  return `GET /status/${name}\n${body}`;
}

function table(rows: readonly (readonly string[])[]): string {
  const width = Math.max(0, ...rows.map(([first]) => first?.length ?? 0));
  return rows
    .map(([first = "", ...rest]) => `${first.padEnd(width)}  ${rest.join("  ")}\n`)
    .join("");
}

function text(body: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": TEXT } });
}
