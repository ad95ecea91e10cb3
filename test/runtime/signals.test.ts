import { afterEach, expect, test, vi } from "vitest";
import { onStopSignal } from "../../src/runtime/signals.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("the first signal stops in order, the second at once", () => {
  const exit = vi.spyOn(process, "exit").mockImplementation((() => undefined) as never);
  const stops: string[] = [];
  const remove = onStopSignal((signal) => stops.push(signal));
  process.emit("SIGTERM", "SIGTERM");
  expect([stops, exit.mock.calls]).toEqual([["SIGTERM"], []]);
  process.emit("SIGINT", "SIGINT");
  expect([stops, exit.mock.calls]).toEqual([["SIGTERM"], [[130]]]);
  remove();
  expect(process.listeners("SIGTERM").filter((l) => l.name === "handler")).toEqual([]);
});
