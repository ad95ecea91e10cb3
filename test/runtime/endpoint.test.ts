import { expect, test } from "vitest";
import { endpointText, parseEndpoint } from "../../src/runtime/endpoint.ts";

test.each([
  ["localhost:4317", { host: "localhost", port: 4317 }],
  [":3200", { host: "", port: 3200 }],
  ["[::1]:80", { host: "::1", port: 80 }],
  ["0.0.0.0:0", { host: "0.0.0.0", port: 0 }],
])("the endpoint %s is understood", (text, endpoint) => {
  expect(parseEndpoint(text)).toEqual(endpoint);
  expect(endpointText(endpoint)).toBe(text);
});

test.each(["", "localhost", "host:", "host:99999", "host:-1", "host:http", "::1:80"])(
  "the endpoint '%s' is refused",
  (text) => {
    expect(() => parseEndpoint(text)).toThrow(`endpoint '${text}'`);
  },
);

test("a unix endpoint is a path", () => {
  expect(parseEndpoint("/run/p.sock", "unix")).toEqual({ path: "/run/p.sock" });
  expect(() => parseEndpoint("", "unix")).toThrow("empty");
});
