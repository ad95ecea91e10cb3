import { expect, test } from "vitest";
import { displayWidth } from "../../../src/cli/sql/display.ts";
import { Table } from "../../../src/cli/sql/table.ts";

function printed(
  columns: string[],
  rows: (string | null)[][],
  width = Number.POSITIVE_INFINITY,
  types: string[] = [],
): string {
  let text = "";
  const table = new Table(
    columns.map((name, c) => ({ name, type: types[c] ?? "VARCHAR" })),
    width,
    (part) => {
      text += part;
    },
  );
  for (const row of rows) table.add(row);
  table.finish(rows.length, false);
  return text;
}

test("columns are aligned, numbers to the right, with the number of rows", () => {
  expect(
    printed(
      ["name", "n"],
      [
        ["ab", "1"],
        [null, "200"],
      ],
      80,
      ["VARCHAR", "BIGINT"],
    ),
  ).toBe("name | n  \n-----+----\nab   |   1\nNULL | 200\n(2 rows)\n");
});

test("long texts give way to the terminal's width", () => {
  const text = printed(["a", "b"], [["x".repeat(100), "short"]], 40);
  for (const line of text.trimEnd().split("\n")) expect(displayWidth(line)).toBeLessThanOrEqual(40);
  expect(text).toContain("…");
  expect(text).toContain("short");
});

test("more columns than fit become blocks", () => {
  const names = Array.from({ length: 20 }, (_, i) => `column${i}`);
  const text = printed(names, [names.map((_, i) => `value${i}`)], 80);
  expect(text).toContain("-[ row 1 ]-\ncolumn0  | value0\n");
});

test("a terminal obeys nothing that spans say", () => {
  const text = printed(["a"], [["\u001b[2J\u0007\u009b1m\r\n\u202e"]]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be absent
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  expect(text).toContain("\\u001b[2J");
});

test("wide characters take two places", () => {
  expect(
    printed(
      ["a", "b"],
      [
        ["日本", "x"],
        ["abcd", "y"],
      ],
    ),
  ).toBe("a    | b\n-----+--\n日本 | x\nabcd | y\n(2 rows)\n");
});

test("a result without rows has its head; thousands keep the first page's widths", () => {
  expect(printed(["a"], [])).toBe("a\n-\n(0 rows)\n");
  const rows = Array.from({ length: 2500 }, (_, i) => [i < 2400 ? "x" : "longer"]);
  expect(printed(["a"], rows).split("\n")).toHaveLength(2500 + 4);
});
