/** The bytes are not Thrift of the expected shape. */
export class ThriftError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ThriftError";
  }
}

/** Types by their numbers in the binary protocol; the compact one's are translated to these. */
export const ThriftType = {
  stop: 0,
  bool: 2,
  byte: 3,
  double: 4,
  i16: 6,
  i32: 8,
  i64: 10,
  /** Strings too. */
  binary: 11,
  struct: 12,
  map: 13,
  set: 14,
  list: 15,
  uuid: 16,
} as const;

/** How deep values that nobody asked for may nest. */
export const MAX_SKIP_DEPTH = 64;

/**
 * A cursor over Thrift data of some protocol. Every read is checked against the end of the data and
 * throws a `ThriftError` rather than go past it; a string or container that claims more than is left
 * is refused before anything is made of it. No read allocates.
 */
export interface ThriftReader {
  readonly bytes: Uint8Array;
  pos: number;
  /** Id of the field that `field` read last. */
  readonly fieldId: number;
  /** Element type of the list or set that `list` read last. */
  readonly elementType: number;
  /** High half of what `i64` or `double` read last. */
  readonly hi: number;
  /** What `binary` read last: `bytes[start .. end]`. */
  readonly start: number;
  readonly end: number;
  reset(bytes: Uint8Array): void;
  /** Reads a message's header and gives the name of its method. */
  message(): string;
  /** `previous` is the id of the struct's field before, 0 at first: some ids are differences. */
  field(previous: number): number;
  /** The value of the bool field whose header was read last. */
  bool(): boolean;
  i32(): number;
  /** The low half; the high one is left in `hi`. */
  i64(): number;
  /** The IEEE 754 bits, as `i64` gives them. */
  double(): number;
  binary(): void;
  list(): number;
  listOf(elementType: number): number;
  /** Steps over the value of a field whose header was read last. */
  skip(type: number): void;
}

const MAX_NAME_BYTES = 100;
const names = new TextDecoder();

/** The text of a method's name, cut where it is too long to be one. */
export function methodName(bytes: Uint8Array, start: number, end: number): string {
  return names.decode(bytes.subarray(start, Math.min(end, start + MAX_NAME_BYTES)));
}
