import { describe, expect, test } from "vitest";
import { createLogger, rateLimited } from "../../src/telemetry/logger.ts";
import type { LogSettings } from "../../src/telemetry/settings.ts";

function logger(settings: Partial<LogSettings> = {}) {
  const lines: string[] = [];
  const log = createLogger(
    { level: "info", format: "json", ...settings },
    () => Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    (line) => lines.push(line),
  );
  return { log, lines };
}

test("a record is one JSON object with its fields", () => {
  const { log, lines } = logger();
  log.with({ tenant: "a" }).info("segment written", { spanCount: 3, missing: undefined, size: 5n });
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    {
      ts: "2026-01-02T03:04:05.006Z",
      level: "info",
      msg: "segment written",
      tenant: "a",
      spanCount: 3,
      size: "5",
    },
  ]);
});

test("records below the level are dropped", () => {
  const { log, lines } = logger({ level: "warn" });
  log.info("no");
  log.debug("no");
  log.warn("yes");
  log.error("yes");
  expect(lines).toHaveLength(2);
});

test("logfmt quotes what would break the line", () => {
  const { log, lines } = logger({ format: "logfmt" });
  log.info("it works", { plain: "abc", number: 1.5, text: 'a "b"\nc=d', empty: "", "a key": true });
  expect(lines).toEqual([
    'ts=2026-01-02T03:04:05.006Z level=info msg="it works" plain=abc number=1.5 ' +
      'text="a \\"b\\"\\nc=d" empty="" a_key=true',
  ]);
});

describe("an error as a field", () => {
  const error = new Error("outer", { cause: new Error("inner") });

  test("names its causes", () => {
    const { log, lines } = logger();
    log.warn("failed", { error });
    expect(JSON.parse(lines[0] as string).error).toBe("outer; caused by: inner");
  });

  test("comes with its stack at level error", () => {
    const { log, lines } = logger();
    log.error("failed", { error });
    expect(JSON.parse(lines[0] as string).error).toContain("logger.test.ts");
  });
});

test("hostile values are bounded and never throw", () => {
  const { log, lines } = logger();
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  log.info("x", { long: "x".repeat(100_000), circular, symbol: Symbol("s"), none: null });
  expect((lines[0] as string).length).toBeLessThan(5000);
  expect(JSON.parse(lines[0] as string)).toMatchObject({ circular: "[unprintable]", none: null });
});

test("repeated warnings are counted instead of written", () => {
  const { log, lines } = logger();
  let now = 0;
  const warn = rateLimited(log.warn, 1000, () => now);
  for (let i = 0; i < 5; i++) warn("again");
  now = 1000;
  warn("again", { a: 1 });
  warn("again");
  expect(lines.map((line) => JSON.parse(line).suppressed)).toEqual([undefined, 4]);
});
