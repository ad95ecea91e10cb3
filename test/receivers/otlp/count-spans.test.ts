import { expect, test } from "vitest";
import { countSpans } from "../../../src/receivers/otlp/count-spans.ts";
import { aRequest, aSpan, encodeRequest } from "../../support/otlp-builder.ts";

test("counts the spans of all resources and scopes", () => {
  const one = encodeRequest(aRequest([aSpan(), aSpan()]));
  const two = encodeRequest(aRequest([aSpan()]));
  // Concatenated protobuf messages are one message with the repeated fields of both.
  expect(countSpans(new Uint8Array([...one, ...two]))).toBe(3);
});

test("counts what comes before the first malformed byte", () => {
  const body = encodeRequest(aRequest([aSpan(), aSpan(), aSpan()]));
  expect(countSpans(new Uint8Array(0))).toBe(0);
  expect(countSpans(new Uint8Array([0xff, 0xff]))).toBe(0);
  const whole = new Uint8Array([...body, 0xff]);
  expect(countSpans(whole)).toBe(3);
});
