import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { percentEncode, trailersOf } from "../../../src/runtime/grpc/status.ts";
import { parseGrpcTimeout } from "../../../src/runtime/grpc/timeout.ts";

test("a percent-encoded message is printable ASCII and decodes to itself", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const wellFormed = text.toWellFormed();
      const encoded = percentEncode(wellFormed);
      expect(encoded).toMatch(/^[ -~]*$/);
      expect(decodeURIComponent(encoded)).toBe(wellFormed);
    }),
  );
});

test("trailers hold no message that is empty, and cut one that is long", () => {
  expect(trailersOf({ code: 0, message: "" })).toEqual({ "grpc-status": "0" });
  expect(trailersOf({ code: 13, message: "x".repeat(5000) })["grpc-message"]).toHaveLength(1024);
});

describe("a grpc-timeout", () => {
  test.each([
    [undefined, undefined],
    ["1S", 1000],
    ["250m", 250],
    ["1500u", 2],
    ["1n", 1],
    ["2M", 120_000],
    ["99999999H", 2 ** 31 - 1],
    ["0S", 0],
  ])("of %s is %s ms", (value, ms) => {
    expect(parseGrpcTimeout(value)).toBe(ms);
  });

  test.each(["", "S", "1", "-1S", "1.5S", "123456789S", "1s", "1S "])(
    "of '%s' is none",
    (value) => {
      expect(parseGrpcTimeout(value)).toBeNaN();
    },
  );
});
