import { expect, test } from "vitest";
import { isIpv4Text, parseIpv6, writeIpv4, writeIpv6 } from "../../src/util/ip-text.ts";

const out = new Uint8Array(45);
const text = (length: number) => new TextDecoder().decode(out.subarray(0, length));

test.each([
  [[0, 0, 0, 0], "0.0.0.0"],
  [[192, 168, 99, 101], "192.168.99.101"],
  [[255, 10, 9, 100], "255.10.9.100"],
])("IPv4 %j is %s", (bytes, expected) => {
  expect(text(writeIpv4(out, Uint8Array.from(bytes), 0))).toBe(expected);
});

test.each([
  ["2001:DB8:0:0:0:0:c001:0", "2001:db8::c001:0"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"],
  ["1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"],
  ["::ffff:10.1.2.3", "10.1.2.3"],
  ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ["0001:0:0:1:0:0:1:1", "1::1:0:0:1:1"],
])("IPv6 %s is %s", (given, expected) => {
  expect(text(writeIpv6(out, parseIpv6(given)!, 0))).toBe(expected);
});

test.each([
  "",
  "1",
  ":",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7::8:9",
  "g::",
  "12345::",
  "::1%eth0",
  "::1.2.3",
  "::1.2.3.4:5",
  "1.2.3.4::",
  "::01.2.3.4",
  " ::1",
  "1:",
])("%j is no IPv6 address", (given) => {
  expect(parseIpv6(given)).toBeUndefined();
});

test.each([
  ["1.2.3.4", true],
  ["255.255.255.255", true],
  ["256.1.1.1", false],
  ["01.2.3.4", false],
  ["1.2.3", false],
  ["1.2.3.4.", false],
  ["1.2.3.4 ", false],
  ["1..3.4", false],
  ["", false],
])("%j is an IPv4 address: %s", (given, expected) => {
  const bytes = new TextEncoder().encode(given);
  expect(isIpv4Text(bytes, 0, bytes.length)).toBe(expected);
});
