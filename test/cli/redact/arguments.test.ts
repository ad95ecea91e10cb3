import { expect, test } from "vitest";
import { parseRedactArguments } from "../../../src/cli/redact/arguments.ts";

test("a redaction is asked for by its query, and says whether it only looks", () => {
  expect(
    parseRedactArguments([
      ...["{}", "--apply", "--start", "1", "--end=2", "--reason", "x", "--url", "http://h/"],
      ...["-config.file=tempo.yaml", "--tenant", "a"],
    ]),
  ).toEqual({
    action: {
      ...{ type: "redact", query: "{}", dryRun: false, start: "1", end: "2", reason: "x" },
      requestedBy: undefined,
    },
    ...{ url: "http://h", tenant: "a", dataDir: undefined, configFile: "tempo.yaml", json: false },
  });
  const { action } = parseRedactArguments(["{}", "--dry-run", "-config.file", "f"]);
  expect(action).toMatchObject({ dryRun: true });
});

test("status takes an id or none", () => {
  expect(parseRedactArguments(["status"]).action).toEqual({ type: "status", id: undefined });
  expect(parseRedactArguments(["status", "X"]).action).toEqual({ type: "status", id: "X" });
  expect(parseRedactArguments(["-h"]).action).toEqual({ type: "help" });
});

test.each([
  [[]],
  [["{}"]],
  [["{}", "--apply", "--dry-run"]],
  [["{", "}", "--apply"]],
  [["status", "a", "b"]],
  [["{}", "--apply", "--what"]],
])("%j is refused", (args) => {
  expect(() => parseRedactArguments(args)).toThrow();
});
