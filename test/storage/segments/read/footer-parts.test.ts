import { expect, test } from "vitest";
import {
  ThriftType,
  ThriftWriter,
} from "../../../../src/storage/segments/parquet/thrift-writer.ts";
import {
  takeApart,
  writeProjectedFooter,
} from "../../../../src/storage/segments/read/footer-parts.ts";

const CORRUPT = expect.objectContaining({ kind: "corrupt" });

/** A footer of one column, with what `chunk` writes as the description of its only chunk. */
function footerOf(chunk: (thrift: ThriftWriter) => void): Uint8Array {
  const thrift = new ThriftWriter();
  schemaOf(thrift, [1, undefined]);
  thrift.i64(3, 5);
  thrift.list(4, ThriftType.struct, 1);
  thrift.beginListed();
  thrift.list(1, ThriftType.struct, 1);
  thrift.beginListed();
  thrift.begin(3);
  chunk(thrift);
  thrift.end();
  thrift.end();
  thrift.i64(3, 5);
  thrift.end();
  thrift.end();
  return thrift.sink.view();
}

/** Schema elements by their numbers of children; undefined for a leaf. */
function schemaOf(thrift: ThriftWriter, children: readonly (number | undefined)[]): void {
  thrift.list(2, ThriftType.struct, children.length);
  for (const count of children) {
    thrift.beginListed();
    thrift.text(4, "x");
    if (count !== undefined) thrift.i32(5, count);
    thrift.end();
  }
}

function schemaFooter(children: readonly (number | undefined)[]): Uint8Array {
  const thrift = new ThriftWriter();
  schemaOf(thrift, children);
  thrift.list(4, ThriftType.struct, 0);
  thrift.end();
  return thrift.sink.view();
}

function project(footer: Uint8Array): Uint8Array {
  return writeProjectedFooter(takeApart(footer), [0], [0], () => 4);
}

test("a chunk's description is written again at its new place", () => {
  const footer = footerOf((thrift) => {
    thrift.i64(6, 10);
    thrift.i64(9, 300);
    thrift.i64(11, 100);
  });
  const again = takeApart(project(footer));
  expect(again.groups.map(({ rowCount }) => rowCount)).toEqual([5]);
  // To the same place again, nothing changes.
  expect(writeProjectedFooter(again, [0], [0], () => 4)).toEqual(project(footer));
});

test.each<[string, readonly (number | undefined)[]]>([
  ["more children than there are", [1, 65_536]],
  ["more children than any schema has", [1, 2 ** 31 - 1]],
  ["groups in groups in groups", [1, ...Array.from({ length: 60_000 }, () => 1), undefined]],
])("a schema with %s is refused", (_, children) => {
  expect(() => takeApart(schemaFooter(children))).toThrow(CORRUPT);
});

test("lists beyond their bounds are refused before anything is made of them", () => {
  for (const count of [65_537, 2 ** 31, 2 ** 52]) {
    for (const id of [2, 4]) {
      const thrift = new ThriftWriter();
      thrift.list(id, ThriftType.struct, count);
      // So many that the bytes alone do not give it away.
      const zeros = new Uint8Array(70_000);
      thrift.sink.append(zeros, 0, zeros.length);
      expect(() => takeApart(thrift.sink.view())).toThrow(CORRUPT);
    }
  }
});

test.each<[string, (thrift: ThriftWriter) => void]>([
  [
    "a million fields",
    (thrift) => {
      for (let id = 1; id <= 1_000_000; id++) thrift.bool(id, true);
    },
  ],
  [
    "fields out of order",
    (thrift) => {
      thrift.i64(9, 300);
      thrift.i64(6, 10);
    },
  ],
  [
    "pages in front of it",
    (thrift) => {
      thrift.i64(9, 100);
      thrift.i64(11, 300);
    },
  ],
  ["a place that is no number", (thrift) => thrift.bool(9, true)],
  ["a negative place", (thrift) => thrift.i64(9, -100)],
])("a chunk with %s is refused", (_, chunk) => {
  expect(() => project(footerOf(chunk))).toThrow(CORRUPT);
});
