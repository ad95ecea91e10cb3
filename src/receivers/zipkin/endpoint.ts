import type { StringTable } from "../../model/string-table.ts";
import {
  isIpv4Text,
  MAX_IP_TEXT_BYTES,
  parseIpv6,
  writeIpv4,
  writeIpv6,
} from "../../util/ip-text.ts";
import { utf8Text } from "../../util/utf8-text.ts";

/** Who did or saw something. String ids are 0 and the port is 0 where absent. */
export class Endpoint {
  service = 0;
  ipv4 = 0;
  ipv6 = 0;
  port = 0;

  reset(): void {
    this.service = 0;
    this.ipv4 = 0;
    this.ipv6 = 0;
    this.port = 0;
  }

  set(other: Endpoint): void {
    this.service = other.service;
    this.ipv4 = other.ipv4;
    this.ipv6 = other.ipv6;
    this.port = other.port;
  }

  /** A v6 address wins. */
  get ip(): number {
    return this.ipv6 === 0 ? this.ipv4 : this.ipv6;
  }
}

/** Addresses as string ids of their canonical text. */
export class IpTexts {
  readonly #strings: StringTable;
  readonly #text = new Uint8Array(MAX_IP_TEXT_BYTES);

  constructor(strings: StringTable) {
    this.#strings = strings;
  }

  /** Of the 4 or 16 bytes at `bytes[start]`; 0 when there are none, -1 for another number. */
  ofBytes(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length === 0) return 0;
    if (length !== 4 && length !== 16) return -1;
    const write = length === 4 ? writeIpv4 : writeIpv6;
    return this.#strings.intern(this.#text, 0, write(this.#text, bytes, start));
  }

  /** Of a text, which is "" (0) or of either family; -1 when it is none. */
  ofText(bytes: Uint8Array, start: number, end: number): number {
    if (start === end || isIpv4Text(bytes, start, end)) {
      return this.#strings.intern(bytes, start, end);
    }
    if (end - start > MAX_IP_TEXT_BYTES) return -1;
    const address = parseIpv6(utf8Text(bytes, start, end));
    return address === undefined ? -1 : this.ofBytes(address, 0, 16);
  }
}
